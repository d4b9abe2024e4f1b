"""The image of `deploy/Containerfile`, built by buildah on a Debian that mmdebstrap makes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from selfiehero.environment import PROJECT_DIR
from tests.deploy.installation import DEPLOY
from tests.support.processes import free_port, start_process, stop_process, wait_for

pytestmark = [pytest.mark.deploy, pytest.mark.slow, pytest.mark.timeout(1800)]

BASE = "localhost/selfiehero-base"
PACKAGES = "python3,python3-venv,ca-certificates"
# How this machine reaches its package index, where it has something of its own for that.
OF_THIS_MACHINE = [path for path in ("/etc/pip.conf", "/etc/ssl/certs") if Path(path).exists()]


class Buildah:
    """buildah with a store of its own, and without a container engine: chroot is enough to build and to look."""

    def __init__(self, folder: Path) -> None:
        self.argv = ["buildah", "--root", str(folder / "images"), "--runroot", str(folder / "run")]

    def __call__(self, *arguments: str) -> str:
        done = subprocess.run([*self.argv, *arguments], capture_output=True, text=True, cwd=PROJECT_DIR)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout.strip()


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    """The image `selfiehero`, and a container of it of the same name."""
    folder = tmp_path_factory.mktemp("image")
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder / "base.tar")],
        check=True,
    )
    run = Buildah(folder)
    container = run("from", "scratch")
    run("add", "--quiet", container, str(folder / "base.tar"), "/")
    run("commit", "--quiet", "--rm", container, BASE)
    mounts = [part for path in OF_THIS_MACHINE for part in ("--volume", f"{path}:{path}:ro")]
    run(
        *(
            "build",
            "--format",
            "docker",
            "--isolation",
            "chroot",
            "--network",
            "host",
            "--build-arg",
            f"BASE={BASE}",
            *mounts,
        ),
        *("--ignorefile", str(DEPLOY / "Containerfile.dockerignore"), "--file", str(DEPLOY / "Containerfile")),
        *("--tag", "selfiehero", "."),
    )
    run("from", "--name", "selfiehero", "selfiehero")
    return run


def inside(buildah: Buildah, *argv: str) -> str:
    return buildah("run", "--isolation", "chroot", "selfiehero", "--", *argv)


def test_it_has_no_compiler_and_does_not_run_as_root(buildah: Buildah):
    assert inside(buildah, "sh", "-c", "command -v gcc cc c++ make pip || true") == ""
    assert inside(buildah, "id", "-u") == "10001"
    assert inside(buildah, "sh", "-c", "find /opt/selfiehero -writable | head -3") == ""
    assert inside(buildah, "sh", "-c", "find /opt/selfiehero ! -readable | head -3") == ""
    names = set(inside(buildah, "ls", "-A", "/opt/selfiehero").split())
    assert {"manage.py", "collected", ".venv"} <= names and not names & {"tests", "docs", "var", ".env", ".git"}


@pytest.fixture
def web(buildah: Buildah, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    inside(buildah, "deploy/role", "migrate")
    argv = [
        *buildah.argv,
        "run",
        "--isolation",
        "chroot",
        "--env",
        f"PORT={port}",
        "selfiehero",
        "--",
        "deploy/role",
        "web",
    ]
    process = start_process(argv, log_path=tmp_path / "web.log")
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, (tmp_path / "web.log").read_text()
        try:
            return requests.get(f"{url}/readyz", timeout=3).status_code == 200
        except requests.RequestException:
            return False

    try:
        wait_for(answers, "the image to serve", seconds=120, every=0.5)
        yield url
    finally:
        stop_process(process, 15)


def test_it_serves_pages_with_the_static_files_that_it_brings(web: str):
    page = requests.get(f"{web}/", timeout=30)
    assert page.status_code == 200
    style = re.search(r'"(/static/[^"]+\.css)"', page.text)[1]
    assert requests.get(web + style, timeout=30).status_code == 200


def test_it_is_not_built_from_what_belongs_to_this_machine():
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text().split()
    assert ignored[0] == "*"
    assert not {"!var", "!.env", "!.venv", "!tests", "!.git"} & set(ignored)
