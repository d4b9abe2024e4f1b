"""A bucket that hangs, refuses or is gone: one short wait, a 503 in words, and films that wait without costing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.files.storage import storages
from django.utils import timezone

from jobs import storage
from jobs.lanes import fetching
from jobs.lanes.dispatch import DispatchLane
from jobs.models import Attempt, Job
from jobs.storage_guard import StorageAway, breaker
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def bucket(settings, monkeypatch):
    """Keep files in a bucket at this address, with the product's own settings for it."""
    from botocore.config import Config

    def use(endpoint: str) -> None:
        settings.S3_BUCKET = "photos"
        settings.STORAGES = settings.STORAGES | {
            "default": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {
                    "bucket_name": "photos",
                    "endpoint_url": endpoint,
                    "region_name": "us-east-1",
                    "access_key": "key",
                    "secret_key": "secret",
                    "file_overwrite": False,
                    "client_config": Config(
                        connect_timeout=0.5,
                        read_timeout=0.5,
                        retries={"total_max_attempts": 1},
                        signature_version="s3v4",
                    ),
                },
            }
        }
        storages._storages.clear()
        monkeypatch.setattr(storage, "default_storage", storages["default"])
        breaker.reset()
        storage._probe.clear()

    yield use
    storages._storages.clear()
    breaker.reset()
    storage._probe.clear()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def gone() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def refusing() -> Iterator[tuple[str, list[int]]]:
    """A server that answers every request with the first of these statuses."""
    statuses = [403]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(statuses[0])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_HEAD = do_DELETE = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", statuses
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("use", [lambda: storage.read("clean/a.jpg"), lambda: storage.delete(["clean/a.jpg"])])
def test_a_bucket_that_hangs_costs_one_wait_and_then_none(use, bucket, silent):
    bucket(silent)
    with pytest.raises(StorageAway):
        use()
    assert breaker.is_open
    started = time.monotonic()
    for _ in range(50):
        with pytest.raises(StorageAway):
            use()
    assert time.monotonic() - started < 10  # fifty waits would be 25 s


def test_a_bucket_that_is_gone_or_refuses_is_away(bucket, gone, refusing):
    bucket(gone)
    with pytest.raises(StorageAway):
        storage.save("raw/a.bin", b"x")
    bucket(refusing[0])
    with pytest.raises(StorageAway, match="403"):
        storage.read("clean/a.jpg")
    assert storage.is_away()


def test_a_file_that_is_not_there_is_no_trouble_of_the_bucket(bucket, refusing):
    address, statuses = refusing
    statuses[0] = 404
    bucket(address)
    with pytest.raises(FileNotFoundError):
        storage.read("clean/a.jpg")
    assert not breaker.is_open
    assert not storage.is_away()


def test_it_closes_when_the_bucket_answers_again(bucket, refusing, monkeypatch):
    address, statuses = refusing
    statuses[0] = 503
    bucket(address)
    with pytest.raises(StorageAway):
        storage.read("clean/a.jpg")
    breaker._open_until = 0.0  # the pause is over
    statuses[0] = 404
    with pytest.raises(FileNotFoundError):
        storage.read("clean/a.jpg")
    assert not breaker.is_open


def test_an_upload_is_answered_503_in_words_with_a_time(client, bucket, silent):
    bucket(silent)
    look = factories.make_look()
    photo = factories.tiny_photo()
    from django.core.files.uploadedfile import SimpleUploadedFile

    form = {"look": look.slug, "consent": "true", "selfie": SimpleUploadedFile("me.jpg", photo, "image/jpeg")}
    answer = client.post("/api/v1/jobs/", form)
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Retry-After"] == "5"
    assert answer.json()["code"] == "storage_away"
    assert Job.objects.count() == 0


@pytest.mark.parametrize("where", ["hangs", "gone", "refuses"])
def test_a_film_is_503_with_a_time_while_its_bucket_is_away(where, client, bucket, silent, gone, refusing):
    path = storage.signed_url("video/ab/abc.mp4", filename="hero.mp4", now=timezone.now())
    bucket({"hangs": silent, "gone": gone, "refuses": refusing[0]}[where])
    for _ in range(2):  # the second time without asking the bucket
        answer = client.get(path)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert breaker.is_open


def test_a_film_that_is_not_in_its_bucket_is_404(client, bucket, refusing):
    address, statuses = refusing
    statuses[0] = 404
    path = storage.signed_url("video/ab/abc.mp4", filename="hero.mp4", now=timezone.now())
    bucket(address)
    assert client.get(path).status_code == 404
    assert not breaker.is_open


def test_readyz_says_it(client, bucket, gone):
    bucket(gone)
    assert storage.is_away()  # the first call of a process loads botocore's models
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["storage"] == "away"


def test_films_under_way_wait_without_costing_anything(bucket, gone, provider):
    waiting = factories.make_waiting_job()
    bucket(gone)
    assert storage.is_away()
    lane = DispatchLane()
    assert lane.claim(10) == []
    assert lane.next_wakeup_at is not None
    assert not Attempt.objects.filter(job=waiting).exists()
    asked: list[str] = []
    attempt = Attempt(video_url="http://127.0.0.1:1/film.mp4")
    fetched = fetching.fetch_film(lambda *_: asked.append("opened"), attempt, is_last_try=False)
    assert (fetched.result, asked) == (fetching.FetchResult.OURS, [])


def test_files_on_disk_are_not_guarded():
    key = storage.save(storage.new_key("raw", "bin"), b"x")
    assert storage.read(key) == b"x"
    assert not storage.is_away()
