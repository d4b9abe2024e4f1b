"""Results that do their worst: each ends in a word, none in a traceback, and none leads anywhere private."""

import contextlib
import io
import socket
from urllib.parse import urlsplit

import pytest
from PIL import Image

from jobs import storage
from jobs.lanes.fetching import FetchResult
from jobs.models import Attempt, Lane
from jobs.photos.headers import is_bare_jpeg
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.films import reels
from tests.jobs.photos import pictures
from tests.support.raw_server import answering, drip_body, listening, reset

pytestmark = pytest.mark.django_db


def html(connection, request):
    answering(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n<!DOCTYPE html><html>Not found</html>")(
        connection, request
    )


def endless(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n")
    while True:
        connection.sendall(bytes(65536))


def film_answer(data):
    return answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data), data)


HOSTILE = {
    "HTML that is called a film": (html, FetchResult.UNUSABLE),
    "endless": (endless, FetchResult.UNUSABLE),
    "nothing": (film_answer(b""), FetchResult.UNUSABLE),
    "a film cut off": (film_answer(reels.film()[:-20]), FetchResult.UNUSABLE),
    "a film that phones cannot play": (film_answer(reels.film(codec="libvpx-vp9")), FetchResult.UNUSABLE),
    "an hour of nothing": (film_answer(reels.film(seconds=61, rate=1)), FetchResult.UNUSABLE),
    "redirected for ever": (
        answering(b"HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"),
        FetchResult.UNUSABLE,
    ),
    "expired": (answering(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"), FetchResult.GONE),
    "broken": (answering(b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n"), FetchResult.UNAVAILABLE),
    "reset": (reset, FetchResult.UNAVAILABLE),
    "cut off on the way": (answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc"), FetchResult.UNAVAILABLE),
    "a byte at a time": (drip_body, FetchResult.UNAVAILABLE),
}


@pytest.fixture
def spoiled(provider):
    """Return a function: a job whose film lies at a server that behaves so."""
    with contextlib.ExitStack() as stack:

        def make(behave):
            url = stack.enter_context(listening(behave))
            ProviderConfig.objects.update(result_hosts=["127.0.0.1", urlsplit(url).netloc])
            provider.refresh_from_db()
            return factories.make_rendered_job(provider, video_url=f"{url}film.mp4")

        yield make


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_result_ends_in_a_word(name, spoiled, work, monkeypatch, settings, caplog):
    monkeypatch.setattr("jobs.lanes.fetching.DOWNLOAD_SECONDS", 0.4)
    settings.VIDEO_MAX_BYTES = 2**20
    behave, verdict = HOSTILE[name]
    job = spoiled(behave)
    work(Lane.COLLECT)
    is_retried = verdict is FetchResult.UNAVAILABLE
    assert factories.reload(job).lane == (Lane.COLLECT if is_retried else Lane.DISPATCH)
    assert f"result={verdict.value}" in caplog.text
    assert not [record for record in caplog.records if record.exc_info]
    assert factories.stored_files() == [job.clean_key]
    factories.is_consistent(job.id)


@pytest.mark.parametrize("target", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/"])
def test_a_result_that_redirects_to_a_private_address_is_not_followed(target, spoiled, work, caplog):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        location = target.format(port=canary.getsockname()[1]).encode()
        job = spoiled(answering(b"HTTP/1.1 302 F\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"))
        work(Lane.COLLECT)
        assert factories.reload(job).lane == Lane.DISPATCH
        assert "result=unusable" in caplog.text
        canary.settimeout(0.05)
        with pytest.raises(TimeoutError):
            canary.accept()


HOSTILE_POSTERS = {
    "HTML": b"<!DOCTYPE html>",
    "a film": reels.film(),
    "cut off": pictures.jpeg()[:300],
    "too large": pictures.jpeg() + bytes(6 * 2**20),
    "a bomb": pictures.encoded(Image.new("1", (12_000, 12_000)), "PNG"),
}


def without_label(poster):
    """Return a poster without the two kinds of segments that its labels are in."""
    segments, at = [], 2
    while poster[at + 1] in (0xE0, 0xE1, 0xEB):  # JFIF, XMP, C2PA
        end = at + 2 + int.from_bytes(poster[at + 2 : at + 4], "big")
        segments.append((poster[at + 1], poster[at:end]))
        at = end
    return poster[:2] + b"".join(segment for marker, segment in segments if marker == 0xE0) + poster[at:]


@pytest.mark.parametrize("name", HOSTILE_POSTERS)
def test_a_film_is_not_lost_for_its_poster(name, provider, stub, work, caplog):
    job = factories.make_rendered_job(provider, video_url=f"{stub.url}/files/film.mp4")
    stub.files["hostile.jpg"] = HOSTILE_POSTERS[name]
    Attempt.objects.update(preview_url=f"{stub.url}/files/hostile.jpg")
    work(Lane.COLLECT)
    del stub.files["hostile.jpg"]
    job = factories.reload(job)
    assert job.status == "succeeded"
    assert is_bare_jpeg(without_label(storage.read(job.poster_key)))
    assert not [record for record in caplog.records if record.exc_info]


def test_a_providers_poster_is_stored_as_pixels_and_nothing_else(provider, stub, work):
    job = factories.make_rendered_job(provider, video_url=f"{stub.url}/files/film.mp4")
    noted = pictures.encoded(pictures.quarters((90, 60)), "JPEG", comment=b"<script>alert(1)</script>")
    stub.files["noted.jpg"] = noted
    Attempt.objects.update(preview_url=f"{stub.url}/files/noted.jpg")
    work(Lane.COLLECT)
    del stub.files["noted.jpg"]
    poster = storage.read(factories.reload(job).poster_key)
    assert b"<script" not in poster
    assert is_bare_jpeg(without_label(poster))
    assert Image.open(io.BytesIO(poster)).size == (90, 60)
