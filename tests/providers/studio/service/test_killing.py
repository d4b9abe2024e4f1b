"""A real studio process with the real renderer, whose renderers are killed."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import time

import pytest

from providers.studio.service.settings import DEFAULT_RENDERER
from tests.support.processes import wait_for
from tests.support.studio import StudioProcess

pytestmark = pytest.mark.slow


@pytest.fixture
def studio(tmp_path):
    process = StudioProcess(tmp_path, {"STUDIO_RENDERER": DEFAULT_RENDERER}).start()
    yield process
    process.stop(signal.SIGKILL)


def submit(studio: StudioProcess, reference: str, astronaut: bytes) -> str:
    photo = base64.b64encode(astronaut).decode()
    return studio.submit(reference, photo=photo, seed=reference).json()["id"]


def starts(studio: StudioProcess, prediction_id: str) -> int:
    record = studio.folder / "predictions" / prediction_id / "prediction.json"
    return json.loads(record.read_text())["start_count"]


def kill_renderer_of(studio: StudioProcess, prediction_id: str, start: int, progress: float) -> None:
    """Kill the renderer in the given start of a prediction, as soon as it has this progress."""

    def has_come() -> bool:
        shown = studio.show(prediction_id)
        assert shown["status"] in ("queued", "starting", "running")
        return shown["status"] == "running" and starts(studio, prediction_id) == start and shown["progress"] >= progress

    wait_for(has_come, f"start {start} to come to {progress}", seconds=30, every=0.01)
    (pid,) = studio.renderer_pids()
    os.kill(pid, signal.SIGKILL)


@pytest.mark.thorough  # with tiny films: test_renderers
def test_a_killed_renderer_costs_one_retry_of_one_film(studio, astronaut):
    dice = random.Random(6)
    unlucky, *others = (submit(studio, f"film-{number}", astronaut) for number in range(2))
    kill_renderer_of(studio, unlucky, 1, dice.uniform(0.0, 0.9))
    for prediction_id in (unlucky, *others):
        made = studio.wait(prediction_id, seconds=60)
        assert made["status"] == "succeeded"
        assert len(studio.call("GET", made["video"], key="").content) > 500_000
    assert [starts(studio, one) for one in (unlucky, *others)] == [2, 1]


def test_a_film_that_costs_two_renderers_is_given_up_and_the_next_is_made(studio, astronaut):
    deadly, other = (submit(studio, f"film-{number}", astronaut) for number in range(2))
    for start in (1, 2):
        kill_renderer_of(studio, deadly, start, 0.0)
    failed = studio.wait(deadly, seconds=30)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "render_failed")
    assert studio.wait(other, seconds=60)["status"] == "succeeded"
    assert [starts(studio, one) for one in (deadly, other)] == [2, 1]


def test_after_cancels_at_any_moment_the_next_film_is_made(studio, astronaut):
    dice = random.Random(7)
    for number in range(5):
        prediction_id = submit(studio, f"film-{number}", astronaut)
        studio.wait(prediction_id, "running", seconds=20)
        time.sleep(dice.uniform(0, 1.5))
        assert studio.call("POST", f"/v1/predictions/{prediction_id}/cancel").json()["status"] == "canceled"
    wanted = submit(studio, "wanted", astronaut)
    assert studio.wait(wanted, seconds=60)["status"] == "succeeded"
    assert starts(studio, wanted) == 1
    kept = [path.name for path in (studio.folder / "predictions" / prediction_id).iterdir()]
    assert set(kept) <= {"prediction.json", "poster.jpg"}, "nothing half made is left"
