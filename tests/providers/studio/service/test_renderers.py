"""A full studio, renderers that start, die, stand still or grow, and what a studio keeps on disk."""

import base64
import json
import os
import signal
import stat
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from confinement import confine
from providers.studio.service import pool
from providers.studio.service.renderer_process import Patience
from providers.studio.service.scheduler import MAX_STARTS
from tests.confinement import intruder
from tests.support.fake_renderer import INTRUDE
from tests.support.processes import wait_for
from tests.support.studio import Receiver, is_running, running_studio

pytestmark = pytest.mark.slow


def starts(folder: Path, prediction_id: str) -> int:
    """How many renders were begun for a prediction."""
    return json.loads((folder / "predictions" / prediction_id / "prediction.json").read_text())["start_count"]


# --- Room, renderers, time ----------------------------------------------------------------------------


def test_a_full_studio_says_when_to_come_again(tmp_path):
    with running_studio(tmp_path, waiting_places=2) as studio:
        accepted = [studio.submit("full-0", "SLOW")]
        studio.wait(accepted[0].json()["id"], "running")
        accepted += [studio.submit(f"full-{number}", "SLOW") for number in (1, 2)]
        assert [answer.status_code for answer in accepted] == [202, 202, 202]
        assert [studio.show(answer.json()["id"])["queue_position"] for answer in accepted] == [None, 1, 2]
        refused = studio.submit("full-3")
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert studio.submit("full-1").status_code == 200, "a known reference needs no place"
        assert studio.health() == {"ok": True, "renderers": 1, "warm": 1, "running": 1, "waiting": 2}
        studio.call("POST", f"/v1/predictions/{accepted[1].json()['id']}/cancel")
        assert studio.show(accepted[2].json()["id"])["queue_position"] == 1
        assert studio.submit("full-3").status_code == 202


@pytest.mark.slow
def test_a_prediction_is_starting_until_a_renderer_is_warm(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_WARM_UP_SECONDS", "1.5")
    with running_studio(tmp_path, wait_warm=False) as studio:
        first, second = (studio.submit(f"cold-{number}").json() for number in range(2))
        assert (first["status"], second["status"]) == ("starting", "queued")
        assert studio.wait(second["id"])["status"] == "succeeded"


@pytest.mark.slow
def test_a_studio_whose_renderers_do_not_start_accepts_no_predictions(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_NEVER_WARM", "1")
    monkeypatch.setattr("providers.studio.service.pool.LONGEST_PAUSE", 0.05)
    with running_studio(tmp_path, wait_warm=False) as studio:
        wait_for(lambda: not studio.health()["ok"], "the studio to say so", seconds=20)
        assert studio.submit("hopeless").status_code == 503


@pytest.mark.slow
def test_two_renderers_work_at_the_same_time(tmp_path):
    with running_studio(tmp_path, renderers=2) as studio:
        wait_for(lambda: studio.health()["warm"] == 2, "both renderers")
        ids = [studio.submit(f"both-{number}", "SLOW").json()["id"] for number in range(3)]
        wait_for(lambda: studio.health()["running"] == 2, "two renders")
        assert [studio.show(prediction_id)["status"] for prediction_id in ids] == ["running", "running", "queued"]


def test_a_killed_renderer_costs_one_retry_and_a_second_one_the_prediction(tmp_path):
    with running_studio(tmp_path) as studio, Receiver(studio.credentials.webhook_secret) as receiver:
        unlucky = studio.submit("crash-once", "CRASH-ONCE", webhook=f"{receiver.url}/once").json()["id"]
        doomed = studio.submit("crash", "CRASH", webhook=f"{receiver.url}/always").json()["id"]
        last = studio.submit("after").json()["id"]
        assert studio.wait(unlucky)["status"] == "succeeded"
        failed = studio.wait(doomed)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "render_failed")
        assert studio.wait(last)["status"] == "succeeded"
        receiver.wait_for_kind("failed")
        once = [one for one in receiver.received if one.path == "/once" and one.kind == "started"]
        assert len({one.message_id for one in once}) == 2


@pytest.mark.slow
def test_a_render_that_stands_still_is_killed_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "LONGEST_PAUSE", 0.05)
    with running_studio(tmp_path, stall_seconds=0.5) as studio:
        stuck = studio.submit("stall", "HANG").json()["id"]
        recovers = studio.submit("stall-once", "HANG-ONCE").json()["id"]
        failed = studio.wait(stuck, seconds=40)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "render_failed")
        assert studio.wait(recovers)["status"] == "succeeded"
        assert [starts(tmp_path, one) for one in (stuck, recovers)] == [MAX_STARTS, 2]


