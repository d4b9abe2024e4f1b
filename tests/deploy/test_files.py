"""The files in `deploy/` name roles, variables and files that exist, and have the product's own limits and times."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import resolve

from jobs.lanes import pumps
from selfiehero import environment
from selfiehero.server import daphne_server, limits, protocols
from tests.deploy.installation import DEPLOY
from tests.support.sources import text_of

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
# Read by libraries, the shell or Python, not by the product.
OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "ENV_FILE", "PYTHONDONTWRITEBYTECODE"}


def nginx(name: str) -> str:
    """Return a file of nginx's without its comments."""
    return re.sub(r"^\s*#.*$", "", (DEPLOY / "nginx" / name).read_text(), flags=re.MULTILINE)


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())


def documents() -> list[dict[str, Any]]:
    return [document for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]


def pods() -> list[tuple[str, dict[str, Any]]]:
    """Return name and pod of everything in the manifests that runs."""
    return [
        (d["metadata"]["name"], d["spec"]["template"]["spec"])
        for d in documents()
        if d["kind"] in ("Deployment", "Job")
    ]


def ours(containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [container for container in containers if container["image"] == "selfiehero"]


def roles() -> set[str]:
    return set(re.findall(r"^#   role (\w+)", (DEPLOY / "role").read_text(), re.MULTILINE))


def commands() -> list[list[str]]:
    """Return the arguments of `deploy/role` wherever a file names some."""
    found = [
        line.split()[1:] for unit in UNITS for line in re.findall(r"^ExecStart=(.+)$", unit.read_text(), re.MULTILINE)
    ]
    for service in compose()["services"].values():
        if service.get("image") == "selfiehero" and "entrypoint" not in service:
            found.append(service["command"])
    for _name, pod in pods():
        found += [c["args"] for c in ours(pod.get("initContainers", []) + pod["containers"])]
    checks = [
        s["healthcheck"]["test"][1:]
        for s in compose()["services"].values()
        if "deploy/role" in str(s.get("healthcheck"))
    ]
    for _name, pod in pods():
        checks += [
            c["livenessProbe"]["exec"]["command"]
            for c in ours(pod["containers"])
            if "exec" in c.get("livenessProbe", {})
        ]
    return found + [command[1:] for command in checks]


def test_every_role_that_is_named_exists():
    assert len(commands()) > 25
    for role, *arguments in commands():
        assert role in roles()
        if role == "worker":
            assert arguments[0] in (*pumps.lanes(), "%i")
        if role == "alive":
            assert arguments[0] in (*(f"worker-{lane}" for lane in pumps.lanes()), "reconcile")


def test_every_variable_that_is_set_is_one_of_ours():
    explained = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", text_of(".env.example"), re.MULTILINE))
    named = {name for unit in UNITS for name in re.findall(r"^Environment=(\w+)=", unit.read_text(), re.MULTILINE)}
    named |= set(re.findall(r"\b([A-Z][A-Z_]+)=", re.search(r"^ENV .*?\n(?=\S)", container_file(), re.M | re.S)[0]))
    named |= set(compose()["x-product"]["environment"])
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    named |= {literal.split("=")[0] for literal in kustomization["configMapGenerator"][0]["literals"]}
    named |= {line.split("=")[0] for line in secrets()}
    assert len(named) > 20
    assert named - explained - OTHERS - {"PORT"} == set()


def container_file() -> str:
    return (DEPLOY / "Containerfile").read_text()


def secrets() -> list[str]:
    return subprocess.run([str(DEPLOY / "new-secrets")], check=True, capture_output=True, text=True).stdout.splitlines()


def test_new_secrets_are_ones_that_the_product_takes():
    made = environment.load(dict(line.split("=", 1) for line in secrets()))
    assert made.given_secret_key and made.given_field_keys and made.contact.given_vapid_key


def test_every_file_that_is_named_exists():
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    named = [DEPLOY / path for path in kustomization["resources"] + kustomization["configMapGenerator"][1]["files"]]
    for name in ("nginx.conf", "server.conf", "upstreams.conf"):
        named += [DEPLOY / "nginx" / file for file in re.findall(r"include ([\w.-]+);", nginx(name))]
    for service in compose()["services"].values():
        named += [DEPLOY / "compose" / v.split(":")[0] for v in service.get("volumes", []) if v.startswith(".")]
    named += [
        DEPLOY.parent / path
        for path in re.findall(r"^COPY ([\w./]+(?: [\w./]+)*) \S+$", container_file(), re.M)
        for path in path.split()
    ]
    assert len(named) > 30
    assert [path for path in named if not path.exists() and path.name != "tls"] == []
    assert {path.name for path in MANIFESTS} == {Path(path).name for path in kustomization["resources"]}


def test_nginx_takes_bodies_as_large_as_the_product_does():
    def bytes_of(text: str) -> int:
        return int(text[:-1]) * {"k": 2**10, "m": 2**20}[text[-1]]

    assert bytes_of(re.search(r"client_max_body_size (\w+);", nginx("nginx.conf"))[1]) == limits.OTHER_BYTES
    locations = dict(re.findall(r"^location (?:= )?(\S+) \{(.*?)^\}", nginx("server.conf"), re.M | re.S))
    sizes = {path: re.search(r"client_max_body_size (\w+);", text) for path, text in locations.items()}
    assert {path: bytes_of(size[1]) for path, size in sizes.items() if size} == {
        **dict.fromkeys(limits.UPLOAD_PATHS, limits.UPLOAD_BYTES),
        limits.WEBHOOK_PREFIX: limits.WEBHOOK_BYTES,
        "/": limits.UPLOAD_BYTES,
    }


def test_nginx_waits_as_long_as_the_product_does_and_longer_than_a_minute_only_for_its_answer():
    text = nginx("nginx.conf") + nginx("server.conf")
    assert float(re.search(r"client_header_timeout (\d+)s", text)[1]) == protocols.HEAD_SECONDS
    waits = re.findall(r"(\w+_timeout) (\d+)s;", text)
    assert {(name, int(seconds)) for name, seconds in waits if int(seconds) > 60} == {("proxy_read_timeout", 65)}
    assert daphne_server.HTTP_SECONDS < 65


def test_nginx_answers_in_the_words_of_the_product():
    answers = {
        int(status): json.loads(body) for status, body in re.findall(r"return (\d+) '(\{.*\})';", nginx("server.conf"))
    }
    assert all(body["status"] == status for status, body in answers.items())
    ours = [limits.bad_request(), limits.address_too_long(), limits.too_large("/other")]
    assert [answers[status] for status, _ in ours] == [json.loads(body) for _, body in ours]
    assert json.loads(limits.too_large("/")[1]) in [
        json.loads(body) for body in re.findall(r"'(\{.*\})'", nginx("server.conf"))
    ]


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/api/v1/jobs/", "/oembed", "/status.json", "/webhooks/studio/token/"]
)
def test_every_address_that_nginx_treats_apart_exists(path: str):
    assert resolve(path)


