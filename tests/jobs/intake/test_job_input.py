"""POST /api/v1/jobs/: what it takes, and what each thing it refuses is answered with."""

import io
import json
import struct
import zlib
from types import SimpleNamespace

import pytest
import redis
from django.test import Client
from PIL import Image

from jobs import storage
from jobs.intake import job_input, throttles
from jobs.intake.problems import Problem
from jobs.models import Job, JobEvent, Lane
from jobs.queue import queues, redis_breaker
from tests import factories
from tests.jobs.orders import URL, animated_gif, is_problem, order, picture, selfie
from tests.jobs.photos import pictures
from tests.support.timing import takes_about

pytestmark = pytest.mark.django_db


def png_of(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg_of_scans(number):
    """A progressive JPEG in which the same scan comes again and again."""
    buffer = io.BytesIO()
    Image.new("L", (64, 64), 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * number + b"\xff\xd9"


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

BAD_INPUT = {
    "wrong type": (lambda: order(b"%PDF-1.7 no photo at all"), 415, "photo_type", "selfie"),
    "0 bytes": (lambda: order(b""), 422, "photo_empty", "selfie"),
    "truncated": (lambda: order(factories.tiny_photo()[:20]), 422, "photo_unreadable", "selfie"),
    "13 MB": (lambda: order(factories.tiny_photo() + b"\0" * (13 * 2**20)), 413, "photo_too_big", "selfie"),
    "41 megapixels": (lambda: order(png_of(8200, 5000)), 422, "photo_too_many_pixels", "selfie"),
    "20,000 scans": (lambda: order(jpeg_of_scans(20_000)), 422, "photo_too_many_scans", "selfie"),
    "animated GIF": (lambda: order(animated_gif()), 422, "photo_animated", "selfie"),
    "SVG named .jpg": (lambda: order(SVG), 415, "photo_type", "selfie"),
    "thumbnail": (lambda: order(png_of(32, 32)), 422, "photo_too_small", "selfie"),
    "no photo": (lambda: order(selfie=None), 422, "photo_missing", "selfie"),
    "photo as text": (lambda: order(selfie="me.jpg"), 422, "photo_without_name", "selfie"),
    "missing consent": (lambda: order(consent=None), 422, "consent_missing", "consent"),
    "consent=false": (lambda: order(consent="false"), 422, "consent_missing", "consent"),
    "no look": (lambda: order(look=None), 422, "look_unknown", "look"),
    "unknown look": (lambda: order(look="vaporwave"), 422, "look_unknown", "look"),
    "look with NUL": (lambda: order(look="neon\x00noir"), 422, "look_unknown", "look"),
    "hero name of 25": (lambda: order(hero_name="N" * 25), 422, "hero_name_too_long", "hero_name"),
    "hero name with a bell": (lambda: order(hero_name="NO\x07VA"), 422, "hero_name_characters", "hero_name"),
    "hero name with NUL": (lambda: order(hero_name="NO\x00VA"), 422, "hero_name_characters", "hero_name"),
    "hero name on two lines": (lambda: order(hero_name="NO\nVA"), 422, "hero_name_characters", "hero_name"),
    "hero name on two Unicode lines": (
        lambda: order(hero_name="NO\u2028VA"),
        422,
        "hero_name_characters",
        "hero_name",
    ),
    "hero name that turns around": (lambda: order(hero_name="NO\u202eVA"), 422, "hero_name_characters", "hero_name"),
    "no e-mail address": (lambda: order(email="nobody"), 422, "email_invalid", "email"),
    "endless e-mail address": (
        lambda: order(email="a" * 64 + "@" + ".".join(["b" * 60] * 4) + ".example"),
        422,
        "email_invalid",
        "email",
    ),
    "e-mail with a header": (lambda: order(email="a@b.example\nBcc: c@d.example"), 422, "email_invalid", "email"),
    "a field of 300 kB": (lambda: order(look="x" * 300_000), 413, "too_big", None),
    "too many fields": (lambda: order(**{f"field{number}": "x" for number in range(1100)}), 400, "malformed", None),
    "too many files": (lambda: order(**{f"file{number}": selfie() for number in range(3)}), 400, "malformed", None),
}


@pytest.fixture
def nothing_happens(monkeypatch):
    """Call it afterwards to see that nothing was stored, nothing queued and no row made."""
    nudged = []
    monkeypatch.setattr(queues, "nudge", nudged.append)

    def check(django_capture=()):
        assert factories.stored_files() == []
        assert not Job.objects.exists()
        assert not JobEvent.objects.exists()
        assert nudged == []
        assert not django_capture

    return check


@pytest.mark.database
@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_refused_and_leaves_nothing(name, api, nothing_happens, django_capture_on_commit_callbacks):
    make, status, code, field = BAD_INPUT[name]
    with django_capture_on_commit_callbacks() as callbacks:
        body = is_problem(api.post(URL, make()), status, code)
    assert body.get("field") == field
    nothing_happens(callbacks)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{}", "application/json", 415, "unsupported_media_type"),
        (b"[]", "application/json", 415, "unsupported_media_type"),
        (b'{"consent": "true", "look": {}}', "application/json", 415, "unsupported_media_type"),
        (b"consent=true", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"raw", "image/jpeg", 415, "unsupported_media_type"),
        (b"--x\r\nbroken", "multipart/form-data", 400, "malformed"),
        (b"no boundary here", "multipart/form-data; boundary=x", 422, "consent_missing"),
        (b"", "multipart/form-data; boundary=x", 422, "consent_missing"),
    ],
    ids=str,
)
def test_what_is_no_form_is_refused(body, content_type, status, code, api, nothing_happens):
    is_problem(api.generic("POST", URL, body, content_type=content_type), status, code)
    nothing_happens()


