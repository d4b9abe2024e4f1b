"""The rehearsal itself, on the whole product: a small evening, and its morning after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfiehero.environment import PROJECT_DIR
from tests.support.product import product_env

pytestmark = [pytest.mark.slow, pytest.mark.thorough]


@pytest.mark.timeout(1200)
def test_everybody_gets_a_film_and_no_photo_is_left_the_next_morning(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "manage.py",
        "surge",
        "--small",
        "--rate",
        "120",
        "--hold",
        "4",
        "--ramp",
        "2",
        "-o",
        str(tmp_path),
    ]
    wanted = {**os.environ, **product_env(VAR_DIR=str(tmp_path / "var"))}
    env = {name: value for name, value in wanted.items() if value is not None}
    done = subprocess.run(argv, cwd=PROJECT_DIR, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "surge.json").read_text())
    assert found["people"] == found["films"] >= 10
    assert found["ledger"]["clean"]
    assert found["morning"] | {"seconds": 0} == {"due": found["films"], "seconds": 0, "jobs_left": 0, "photos_left": 0}
    assert found["cpu_ms_a_hero"]["all"] > 0
    assert sum(cloud["accepted"] for cloud in found["clouds"].values()) == found["films"]