def test_everything_is_given_more_time_to_end_than_it_takes():
    for unit in UNITS:
        for seconds in re.findall(r"^TimeoutStopSec=(\d+)$", unit.read_text(), re.MULTILINE):
            assert int(seconds) > daphne_server.DRAIN_SECONDS
        assert "KillMode=mixed" in unit.read_text() or "Type=oneshot" in unit.read_text()
    assert int(compose()["x-product"]["stop_grace_period"].rstrip("s")) > daphne_server.DRAIN_SECONDS
    for _name, pod in pods():
        for container in ours(pod["containers"]):
            before = int(
                container.get("lifecycle", {"preStop": {"exec": {"command": [0]}}})["preStop"]["exec"]["command"][-1]
            )
            assert pod.get("terminationGracePeriodSeconds", 30) > before + 1 + (
                daphne_server.DRAIN_SECONDS if before else 0
            )


def test_nothing_runs_as_root_or_writes_outside_its_folders():
    for unit in UNITS:
        text = unit.read_text()
        for directive in ("User=selfiehero", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n"):
            assert directive in text, f"{unit.name}: {directive}"
        assert "landlock_restrict_self" in text  # what children confine themselves with
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert re.search(r"^USER 10001$", container_file(), re.MULTILINE)


def test_an_unknown_role_says_which_there_are():
    done = subprocess.run([str(DEPLOY / "role"), "wbe"], capture_output=True, text=True)
    assert done.returncode == 2 and "role worker LANE" in done.stderr


def test_a_process_is_alive_while_it_beats(tmp_path: Path):
    def is_alive() -> bool:
        env = {**os.environ, "VAR_DIR": str(tmp_path)}
        return subprocess.run([str(DEPLOY / "role"), "alive", "reconcile"], env=env).returncode == 0

    assert not is_alive()
    (tmp_path / "run").mkdir()
    beat = tmp_path / "run" / "reconcile.beat"
    beat.touch()
    assert is_alive()
    os.utime(beat, (1, 1))
    assert not is_alive()


@pytest.mark.database
@pytest.mark.django_db
def test_the_autoscaler_asks_what_the_database_can_answer():
    from django.db import connection

    queries = [
        t["metadata"]["query"] for d in documents() if d["kind"] == "ScaledObject" for t in d["spec"]["triggers"]
    ]
    assert len(queries) == 2
    if connection.vendor != "postgresql":
        columns = {
            column.name for column in connection.introspection.get_table_description(connection.cursor(), "jobs_job")
        }
        assert {"lane", "due_at"} <= columns
        return
    for query in queries:
        with connection.cursor() as cursor:
            cursor.execute(query)
            assert cursor.fetchone()[0] == 0