@pytest.mark.parametrize("key", ["", "x" * 201, "schlüssel", "a\tb"])
def test_an_idempotency_key_that_is_none(key, api, nothing_happens):
    body = is_problem(api.post(URL, order(), headers={"Idempotency-Key": key}), 400, "idempotency_key_invalid")
    assert body["field"] == "Idempotency-Key"
    nothing_happens()


# --- What is taken -------------------------------------------------------------------------------


def test_a_job_is_accepted(api):
    photo = factories.tiny_photo()
    answer = api.post(URL, order(photo, hero_name="NOVA-7", email="nova@example.org"))
    assert answer.status_code == 202
    body = answer.json()
    assert answer["Location"] == body["links"]["self"]
    assert answer["Retry-After"] == "2"
    assert (body["status"], body["stage"], body["progress"], body["seq"]) == ("queued", "accepted", 0.0, 1)
    assert (body["look"], body["hero_name"]) == ("neon-noir", "NOVA-7")
    job = Job.objects.get(id=body["id"])
    assert storage.read(job.raw_key) == photo
    assert (job.email, job.lane, job.consent_version != "") == ("nova@example.org", Lane.PREPARE, True)
    assert job.consent_at == job.created_at
    factories.is_consistent(job.id)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_every_kind_of_photo_is_taken(format_name, api):
    if format_name == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    answer = api.post(URL, order(picture(format_name)))
    assert answer.status_code == 202
    assert Job.objects.get().raw_key.rsplit(".")[-1] in ("jpg", "png", "webp", "heic")


@pytest.mark.parametrize("name", ["", "Zoë", "N" * 24, "李小龍", "می‌خواهم", "👩‍🚀", "  NOVA  "])
def test_every_name_people_have_is_taken(name, api):
    answer = api.post(URL, order(hero_name=name))
    assert answer.status_code == 202
    assert answer.json()["hero_name"] == name.strip()


@pytest.mark.parametrize(
    "written",
    [
        "nova＠example．org",
        "\u200bnova@example.org\ufeff",
        "\u202anova@example.org\u202c ",
        "ｎｏｖａ＠ｅｘａｍｐｌｅ．ｏｒｇ",
        "\u00a0nova@example.org",
    ],
    ids=["Japanese keyboard", "pasted", "copied from contacts", "full width", "a space that does not break"],
)
def test_an_address_is_taken_as_keyboards_and_pages_write_it(written, api):
    assert api.post(URL, order(email=written)).status_code == 202
    assert Job.objects.get().email == "nova@example.org"


