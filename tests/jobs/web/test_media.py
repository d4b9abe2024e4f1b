import gc
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from jobs import services, storage
from jobs.models import Job
from tests import factories

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
    date = Client().head(url)["Last-Modified"]
    dated = Client().get(url, headers={"Range": "bytes=0-9", "If-Range": date})
    assert (dated.status_code, body(dated)) == (206, CONTENT[:10])
    for other in ('"other"', f"W/{etag}", "Wed, 21 Oct 2015 07:28:00 GMT"):
        answer = Client().get(url, headers={"Range": "bytes=0-9", "If-Range": other})
        assert (answer.status_code, body(answer)) == (200, CONTENT)


# --- Who may ------------------------------------------------------------------------------------


def parts(url):
    _, _, expires, signature, *key, filename = urlsplit(url).path.split("/")
    return int(expires), signature, "/".join(key), filename


@pytest.mark.parametrize("change", ["expires", "signature", "key", "filename", "empty signature", "long signature"])
def test_an_address_that_was_changed_is_refused(change, url):
    expires, signature, key, filename = parts(url)
    other = storage.save(storage.new_key("video", "mp4"), b"another's")
    expires, signature, key, filename = {
        "expires": (expires + 1, signature, key, filename),
        "signature": (expires, "0" * 40, key, filename),
        "key": (expires, signature, other, filename),
        "filename": (expires, signature, key, "x" + filename),
        "empty signature": (expires, "-", key, filename),
        "long signature": (expires, signature + "é" * 50, key, filename),
    }[change]
    assert Client().get(f"/media/{expires}/{signature}/{key}/{filename}").status_code == 403


@pytest.mark.parametrize("name", ["evil.html", "invoice.exe", "other.mp4", "a%22%0d%0ab.mp4", "é.mp4"])
def test_the_name_for_a_download_is_signed_too(name, url):
    expires, signature, key, _ = parts(url)
    assert Client().get(f"/media/{expires}/{signature}/{key}/{name}").status_code in (403, 404)


@pytest.mark.parametrize(("extension", "kind"), [("mp4", "video/mp4"), ("bin", "application/octet-stream")])
def test_what_a_file_is_follows_from_how_it_was_stored(extension, kind):
    key = storage.save(storage.new_key("raw", extension), b"<script>alert(1)</script>")
    answer = Client().get(storage.signed_url(key, filename='a"b.html', now=timezone.now()))
    assert (answer.status_code, answer["Content-Type"]) == (200, kind)
    assert answer["Content-Disposition"] == "inline; filename=\"a-b.html\"; filename*=UTF-8''a%22b.html"
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
    signature = storage._signature(key, "x.mp4", expires, settings.SECRET_KEY)
    answer = Client().get(f"/media/{expires}/{signature}/{key}/x.mp4")
    assert answer.status_code in (400, 403, 404)


@pytest.mark.parametrize("expires", ["0", "-1", "x", "9" * 25, "9" * 5000])
def test_an_odd_time(expires):
    assert Client().get(f"/media/{expires}/{'0' * 40}/video/aa/x.mp4/x.mp4").status_code in (403, 404)


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_only_reading(method, url):
    assert getattr(Client(), method)(url).status_code == 405


# --- Shared films -------------------------------------------------------------------------------


@pytest.fixture
def shared(provider):
    """A film its owner shares."""
    job = factories.make_finished_job(provider, film=CONTENT, hero_name="Nova")
    return services.share_job(job.id, now=timezone.now())


def test_a_shared_film_has_addresses_of_its_own(shared):
    page = Client().get(f"/v/{shared.share_slug}/").content.decode()
    film, poster = f"/v/{shared.share_slug}/film.mp4", f"/v/{shared.share_slug}/poster.jpg"
    assert "/media/" not in page, "signed addresses outlive the sharing"
    assert f'src="{film}" poster="{poster}"' in page
    for name, path in (("og:video", film), ("og:image", f"/v/{shared.share_slug}/card.jpg")):
        assert f'<meta property="{name}" content="http://' in page
        assert f'{path}">' in page.partition(f'"{name}"')[2].partition("\n")[0]
    whole, part = Client().get(film), Client().get(film, headers={"Range": "bytes=5-9"})
    assert (whole.status_code, body(whole), whole["Content-Type"]) == (200, CONTENT, "video/mp4")
    assert (part.status_code, body(part)) == (206, CONTENT[5:10])
    picture = Client().get(poster)
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/jpeg")
    picture.close()


@pytest.mark.parametrize("stop", ["unshare", "erase"])
def test_stop_sharing_stops_it_at_once(stop, shared):
    addresses = [f"/v/{shared.share_slug}/{name}" for name in ("film.mp4", "poster.jpg", "")]
    etag = Client().head(addresses[0])["ETag"]
    for address in addresses[:2]:
        assert "no-cache" in Client().head(address)["Cache-Control"], "a browser asks again, always"
    {"unshare": services.unshare_job, "erase": services.erase_job}[stop](shared.id, now=timezone.now())
    for address in addresses:
        assert Client().get(address, headers={"If-None-Match": etag}).status_code == 404, address
    if stop == "unshare":
        again = services.share_job(shared.id, now=timezone.now()).share_slug
        assert Client().get(addresses[0]).status_code == 404
        assert Client().head(f"/v/{again}/film.mp4").status_code == 200


@pytest.mark.parametrize("name", ["film.mp4", "poster.jpg"])
def test_nothing_is_shared_under_no_name(name, shared):
    Job.objects.filter(id=shared.id).update(share_slug=None)
    for slug in (shared.share_slug, "None", "nothing"):
        assert Client().get(f"/v/{slug}/{name}").status_code == 404


@pytest.fixture
def bucket(settings, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    options = {"bucket_name": "films", "signature_version": "s3v4", "querystring_expire": 3600}
    place = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    settings.S3_BUCKET, settings.STORAGES = "films", settings.STORAGES | {"default": place}


@pytest.mark.parametrize("verb", ["get", "head"])
def test_with_s3_a_shared_film_leads_there_for_a_minute(verb, shared, bucket):
    answer = getattr(Client(), verb)(f"/v/{shared.share_slug}/film.mp4")
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
    address = urlsplit(answer["Location"])
    assert address.path.endswith(shared.video_key)
    assert "X-Amz-Expires=60&" in address.query
    services.unshare_job(shared.id, now=timezone.now())
    assert Client().get(f"/v/{shared.share_slug}/film.mp4").status_code == 404


def test_with_s3_a_film_is_saved_under_its_name_too(bucket):
    address = storage.signed_url("video/ab/x.mp4", filename="zoë-neon-noir.mp4", now=timezone.now())
    said = parse_qs(urlsplit(address).query)["response-content-disposition"]
    assert said == ["attachment; filename*=UTF-8''zo%C3%AB-neon-noir.mp4"]
    picture = storage.signed_url("poster/ab/x.jpg", filename="poster.jpg", now=timezone.now())
    assert "disposition" not in picture
