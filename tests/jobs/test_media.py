import gc
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from jobs import storage

CONTENT = bytes(range(256)) * 40  # 10,240 bytes
SIZE = len(CONTENT)
# Not for a row: Django looks after its connections when an answer is closed.
pytestmark = pytest.mark.django_db


@pytest.fixture
def url():
    key = storage.save(storage.new_key("video", "mp4"), CONTENT)
    return storage.signed_url(key, filename="selfie-hero-nova.mp4", now=timezone.now())


def body(answer):
    return b"".join(answer.streaming_content)


def test_the_whole_file(url):
    answer = Client().get(url)
    assert (answer.status_code, body(answer)) == (200, CONTENT)
    assert answer["Content-Type"] == "video/mp4"
    assert answer["Content-Length"] == str(SIZE)
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["Content-Disposition"] == 'inline; filename="selfie-hero-nova.mp4"'
    assert "private" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_as_a_download(url):
    answer = Client().get(url, {"download": "1"})
    assert answer["Content-Disposition"].startswith("attachment;")
    answer.close()


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-1", 0, 1),
        ("bytes=100-", 100, SIZE - 1),
        ("bytes=100-199", 100, 199),
        ("bytes=-1", SIZE - 1, SIZE - 1),
        ("bytes=-500", SIZE - 500, SIZE - 1),
        (f"bytes=-{SIZE * 2}", 0, SIZE - 1),
        (f"bytes=0-{SIZE * 9}", 0, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        (" bytes=5-9 ", 5, 9),
        ("Bytes=5-9", 5, 9),
    ],
)
def test_a_part(header, first, last, url):
    answer = Client().get(url, headers={"Range": header})
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer["Content-Length"] == str(last - first + 1)
    assert body(answer) == CONTENT[first : last + 1]


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=9-5", "items=0-5", "bytes=0-1,5-6", "bytes=" + "9" * 99],
)
def test_an_odd_range_is_the_whole_file(header, url):
    answer = Client().get(url, headers={"Range": header})
    assert (answer.status_code, body(answer)) == (200, CONTENT)


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE + 9}-{SIZE + 99}", "bytes=-0"])
def test_a_range_beyond_the_end(header, url):
    answer = Client().get(url, headers={"Range": header})
    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{SIZE}"


def test_an_empty_file():
    key = storage.save(storage.new_key("video", "mp4"), b"")
    address = storage.signed_url(key, filename="x.mp4", now=timezone.now())
    answer = Client().get(address)
    assert (answer.status_code, body(answer), answer["Content-Length"]) == (200, b"", "0")
    for header in ("bytes=0-", "bytes=-5"):
        assert Client().get(address, headers={"Range": header}).status_code == 416


def test_head_says_the_same_without_the_bytes(url):
    full, head = Client().get(url), Client().head(url)
    assert head.status_code == 200
    assert head["Content-Length"] == full["Content-Length"] == str(SIZE)
    assert head["ETag"] == full["ETag"]
    full.close()
    part = Client().head(url, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part["Content-Length"]) == (206, "10")


def test_no_file_stays_open(url, recwarn):
    Client().head(url)
    Client().get(url).close()
    Client().get(url, headers={"If-None-Match": Client().head(url)["ETag"]})
    gc.collect()
    assert not [warning for warning in recwarn if warning.category is ResourceWarning]


def test_not_modified(url):
    etag = Client().head(url)["ETag"]
    for given in (etag, f'"other", {etag}', f"W/{etag}", "*"):
        answer = Client().get(url, headers={"If-None-Match": given})
        assert (answer.status_code, answer["ETag"]) == (304, etag), given
    answer = Client().get(url, headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200
    answer.close()


def test_a_range_only_if_it_is_still_the_same_file(url):
    etag = Client().head(url)["ETag"]
    same = Client().get(url, headers={"Range": "bytes=0-9", "If-Range": etag})
    assert (same.status_code, body(same)) == (206, CONTENT[:10])
    for other in ('"other"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        answer = Client().get(url, headers={"Range": "bytes=0-9", "If-Range": other})
        assert (answer.status_code, body(answer)) == (200, CONTENT)


# --- Who may ------------------------------------------------------------------------------------


def parts(url):
    _, _, expires, signature, *key, filename = urlsplit(url).path.split("/")
    return int(expires), signature, "/".join(key), filename


@pytest.mark.parametrize("change", ["expires", "signature", "key", "empty signature", "long signature"])
def test_an_address_that_was_changed_is_refused(change, url):
    expires, signature, key, filename = parts(url)
    other = storage.save(storage.new_key("video", "mp4"), b"another's")
    expires, signature, key = {
        "expires": (expires + 1, signature, key),
        "signature": (expires, "0" * 40, key),
        "key": (expires, signature, other),
        "empty signature": (expires, "-", key),
        "long signature": (expires, signature + "é" * 50, key),
    }[change]
    assert Client().get(f"/media/{expires}/{signature}/{key}/{filename}").status_code == 403


def test_the_name_for_a_download_is_free_to_choose_and_harmless(url):
    expires, signature, key, _ = parts(url)
    answer = Client().get(f"/media/{expires}/{signature}/{key}/a%22%0d%0ab.mp4")
    assert answer.status_code in (200, 404)
    if answer.status_code == 200:
        assert "\r" not in answer["Content-Disposition"]
        assert answer["Content-Disposition"].count('"') == 2
        answer.close()


def test_an_address_expires(settings):
    key = storage.save(storage.new_key("video", "mp4"), b"x")
    now = timezone.now()
    old = storage.signed_url(key, filename="x.mp4", now=now - timedelta(seconds=2 * settings.MEDIA_URL_SECONDS + 1))
    assert Client().get(old).status_code == 403
    fresh = storage.signed_url(key, filename="x.mp4", now=now)
    assert settings.MEDIA_URL_SECONDS < parts(fresh)[0] - now.timestamp() <= 2 * settings.MEDIA_URL_SECONDS


def test_a_file_that_is_gone(url):
    storage.delete([parts(url)[2]])
    assert Client().get(url).status_code == 404


@pytest.mark.parametrize("key", ["../settings.py", "video/../../db.sqlite3", "/etc/passwd", "video", "", "\x00"])
def test_nothing_outside_is_served_even_with_a_signature(key):
    expires = int(timezone.now().timestamp()) + 1000
    signature = storage._signature(key, expires)
    answer = Client().get(f"/media/{expires}/{signature}/{key}/x.mp4")
    assert answer.status_code in (400, 403, 404)


@pytest.mark.parametrize("expires", ["0", "-1", "x", "9" * 25, "9" * 5000])
def test_an_odd_time(expires):
    assert Client().get(f"/media/{expires}/{'0' * 40}/video/aa/x.mp4/x.mp4").status_code in (403, 404)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_only_reading(method, url):
    assert getattr(Client(), method)(url).status_code == 405