def test_neither_the_file_name_nor_its_declared_type_is_asked(api):
    upload = selfie(name="../../etc/passwd.exe", content_type="text/html")
    assert api.post(URL, order(selfie=upload)).status_code == 202
    assert Job.objects.get().raw_key.startswith("raw/")


def test_an_inactive_look_is_unknown(api):
    factories.make_look("retired", active=False)
    is_problem(api.post(URL, order(look="retired")), 422, "look_unknown")


def test_the_lane_is_nudged_after_the_commit(api, monkeypatch, django_capture_on_commit_callbacks):
    nudged = []
    monkeypatch.setattr(queues, "nudge", nudged.append)
    with django_capture_on_commit_callbacks(execute=True):
        api.post(URL, order())
        assert nudged == []
    assert nudged == [Lane.PREPARE]


def test_a_full_disk_is_said_and_leaves_no_row(api, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "save", full)
    answer = api.post(URL, order())
    is_problem(answer, 507, "storage_full")
    assert answer["Retry-After"]
    assert not Job.objects.exists()


def test_a_nearly_full_disk_takes_no_new_photo_and_keeps_what_is_left_for_films(api, monkeypatch):
    photo, early = factories.tiny_photo(), {"Idempotency-Key": "early"}
    made = api.post(URL, order(photo), headers=early).json()["id"]
    disk = SimpleNamespace(total=100 * 2**30, used=0, free=150 * 2**20)
    storage._disk_cache.clear()
    with monkeypatch.context() as patch:
        patch.setattr(storage.shutil, "disk_usage", lambda path: disk)
        patch.setattr(storage, "save", lambda *_: pytest.fail("stored"))
        answer = api.post(URL, order())
        is_problem(answer, 507, "storage_full")
        assert "kept for the films under way" in answer.json()["detail"]
        assert api.post(URL, order(photo), headers=early).json()["id"] == made
    storage._disk_cache.put(True, seconds=1000)
    assert api.post(URL, order()).status_code == 507, "the disk is not asked again within a second"
    storage._disk_cache.clear()
    assert api.post(URL, order()).status_code == 202


def test_a_database_that_fails_after_the_photo_was_stored_leaves_no_file(api, monkeypatch):
    from django.db import OperationalError

    def fail(*_, **__):
        raise OperationalError("gone")

    monkeypatch.setattr("jobs.lifecycle.accept", fail)
    api.raise_request_exception = False
    answer = api.post(URL, order())
    is_problem(answer, 503, "unavailable")
    assert answer["Retry-After"]
    assert factories.stored_files() == []


# --- How much ------------------------------------------------------------------------------------


def test_too_many_uploads_are_told_when_to_come_back(api, monkeypatch):
    monkeypatch.setitem(throttles.UploadsPerOwner.THROTTLE_RATES, "uploads", "3/min")
    statuses = [api.post(URL, order(consent="false")).status_code for _ in range(3)]
    assert set(statuses) == {422}
    answer = api.post(URL, order())
    is_problem(answer, 429, "too_many_requests")
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert not Job.objects.exists()
    other = Client()
    other.get("/api/v1/looks/")
    assert other.post(URL, order()).status_code == 202, "one owner's limit does not affect others"


def test_costly_photos_count_for_as_many_as_they_cost(api, monkeypatch):
    """Kilobytes of black that open as 40 megapixels."""
    monkeypatch.setitem(throttles.UploadsPerOwner.THROTTLE_RATES, "uploads", "30/min")
    black = pictures.encoded(pictures.Image.new("L", (8000, 5000)), "WEBP", lossless=True, method=0)
    assert len(black) < 100
    assert [api.post(URL, order(black)).status_code for _ in range(3)] == [202, 202, 429]
    assert api.post(URL, order()).status_code == 202, "what was refused is not counted by its cost"
    assert set(Job.objects.values_list("photo_cost", flat=True)) == {1, 13}


