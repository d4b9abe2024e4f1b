"""What is installed is what the locks name, by version and by the hashes of its files; and its licence is known."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["", "tests/", "tests/deploy/"]
AGAIN = "run scripts/lock-requirements"


def wanted(folder: str) -> list[Requirement]:
    lines = (ROOT / folder / "requirements.txt").read_text().splitlines()
    return [Requirement(line.partition("#")[0]) for line in lines if re.match("[A-Za-z]", line)]


def locked(folder: str) -> dict[str, str]:
    lines = (ROOT / folder / "requirements.lock").read_text().splitlines()
    pairs = [line.split()[0].split("==") for line in lines if re.match("[A-Za-z]", line)]
    return {canonicalize_name(name): version for name, version in pairs}


def needed(requirements: list[Requirement]) -> set[str]:
    """Return the names of the packages that these need, as the installed ones say it."""
    found: set[str] = set()
    ahead = [(canonicalize_name(each.name), frozenset(each.extras)) for each in requirements]
    seen = set(ahead)
    while ahead:
        name, extras = ahead.pop()
        found.add(name)
        for line in metadata.requires(name) or []:
            more = Requirement(line)
            if more.marker is None or any(more.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                step = (canonicalize_name(more.name), frozenset(more.extras))
                ahead += [step] if step not in seen else []
                seen.add(step)
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_lock_names_what_is_pinned_and_hashes_of_every_package(folder):
    versions = locked(folder)
    for each in wanted(folder):
        assert str(each.specifier) == f"=={versions.get(canonicalize_name(each.name))}", f"{each}: {AGAIN}"
    parts = re.split(r"^(?=[A-Za-z])", (ROOT / folder / "requirements.lock").read_text(), flags=re.MULTILINE)
    for part in parts[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", part), part
    assert "://" not in "".join(parts), "no index is named"


@pytest.mark.parametrize("folder", ["", "tests/"])
def test_these_tests_run_on_what_is_locked_and_all_of_it_is(folder):
    versions = locked(folder)
    names = needed(wanted(folder))
    assert names <= set(versions), AGAIN
    assert {name: metadata.version(name) for name in names} == {name: versions[name] for name in names}


def test_no_package_is_locked_twice_in_two_versions():
    product, tests = locked(""), locked("tests/")
    both = product.keys() & tests.keys()
    assert {name: product[name] for name in both} == {name: tests[name] for name in both}


def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("list_licences", ROOT / "scripts" / "list-licences.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_licences_lists_every_package_and_every_bundled_library():
    page = (ROOT / "docs" / "licences.md").read_text().splitlines()
    missing = [line for line in licences().lines() if line not in page]
    assert not missing, "run scripts/list-licences.py"
    named = [line for line in page if line.startswith("|")]
    assert all(line.split("|")[3].strip() for line in named), "a package without a licence"
    assert {"| av | x264 | GPL-2.0-or-later |", "| av | x265 | GPL-2.0-or-later |"} <= set(named)


def wheel(folder: Path) -> Path:
    path = folder / "small-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small.py", "")
        archive.writestr("small-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n")
        archive.writestr("small-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("small-1.0.dist-info/RECORD", "")
    return path


@pytest.mark.slow
def test_a_file_with_another_hash_is_not_installed_unless_somebody_says_so(tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    lock, site = tmp_path / "requirements.lock", tmp_path / "site"
    (tmp_path / "requirements.txt").write_text("small==1.0\n")
    digest = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    env = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_TARGET": str(site)}
    env["PIP_CONFIG_FILE"] = os.devnull

    def install(given: str, **more: str) -> subprocess.CompletedProcess[str]:
        lock.write_text(f"small==1.0 \\\n    --hash=sha256:{given}\n")
        command = ["bash", str(ROOT / "scripts" / "pip-install"), str(tmp_path), str(lock), "it"]
        return subprocess.run(command, env=env | more, capture_output=True, text=True, timeout=60)

    refused = install("0" * 64)
    assert refused.returncode == 2
    assert "UNLOCKED=1" in refused.stderr
    assert not (site / "small.py").exists()
    assert install("0" * 64, UNLOCKED="1").returncode == 0
    assert (site / "small.py").exists()
    assert install(digest).returncode == 0
