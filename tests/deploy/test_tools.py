"""What nginx, systemd, hadolint, gixy and the Kubernetes schemas say of the files in `deploy/`."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from selfiehero.environment import PROJECT_DIR
from tests.deploy.installation import DEPLOY, TOOLS
from tests.support.certificates import Authority

pytestmark = [pytest.mark.deploy, pytest.mark.slow]


def run(*argv: str | Path, **choices) -> str:
    """Run a tool; fail with what it said when it finds something."""
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, **choices)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=["nginx", "compose", "kubernetes"])
def configuration(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """nginx's files as each way of deploying lays them out, with a certificate and folders that are here."""
    folder = tmp_path / "nginx"
    shutil.copytree(DEPLOY / "nginx", folder)
    if request.param != "nginx":
        for path in (DEPLOY / request.param).glob("*.conf"):
            shutil.copy(path, folder)
    Authority().server(folder, "hero.example")
    site = (folder / "site.conf").read_text()
    site = re.sub(r"/etc/selfiehero/(tls/)?tls\.(crt|key)", str(folder / "hero.example.pem"), site)
    site = re.sub(r"/var/cache/(nginx/)?", f"{tmp_path}/", site)
    site = site.replace("/var/log/nginx", str(tmp_path))
    (folder / "site.conf").write_text(site)
    # Names that only exist in a network of containers.
    for path in folder.glob("*.conf"):
        text = re.sub(r"server (web|sockets)(-\d)?:", "server 127.0.0.1:", path.read_text())
        path.write_text(text.replace("http://s3:7070", "http://127.0.0.1:7070"))
    return folder / "nginx.conf"


def test_nginx_takes_its_configuration(configuration: Path, tmp_path: Path):
    said = run("nginx", "-t", "-q", "-p", tmp_path, "-c", configuration, "-g", f"pid {tmp_path}/pid; error_log stderr;")
    assert "warn" not in said.replace('the "user" directive', "")


def test_nginx_is_configured_without_known_mistakes(configuration: Path):
    # host_spoofing: ALLOWED_HOSTS refuses other names, and the port in the name is needed. missing_resolver: what is in
    # the variable is an upstream, not a name to resolve. hsts_header: the product sends it with every answer.
    said = run(TOOLS / "gixy", "--skips", "host_spoofing,missing_resolver,hsts_header", "-ll", configuration)
    assert "No issues found" in said, said


def test_the_container_file_is_clean():
    run(TOOLS / "hadolint", DEPLOY / "Containerfile")


def test_the_manifests_fit_the_schemas():
    paths = [path for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")) if path.name != "scaling.yaml"]
    said = run(TOOLS / "kubernetes-validate", "--strict", *paths)
    assert said.count(" passed for resource ") > 20


def test_systemd_takes_the_units(tmp_path: Path):
    """In this folder and for this user: systemd looks whether what it would start is there."""
    instances = {"web@": "web@8001", "sockets@": "sockets@8101", "worker@": "worker@dispatch-2"}
    for path in (DEPLOY / "systemd").iterdir():
        name = path.name
        for template, instance in instances.items():
            name = name.replace(template, instance)
        text = path.read_text().replace("/opt/selfiehero", str(PROJECT_DIR))
        (tmp_path / name).write_text(re.sub(r"^(User|Group)=.*$", r"\1=root", text, flags=re.MULTILINE))
    paths = sorted(tmp_path.iterdir())
    assert run("systemd-analyze", "verify", "--man=no", *paths) == ""
    for path in paths:
        if path.suffix == ".service":
            run("systemd-analyze", "security", "--offline=true", "--threshold=25", path)