def test_who_sends_no_cookie_shares_turns_with_the_network(db):
    factories.make_look()
    for address in ("203.0.113.9", "203.0.113.9", "203.0.113.10", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"):
        assert Client(REMOTE_ADDR=address).post(URL, order()).status_code == 202
    keys = list(Job.objects.order_by("created_at").values_list("turn_key", flat=True))
    assert keys[0] == keys[1] and keys[3] == keys[4] and len(set(keys)) == 4
    visitor = Client(REMOTE_ADDR="203.0.113.9")
    visitor.get("/api/v1/looks/")
    assert visitor.post(URL, order()).status_code == 202
    newest = Job.objects.latest("created_at")
    assert newest.turn_key == newest.owner, "a cookie has turns of its own"


@pytest.mark.parametrize("redis_is", ["dead", "hung"])
@pytest.mark.django_db(transaction=True)
def test_without_redis_a_job_is_accepted_quickly(redis_is, api, no_redis, hung_redis, monkeypatch):
    monkeypatch.setattr(redis_breaker.breaker, "pause_seconds", 60.0)
    (no_redis if redis_is == "dead" else hung_redis)()
    with takes_about(1.1):  # half a second for the throttles, as much for the nudge
        assert api.post(URL, order()).status_code == 202
    with monkeypatch.context() as patch:
        patch.setattr(redis.Connection, "connect", lambda self: pytest.fail("it is asked again at once"))
        for _ in range(2):
            assert api.post(URL, order()).status_code == 202
    assert Job.objects.filter(lane=Lane.PREPARE).count() == 3


def test_the_answer_is_json_for_whoever_asks_for_html(api):
    answer = api.post(URL, order(), headers={"Accept": "text/html,*/*"})
    assert answer["Content-Type"] == "application/json"
    json.loads(answer.content)


def test_a_face_is_chosen_by_a_point_or_a_box(api):
    assert api.post(URL, order(face="0.25,0.5")).status_code == 202
    assert api.post(URL, order(face="0.2,0.3,0.1,0.2")).status_code == 202
    assert list(Job.objects.order_by("created_at").values_list("face", flat=True)) == ["0.250,0.500", "0.250,0.400"]


@pytest.mark.parametrize(
    ("face", "kept"),
    [
        ("0.30000000000000004,0.42", "0.300,0.420"),
        ("0.31, 0.42", "0.310,0.420"),
        (".5,.5", "0.500,0.500"),
        ("1.,0.", "1.000,0.000"),
        ("1e-05,9.5e-2", "0.000,0.095"),
        ("1.5,0", None),
        ("-0.1,0", None),
        ("0.1,0.2,0.3", None),
        ("1e5,0", None),
        ("9.9e-0,0", None),
        ("nan,0", None),
        ("٠.٥,0", None),
        ("0.1,", None),
    ],
)
def test_a_face_is_read_as_programs_print_numbers(face, kept):
    if kept is not None:
        assert job_input.clean_face(face) == kept
        return
    with pytest.raises(Problem):
        job_input.clean_face(face)


@pytest.mark.parametrize(
    "name", ["NOVA \U0001fa77", "\U0001fae9", "❤️‍🔥", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U00032000"]
)
def test_a_hero_may_have_emoji_that_are_newer_than_python(name):
    assert job_input.clean_hero_name(name) == name


@pytest.mark.parametrize("name", ["\u200eנובה\u200f", "NO\u200bVA", "\u2068NOVA\u2069", "\ufeffNOVA", "NO\u00adVA"])
def test_marks_of_keyboards_are_left_out_of_a_name(name):
    assert job_input.clean_hero_name(name) in ("נובה", "NOVA")


@pytest.mark.parametrize("char", ["\ufdd0", "\ufffe", "\U0010ffff", "\ue000", "\u202a", "\ud800"])
def test_what_is_no_character_names_nobody(char):
    with pytest.raises(Problem):
        job_input.clean_hero_name(f"NO{char}VA")


def test_what_else_is_no_face(api):
    refused = api.post(URL, order(face="the left one"))
    assert (refused.status_code, refused.json()["code"], refused.json()["field"]) == (422, "face_invalid", "face")
