"""Clients that others generate from our OpenAPI document order a film and get it, without a line written by hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.clients.caller import PHOTO, Caller

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

TYPESCRIPT = Path(__file__).with_name("typescript")
# Where scripts/install-client-tools puts them.
NODE_MODULES = Path(sys.prefix) / "clients" / "node_modules"


def run(*command: object, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def assert_is_a_film(said: str) -> None:
    told = json.loads(said.splitlines()[-1])
    assert (told["status"], told["hero_name"]) == ("succeeded", "NOVA-7")
    assert told["film"] > 1000


@pytest.fixture
def document(caller: Caller, tmp_path: Path) -> Path:
    path = tmp_path / "schema.json"
    path.write_bytes(requests.get(f"{caller.url}/api/v1/schema/?format=json", timeout=30).content)
    return path


def test_openapi_python_client_makes_a_client_that_gets_a_film(caller: Caller, document: Path, tmp_path: Path) -> None:
    tools = Path(sys.executable).parent
    run(
        *(tools / "openapi-python-client", "generate", "--path", document, "--meta", "none", "--fail-on-warning"),
        *("--output-path", tmp_path / "hero_client"),
        cwd=tmp_path,
        PATH=f"{tools}{os.pathsep}{os.environ['PATH']}",  # it formats what it wrote with ruff
    )
    program = Path(__file__).with_name("order_with_python.py")
    said = run(sys.executable, program, caller.url, caller.token, PHOTO, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert_is_a_film(said)


def test_openapi_typescript_makes_types_that_compile_strictly_and_get_a_film(
    caller: Caller, document: Path, tmp_path: Path
) -> None:
    if not (NODE_MODULES.parent / "installed.json").is_file():
        pytest.skip("there are no tools for TypeScript: make test installs them where npm has a registry")
    for name in ("client.ts", "tsconfig.json", "package.json"):
        shutil.copy(TYPESCRIPT / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    run(NODE_MODULES / ".bin" / "openapi-typescript", document, "-o", tmp_path / "schema.d.ts", cwd=tmp_path)
    run(NODE_MODULES / ".bin" / "tsc", "--project", tmp_path, cwd=tmp_path)
    assert_is_a_film(run("node", tmp_path / "out" / "client.js", caller.url, caller.token, PHOTO, cwd=tmp_path))
