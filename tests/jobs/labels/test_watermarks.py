"""The watermark of a job's film: whose key, which number, and how /verify/ finds it in what people drop."""

import io
from pathlib import Path
from uuid import uuid4

import cv2
import pytest
from cryptography.fernet import Fernet
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from jobs.labels import sandbox as files
from jobs.labels import signing, sources, watermarks
from jobs.lanes import submitting
from jobs.models import Attempt, Lane
from providers.types import Watermark
from providers.watermark.embed import Embedder
from tests import factories
from tests.providers.watermark.copies import decoded, encoded
from tests.providers.watermark.scenes import scene, write_clip


@pytest.fixture(scope="module")
def job_id():
    return uuid4()


@pytest.fixture(scope="module")
def clip(job_id, tmp_path_factory):
    """A second and a half of a job's film, as the studio delivers it."""
    return write_clip(tmp_path_factory.mktemp("clip") / "film.mp4", watermarks.of_job(job_id))


@pytest.fixture(scope="module", autouse=True)
def closed_afterwards():
    yield
    files.shared_sandbox().close()
    watermarks.shared_sandbox().close()


def drop(data, name="x.mp4"):
    return Client().post("/verify/", {"file": SimpleUploadedFile(name, data)}).content.decode()


def test_the_number_leads_to_the_job_and_the_key_is_made_of_field_keys(settings):
    job_id = uuid4()
    watermark = watermarks.of_job(job_id)
    assert job_id.hex.startswith(f"{watermark.number:08x}")
    assert len(watermark.key) == 32
    assert settings.FIELD_KEYS[0].encode() not in watermark.key
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_KEYS]
    rotated = watermarks.of_job(job_id)
    assert (rotated.number, rotated.key != watermark.key) == (watermark.number, True)


@pytest.mark.django_db
def test_the_studio_is_told_the_watermark_and_no_cloud_is(stub, work):
    factories.make_provider(stub.url)
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert Watermark.from_text(stub.only.request["watermark"]) == watermarks.of_job(job.id)
    attempt = Attempt.objects.select_related("job__look").get()
    attempt.provider = factories.make_provider(stub.url, slug="cloud", adapter="wavespeed")
    assert submitting._request_for(attempt, attempt.job.look).watermark is None


@pytest.mark.django_db
def test_a_copy_whose_label_is_gone_is_known_by_its_watermark(clip, job_id):
    with open(clip, "rb+") as film, io.BytesIO() as signed:
        signing.sign_film(film, signed, source=sources.COMPOSITE)
        whole = signed.getvalue()
    copy = encoded(decoded(io.BytesIO(whole)), (540, 960), bit_rate=1_000_000).getvalue()
    for data, verdict in ((whole, "ours"), (copy, "watermark")):
        page = drop(data)
        assert f'data-verdict="{verdict}"' in page
        assert 'data-watermark="read"' in page
        assert f"{job_id.int >> 96}" not in page
        assert f"{job_id.int >> 96:08x}" not in page


@pytest.mark.django_db
def test_a_picture_is_searched_too_and_one_of_somebody_else_has_nothing(job_id):
    marked = Embedder(watermarks.of_job(job_id)).added_to(scene())
    for picture, verdict, seen in ((marked, "watermark", "read"), (scene(), "none", "none")):
        page = drop(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes(), "x.jpg")
        assert (f'data-verdict="{verdict}"' in page, f'data-watermark="{seen}"' in page) == (True, True)


@pytest.mark.django_db
def test_what_shows_nothing_is_said_not_to_be_searched():
    assert 'data-watermark="unknown"' in drop(b"\xff\xd8\xff" + bytes(1000), "x.jpg")
    assert 'data-watermark="unknown"' in drop(b"\0\0\0\x18ftypisom" + bytes(1000))


def test_films_stay_ours_when_keys_are_rotated_and_are_nobody_s_without_the_key(settings, job_id):
    marked = Embedder(watermarks.of_job(job_id)).added_to(scene())
    data = cv2.imencode(".jpg", marked)[1].tobytes()
    number, old = job_id.int >> 96, settings.FIELD_KEYS[0]
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), old]
    assert watermarks.search(data, signing.STILL).number == number
    settings.FIELD_KEYS = settings.FIELD_KEYS[:1]
    assert watermarks.search(data, signing.STILL) == watermarks.Sighting(is_searched=True)


def test_both_processes_are_confined_and_no_key_is_on_a_command_line(job_id):
    key = watermarks.of_job(job_id).key.hex().encode()
    for child in files.shared_sandbox(), watermarks.shared_sandbox():
        child.start()
        assert child.confinement
        # Others on the machine can read command lines; an order comes over a pipe.
        assert key not in Path(f"/proc/{child.child_pid}/cmdline").read_bytes()
