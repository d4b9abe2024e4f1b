"""The studio's API over real HTTP, with a renderer that makes tiny films."""

import base64
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import av
import pytest

from providers.studio.film import looks
from providers.studio.service import settings
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
        {"watermark": "AAAA"},
        {"watermark": {"key": "x"}},
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


def test_a_running_render_stops_soon_after_cancel(studio):
    prediction = studio.submit("cancel", "SLOW").json()
    studio.wait(prediction["id"], "running")
    wait_for(lambda: studio.show(prediction["id"])["poster"], "the poster")
    pids = studio.renderer_pids()
    canceled = studio.call("POST", f"/v1/predictions/{prediction['id']}/cancel")
    assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    wait_for(lambda: studio.health()["running"] == 0, "the render to stop", seconds=5, every=0.01)
    assert studio.renderer_pids() == pids, "a renderer that listens is not killed"
    assert studio.call("POST", f"/v1/predictions/{prediction['id']}/cancel").json()["status"] == "canceled"


def test_a_renderer_that_does_not_listen_is_killed_soon_after_cancel(studio):
    prediction = studio.submit("cancel-hard", "HANG").json()
    studio.wait(prediction["id"], "running")
    pid = studio.renderer_pids()[0]
    studio.call("POST", f"/v1/predictions/{prediction['id']}/cancel")
    wait_for(lambda: not is_running(pid), "the renderer to be killed", seconds=6, every=0.01)
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
    wait_for(lambda: studio.health()["running"] == 0, "the render to stop", seconds=5, every=0.01)
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


def test_the_server_knows_the_looks_that_films_have():
    assert set(settings.LOOKS) == set(looks.LOOKS)


def test_a_silent_connection_delays_no_other(studio):
    with socket.create_connection(("127.0.0.1", studio.port)) as silent:
        silent.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert studio.submit("beside-silence").status_code == 202
