"""Consent is kept as data, and the database lets nothing happen to a photo without it."""

import hashlib
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from jobs import consent
from jobs.models import ConsentText, Job
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def fresh_texts():
    """Another test's database has no texts that this process has kept."""
    consent._kept.clear()
    consent.text_in.cache_clear()
    yield
    consent._kept.clear()
    consent.text_in.cache_clear()


def send(client, **fields):
    photo = factories.tiny_photo()
    form = {"look": factories.make_look().slug, "consent": "true", "selfie": SimpleUploadedFile("a.jpg", photo)}
    return client.post("/api/v1/jobs/", form | fields)


@pytest.mark.parametrize("language", ["en", "es", "ja"])
def test_a_job_names_the_text_its_owner_saw_and_the_text_is_kept(language):
    before = timezone.now()
    assert send(Client(headers={"Accept-Language": language})).status_code == 202
    job, text = Job.objects.get(), ConsentText.objects.get()
    assert (job.consent_sha256, job.consent_language, job.consent_age) == (text.sha256, language, 16)
    assert hashlib.sha256(text.text.encode()).hexdigest() == text.sha256
    assert before <= job.consent_at <= timezone.now()
    assert "16" in text.text and "<" not in text.text
    page = Client(headers={"Accept-Language": language}).get("/privacy/").content.decode()
    lines = text.text.splitlines()[2:]
    assert len(lines) > 10
    for line in lines:
        assert line.split("“")[0].split("’")[0][:20] in page, "what is shown is what is kept"


def test_the_rules_on_the_page_are_the_settings_that_enforce_them(settings):
    settings.PHOTO_RETENTION, settings.RETENTION = timedelta(hours=3), timedelta(hours=48)
    settings.LONG_RETENTION, settings.DELIVERIES_RETENTION = timedelta(days=9), timedelta(days=11)
    page = Client().get("/privacy/").content.decode()
    for words in ("3 hours after your film", "2 days after you sent", "9 days if you choose", "making: 11 days"):
        assert words in page
    assert consent.text_in("en") != "", "and so is the text that is agreed to"
    assert "9 days" in consent.text_in("en")


@pytest.mark.parametrize(
    "missing", [{"consent_sha256": ""}, {"consent_language": ""}, {"consent_age": 0}, {"consent_version": ""}]
)
def test_the_database_refuses_to_dispatch_without_consent(missing):
    job = factories.make_job(**missing)
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.prepare(job)
    assert factories.reload(job).lane == "prepare"


def test_a_job_of_the_release_before_goes_its_way():
    old = {"consent_version": "2026-11", "consent_sha256": "", "consent_language": "", "consent_age": 0}
    assert factories.prepare(factories.make_job(**old)).lane == "dispatch"


@pytest.mark.parametrize(("keep", "kept"), [("", "RETENTION"), ("short", "RETENTION"), ("long", "LONG_RETENTION")])
def test_a_film_is_kept_as_long_as_its_owner_chose(keep, kept, settings):
    assert send(Client(), keep=keep).status_code == 202
    job = Job.objects.get()
    assert job.erase_at - job.created_at == getattr(settings, kept)


def test_another_span_than_the_two_is_refused():
    answer = send(Client(), keep="forever")
    assert (answer.status_code, answer.json()["field"]) == (422, "keep")
