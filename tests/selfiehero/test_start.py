"""How a process of the product starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from selfiehero.environment import PROJECT_DIR


@pytest.mark.slow
def test_a_process_that_has_started_looks_for_garbage_among_what_comes_later() -> None:
    code = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    argv = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    said = subprocess.run(argv, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.split() == ["True", "True"]