@pytest.mark.slow
def test_a_renderer_that_is_stopped_costs_its_prediction_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "LONGEST_PAUSE", 0.05)
    with running_studio(tmp_path, stall_seconds=1.0) as studio:
        prediction = studio.submit("stopped", "SLOW").json()["id"]
        for times in (1, 2, 3):
            wait_for(lambda times=times: starts(tmp_path, prediction) == times, f"render {times}", seconds=30)
            studio.wait(prediction, "running")
            os.kill(studio.renderer_pids()[0], signal.SIGSTOP)
        wait_for(lambda: starts(tmp_path, prediction) == 4, "another render", seconds=30)
        assert studio.wait(prediction, "running")["error"] is None


@pytest.mark.slow
def test_a_render_goes_on_although_the_studio_stands_still_for_longer_than_it_may_say_nothing(tmp_path):
    with running_studio(tmp_path, stall_seconds=1.0) as studio:
        prediction = studio.submit("paused", "SLOW").json()["id"]
        before = studio.wait(prediction, "running")["progress"]
        studio.inside(lambda: time.sleep(2.5))
        wait_for(lambda: studio.show(prediction)["progress"] > before + 0.2, "progress", seconds=30)
        assert starts(tmp_path, prediction) == 1


def test_a_renderer_that_used_the_cpu_all_the_time_was_at_work():
    renderer = SimpleNamespace(cpu_seconds=lambda: used)
    used = 10.0
    stall = Patience(renderer, 30.0)
    used = 24.9
    assert not stall.was_at_work
    used = 25.0
    assert stall.was_at_work
    stall.renew()
    assert not stall.was_at_work
    stall.count(12.0)
    assert stall.left == 29.5


@pytest.mark.slow
def test_a_render_that_moves_but_does_not_end_is_killed_too(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "LONGEST_PAUSE", 0.05)
    with running_studio(tmp_path, film_seconds=0.5) as studio:
        failed = studio.wait(studio.submit("endless", "SLOW").json()["id"], seconds=40)
        assert (failed["status"], failed["error"]["code"]) == ("failed", "render_failed")
        wait_for(lambda: studio.health()["warm"], "another renderer")
        assert studio.wait(studio.submit("short").json()["id"])["status"] == "succeeded"


@pytest.mark.slow
def test_a_renderer_can_open_no_file_of_others_and_start_no_process(tmp_path, caplog):
    """Its photo does what code would try that took over its decoder."""
    caplog.set_level("INFO")
    (tmp_path / "product").mkdir()
    refused, ends = intruder.held(confine.offered())
    lives = sorted({*intruder.FILES, *intruder.CALLS} & refused)

    def intrude(reference, attempts):
        photo = base64.b64encode(INTRUDE + f"{';'.join(attempts)}::{target.told}".encode()).decode()
        return studio.wait(studio.submit(reference, photo=photo).json()["id"], seconds=30)

    with closing(intruder.Target(tmp_path / "product")) as target, running_studio(tmp_path / "studio") as studio:
        assert f"renderer_confined by='{confine.offered()}'" in caplog.text
        assert intrude("files", lives)["error"]["code"] == "unreadable_photo"
        assert "detail=successes: []" in caplog.text
        if ends:
            assert intrude("fork", ["fork"])["error"]["code"] == "render_failed"
            # Tried once more, as after any crash. An end is logged a moment after the prediction has failed of it.
            wait_for(lambda: caplog.text.count(f"code={-signal.SIGSYS}") == 2, "the second renderer's end")


@pytest.mark.slow
def test_an_idle_renderer_that_dies_is_replaced(tmp_path):
    with running_studio(tmp_path) as studio:
        pid = studio.renderer_pids()[0]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: studio.renderer_pids() not in ([], [pid]), "another renderer")
        assert studio.wait(studio.submit("after-idle").json()["id"])["status"] == "succeeded"


