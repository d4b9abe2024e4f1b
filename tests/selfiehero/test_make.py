"""What `make` and CI do before the tests: the scripts, run with a PATH that holds what a test puts there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from selfiehero.environment import PROJECT_DIR
from tests.support import browser


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    """A folder of programs without a browser and without apt-get."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "env", "id", "grep", "mktemp", "rm", "dirname", "cat"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


def run(script: str, bin_dir: Path, **env: str) -> tuple[int, str]:
    """Return exit code and everything it said."""
    ended = subprocess.run(
        [PROJECT_DIR / script],
        env={"PATH": str(bin_dir), "TMPDIR": str(bin_dir), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20,
    )
    return ended.returncode, ended.stdout


def install(bin_dir: Path, **env: str) -> tuple[int, str]:
    return run("scripts/install-chromium", bin_dir, **env)


def test_ci_says_that_it_is_ci_whoever_starts_it(bin_dir: Path) -> None:
    program(bin_dir / "make", 'echo "CI is $CI, asked for $*"; exit 7')
    for given in ({}, {"CI": ""}, {"CI": "1"}):
        assert run(".ci/run", bin_dir, **given) == (7, "CI is 1, asked for test\nCI is 1, asked for test-rest\n")


@pytest.mark.parametrize("failing", ["test", "test-rest"])
def test_ci_fails_for_either_half_and_ends_with_what_both_said(bin_dir: Path, failing: str) -> None:
    program(bin_dir / "make", f'echo "$1 passed in 1 s" >> "$TEST_VERDICTS"; echo noise; [ "$1" != {failing} ]')
    assert run(".ci/run", bin_dir) == (1, "noise\nnoise\ntest passed in 1 s\ntest-rest passed in 1 s\n")


def test_without_a_browser_a_person_is_told_and_ci_fails(bin_dir: Path) -> None:
    code, said = install(bin_dir)
    assert (code, "are skipped" in said) == (0, True)
    code, said = install(bin_dir, CI="1")
    assert (code, "cannot run" in said) == (1, True)


def test_a_browser_that_cannot_be_installed_is_none(bin_dir: Path) -> None:
    program(bin_dir / "apt-get", "echo 'E: Unable to locate package chromium'; exit 100")
    program(bin_dir / "sudo", 'shift; exec "$@"')
    program(bin_dir / "true", "exit 0")
    code, said = install(bin_dir)
    assert code == 0
    assert "Chromium could not be installed: E: Unable to locate package chromium" in said
    assert install(bin_dir, CI="1")[0] == 1


def test_a_browser_that_is_there_or_can_be_installed_is_enough(bin_dir: Path) -> None:
    program(bin_dir / "sudo", 'shift; exec "$@"')
    program(bin_dir / "true", "exit 0")
    program(bin_dir / "apt-get", f'echo "$*" >> {bin_dir}/asked')
    code, _said = install(bin_dir, CI="1")
    assert code == 0
    assert "install -y --no-install-recommends chromium" in (bin_dir / "asked").read_text()
    (bin_dir / "asked").unlink()
    program(bin_dir / "chromium", "exit 0")
    assert install(bin_dir, CI="1") == (0, "")
    assert not (bin_dir / "asked").exists()


def test_a_named_browser_has_to_be_a_program(bin_dir: Path) -> None:
    code, said = install(bin_dir, CHROMIUM="/nowhere/chromium")
    assert (code, "/nowhere/chromium" in said) == (1, True)
    program(bin_dir / "mine", "exit 0")
    assert install(bin_dir, CHROMIUM=str(bin_dir / "mine"), CI="1") == (0, "")


def test_tests_that_need_a_browser_fail_in_ci_and_are_skipped_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="Chromium is missing"):
        browser.chromium_path()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="Chromium is missing"):
        browser.chromium_path()
