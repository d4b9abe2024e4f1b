"""The studio's API over real HTTP, with a renderer that makes tiny films."""

import base64
import json
import os
import signal
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import av
import pytest

from confinement import confine
from providers.studio.film import looks
from providers.studio.service import pool, settings
from providers.studio.service.renderer_process import Patience
from providers.studio.service.scheduler import MAX_STARTS
from tests.confinement import intruder
from tests.support.fake_renderer import INTRUDE
from tests.support.processes import wait_for
from tests.support.studio import PHOTO, Receiver, is_running, running_studio
from tests.support.timing import takes_about

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with running_studio(tmp_path_factory.mktemp("studio")) as running:
        yield running


@pytest.fixture
def receiver(studio):
    with Receiver(studio.credentials.webhook_secret) as listening:
        yield listening


def starts(folder: Path, prediction_id: str) -> int:
    """How many renders were begun for a prediction."""
    return json.loads((folder / "predictions" / prediction_id / "prediction.json").read_text())["start_count"]


# --- Submits ------------------------------------------------------------------------------------------


def test_a_submit_is_answered_at_once_and_becomes_a_playable_film(studio):
    with takes_about(0.05):
        answer = studio.submit("film", seed=7)
    assert answer.status_code == 202
    accepted = answer.json()
    assert (accepted["status"], accepted["reference"], accepted["progress"]) == ("queued", "film", 0)
    assert (accepted["error"], accepted["poster"], accepted["video"], accepted["finished_at"]) == (None,) * 4

    made = studio.wait(accepted["id"])
    assert (made["status"], made["progress"], made["queue_position"]) == ("succeeded", 1, None)
    assert made["metrics"]["render_seconds"] > 0.1
    assert made["metrics"]["cpu_seconds"] > 0
    assert datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["finished_at"]) == timedelta(
        hours=1
    )
    film = studio.call("GET", made["video"], key="")
    assert (film.status_code, film.headers["Content-Type"]) == (200, "video/mp4")
    path = studio.settings.folder / "checked.mp4"
    path.write_bytes(film.content)
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 12
    poster = studio.call("GET", made["poster"], key="")
    assert (poster.headers["Content-Type"], poster.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")


def test_a_film_answers_byte_ranges(studio):
    video = studio.wait(studio.submit("ranges").json()["id"])["video"]
    whole = studio.call("GET", video, key="").content
    part = studio.call("GET", video, key="", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"


def test_the_same_reference_is_the_same_prediction(studio):
    first = studio.submit("same")
    with ThreadPoolExecutor(8) as threads:
        others = list(threads.map(lambda _: studio.submit("same", hero_name="OTHER"), range(8)))
    assert first.status_code == 202
    assert {other.status_code for other in others} == {200}
    assert {other.json()["id"] for other in others} == {first.json()["id"]}
    studio.wait(first.json()["id"])
    assert studio.submit("same").status_code == 200


def test_many_equal_submits_at_once_make_one_prediction(studio):
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: studio.submit("at-once"), range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    studio.wait(answers[0].json()["id"])


def test_a_reference_can_be_looked_up(studio):
    made = studio.wait(studio.submit("found & known").json()["id"])
    found = studio.call("GET", "/v1/predictions", params={"reference": "found & known"})
    assert found.json() == {"items": [made]}
    assert studio.call("GET", "/v1/predictions", params={"reference": "nobody's"}).json() == {"items": []}
    assert studio.call("GET", "/v1/predictions").status_code == 422


@pytest.mark.parametrize(
    "changes",
    [
        {"look": "steampunk"},
        {"look": None},
        {"look": ["neon-noir"]},
        {"photo": None},
        {"photo": ""},
        {"photo": "not base64!"},
        {"photo": base64.b64encode(b"GIF89a").decode()},
        {"photo": 7},
        {"photo_url": "https://photos.example/1.jpg"},
        {"photo": None, "photo_url": "file:///etc/passwd"},
        {"photo": None, "photo_url": "ftp://photos.example/1.jpg"},
        {"photo": None, "photo_url": "http://[broken"},
        {"reference": ""},
        {"reference": None},
        {"reference": "x" * 129},
        {"reference": {"a": 1}},
        {"reference": "line\nbreak"},
        {"hero_name": "x" * 65},
        {"hero_name": "\ud800"},
        {"seed": 1.5},
        {"seed": True},
        {"webhook": "javascript:alert(1)"},
        {"webhook": "http://"},
        {"webhook": 7},
    ],
    ids=str,
)
def test_an_invalid_request_is_422(studio, changes):
    body = {"reference": "bad", "look": "neon-noir", "seed": "1", "photo": base64.b64encode(PHOTO).decode()}
    answer = studio.call("POST", "/v1/predictions", json=body | changes)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] == "bad_request"
    assert studio.call("GET", "/v1/predictions", params={"reference": "bad"}).json() == {"items": []}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_object_is_422(studio, body):
    assert studio.call("POST", "/v1/predictions", data=body).status_code == 422


def test_a_body_of_more_than_16_mb_is_413(studio):
    assert studio.call("POST", "/v1/predictions", data=b"x" * (16 * 2**20 + 1)).status_code == 413
    endless = (b"x" * 2**20 for _ in range(18))
    assert studio.call("POST", "/v1/predictions", data=endless).status_code == 413


@pytest.mark.parametrize("key", ["", "wrong", "é", "studio_"])
def test_nothing_is_shown_without_the_key(studio, key):
    known = studio.submit("secret").json()
    for method, path in (
        ("POST", "/v1/predictions"),
        ("GET", "/v1/predictions?reference=secret"),
        ("GET", f"/v1/predictions/{known['id']}"),
        ("POST", f"/v1/predictions/{known['id']}/cancel"),
        ("DELETE", f"/v1/predictions/{known['id']}"),
        ("GET", "/v1/elsewhere"),
    ):
        assert studio.call(method, path, key=key).status_code == 401
    assert studio.call("GET", "/healthz", key=key).status_code == 200


@pytest.mark.parametrize("path", ["/v1/predictions/p_none", "/nothing", "/files/guess/film.mp4", "/files/a/b/c"])
def test_what_is_not_there_is_404_in_json(studio, path):
    answer = studio.call("GET", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_thing")


def test_files_outside_are_not_served(studio):
    made = studio.wait(studio.submit("outside").json()["id"])
    folder = made["video"].removesuffix("film.mp4")
    for name in ("prediction.json", "photo.jpg", "..%2F..%2Fcredentials.json", "../prediction.json"):
        assert studio.call("GET", folder + name, key="").status_code in (401, 404)


# --- Ways a render ends -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hero_name", "code"),
    [("NOFACE", "no_face"), ("UNREADABLE", "unreadable_photo"), ("BROKEN", "render_failed")],
)
def test_a_render_that_cannot_be_done_says_why(studio, hero_name, code):
    failed = studio.wait(studio.submit(f"fails-{hero_name}", hero_name).json()["id"])
    assert (failed["status"], failed["error"]["code"]) == ("failed", code)
    assert failed["error"]["message"].endswith(".")
    assert failed["video"] is None


def test_the_photo_is_gone_when_the_prediction_is_final(studio):
    for hero_name in ("NOVA-7", "NOFACE"):
        made = studio.wait(studio.submit(f"photo-{hero_name}", hero_name).json()["id"])
        kept = {path.name for path in (studio.settings.folder / "predictions" / made["id"]).iterdir()}
        assert kept <= {"prediction.json", "film.mp4", "poster.jpg"}


def test_a_running_render_stops_within_half_a_second_of_cancel(studio):
    prediction = studio.submit("cancel", "SLOW").json()
    studio.wait(prediction["id"], "running")
    wait_for(lambda: studio.show(prediction["id"])["poster"], "the poster")
    pids = studio.renderer_pids()
    canceled = studio.call("POST", f"/v1/predictions/{prediction['id']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    wait_for(lambda: studio.health()["running"] == 0, "the render to stop", seconds=0.5, every=0.01)
    assert studio.renderer_pids() == pids, "a renderer that listens is not killed"
    assert studio.call("POST", f"/v1/predictions/{prediction['id']}/cancel").json()["status"] == "canceled"


def test_a_renderer_that_does_not_listen_is_killed_within_half_a_second(studio):
    prediction = studio.submit("cancel-hard", "HANG").json()
    studio.wait(prediction["id"], "running")
    pid = studio.renderer_pids()[0]
    studio.call("POST", f"/v1/predictions/{prediction['id']}/cancel")
    wait_for(lambda: not is_running(pid), "the renderer to be killed", seconds=0.6, every=0.01)
    assert studio.show(prediction["id"])["status"] == "canceled"
    assert studio.wait(studio.submit("after-cancel-hard").json()["id"])["status"] == "succeeded"


def test_delete_leaves_nothing(studio, receiver):
    made = studio.wait(studio.submit("delete").json()["id"])
    running = studio.submit("delete-running", "SLOW", webhook=receiver.url).json()
    waiting = studio.submit("delete-waiting", webhook=receiver.url).json()
    studio.wait(running["id"], "running")
    receiver.wait_for_kind("preview")
    for prediction in (made, running, waiting):
        assert studio.call("DELETE", f"/v1/predictions/{prediction['id']}").status_code == 204
        assert studio.call("GET", f"/v1/predictions/{prediction['id']}").status_code == 404
        assert studio.call("DELETE", f"/v1/predictions/{prediction['id']}").status_code == 404
        assert not (studio.settings.folder / "predictions" / prediction["id"]).exists()
    assert studio.call("GET", made["video"], key="").status_code == 404
    wait_for(lambda: studio.health()["running"] == 0, "the render to stop", seconds=0.5, every=0.01)
    assert not (studio.settings.folder / "predictions" / running["id"]).exists()
    assert {"succeeded", "canceled", "failed"}.isdisjoint(receiver.kinds())
    assert studio.call("GET", "/v1/predictions", params={"reference": "delete"}).json() == {"items": []}


def test_a_photo_can_be_fetched(studio, monkeypatch):
    monkeypatch.setattr("providers.studio.service.render_requests.FETCH_PAUSES", (0.05, 0.05))

    class Door(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response({"/photo": 200, "/text": 200, "/moved": 302}.get(self.path, 404))
            self.send_header("Location", "/photo")
            self.end_headers()
            self.wfile.write(PHOTO if self.path == "/photo" else b"text")

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            ids = {
                path: studio.submit(f"fetch{path}", photo_url=url + path).json()["id"] for path in ("/photo", "/text")
            }
            assert studio.wait(ids["/photo"])["status"] == "succeeded"
            assert studio.wait(ids["/text"])["error"]["code"] == "unreadable_photo"
            moved = studio.submit("fetch/moved", photo_url=f"{url}/moved").json()["id"]
            assert studio.wait(moved)["error"]["code"] == "unreadable_photo"
        finally:
            server.shutdown()
            thread.join()


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
    target = intruder.Target(tmp_path / "product")
    refused, ends = intruder.held(confine.offered())
    lives = sorted({*intruder.FILES, *intruder.CALLS} & refused)

    def intrude(reference, attempts):
        photo = base64.b64encode(INTRUDE + f"{';'.join(attempts)}::{target.told}".encode()).decode()
        return studio.wait(studio.submit(reference, photo=photo).json()["id"], seconds=30)

    with running_studio(tmp_path / "studio") as studio:
        assert f"renderer_confined by='{confine.offered()}'" in caplog.text
        assert intrude("files", lives)["error"]["code"] == "unreadable_photo"
        assert "detail=successes: []" in caplog.text
        if ends:
            assert intrude("fork", ["fork"])["error"]["code"] == "render_failed"
            assert caplog.text.count(f"code={-signal.SIGSYS}") == 2  # tried once more, as after any crash
    target.close()


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
        wait_for(lambda: not folder.exists(), "the folder to be removed", seconds=3)
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


def test_the_server_knows_the_looks_that_films_have():
    assert set(settings.LOOKS) == set(looks.LOOKS)


def test_a_silent_connection_delays_no_other(studio):
    with socket.create_connection(("127.0.0.1", studio.port)) as silent:
        silent.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert studio.submit("beside-silence").status_code == 202