@pytest.mark.slow
def test_a_renderer_is_replaced_when_it_has_grown_or_made_many_films(tmp_path):
    with running_studio(tmp_path, films_per_process=2, max_process_bytes=300 * 2**20) as studio:
        pids = studio.renderer_pids()
        for number in range(2):
            studio.wait(studio.submit(f"many-{number}").json()["id"])
        wait_for(lambda: studio.renderer_pids() not in ([], pids), "another renderer after two films")
        pids = studio.renderer_pids()
        studio.wait(studio.submit("hoard", "HOARD").json()["id"])
        wait_for(lambda: studio.renderer_pids() not in ([], pids), "another renderer after growth")


@pytest.mark.slow
def test_films_are_gone_when_they_expire(tmp_path, monkeypatch):
    monkeypatch.setattr("providers.studio.service.scheduler.SWEEP_SECONDS", 0.1)
    with running_studio(tmp_path, keep=timedelta(seconds=1)) as studio:
        made = studio.wait(studio.submit("expires").json()["id"])
        assert studio.call("GET", made["video"], key="").status_code == 200
        folder = tmp_path / "predictions" / made["id"]
        wait_for(lambda: not folder.exists(), "the folder to be removed", seconds=30)
        for path in (made["video"], made["poster"], f"/v1/predictions/{made['id']}"):
            assert studio.call("GET", path).status_code == 404


def test_a_prediction_that_cannot_be_stored_is_not_accepted(tmp_path, monkeypatch):
    with running_studio(tmp_path) as studio:

        def no_room(*arguments, **choices):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(studio.studio.store, "create", no_room)
        assert studio.submit("no-room").status_code == 503
        monkeypatch.undo()
        assert studio.submit("no-room").status_code == 202


@pytest.mark.slow
def test_a_film_that_cannot_be_kept_fails_and_the_studio_goes_on(tmp_path, monkeypatch):
    with running_studio(tmp_path) as studio:

        def no_room(*arguments, **choices):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(studio.studio.store, "take_film", no_room)
        assert studio.wait(studio.submit("no-room").json()["id"])["error"]["code"] == "render_failed"
        monkeypatch.undo()
        assert studio.wait(studio.submit("room").json()["id"])["status"] == "succeeded"


def test_a_closing_studio_keeps_its_line_for_the_next_one(tmp_path):
    with running_studio(tmp_path) as studio:
        ids = [studio.submit(f"kept-{number}", "SLOW" if not number else "NOVA-7").json()["id"] for number in range(3)]
        studio.wait(ids[0], "running")
        pids = studio.renderer_pids()
        began = time.monotonic()
    assert time.monotonic() - began < 10, "a second on an idle machine; the slow film would take longer"
    assert not any(is_running(pid) for pid in pids)
    records = [json.loads((tmp_path / "predictions" / one / "prediction.json").read_text()) for one in ids]
    assert [record["status"] for record in records] == ["queued"] * 3
    with running_studio(tmp_path) as studio:
        studio.wait(ids[0], "running")
        studio.call("POST", f"/v1/predictions/{ids[0]}/cancel")
        assert [studio.wait(one)["status"] for one in ids] == ["canceled", "succeeded", "succeeded"]


def test_what_is_kept_is_for_the_owner_alone_and_holds_no_secret(tmp_path):
    with running_studio(tmp_path) as studio:
        studio.wait(studio.submit("private").json()["id"])
        secrets = (studio.credentials.api_key, studio.credentials.webhook_secret)
        for path in (tmp_path / "predictions").rglob("*"):
            if path.name == "prediction.json":
                assert not any(secret in path.read_text() for secret in secrets)
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
            if path.is_dir():
                assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_broken_folders_do_not_stop_the_studio(tmp_path):
    root = tmp_path / "predictions"
    for name, text in (("p_empty", None), ("p_half", '{"id": "p_ha'), ("p_other", "{}"), ("p_list", "[]")):
        (root / name).mkdir(parents=True)
        if text is not None:
            (root / name / "prediction.json").write_text(text)
    with running_studio(tmp_path) as studio:
        assert studio.wait(studio.submit("fine").json()["id"])["status"] == "succeeded"
        assert len(list(root.iterdir())) == 1
