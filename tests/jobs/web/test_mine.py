"""Everything of one person, as a file and erased at once; and what a receipt says of the providers."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from jobs import identity, lifecycle, receipts, services
from jobs.models import Attempt
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def person():
    value, owner = identity.new_visitor()
    client = Client()
    client.cookies[settings.VISITOR_COOKIE_NAME] = value
    return client, owner


def test_the_export_has_everything_of_its_owner_and_nothing_of_others(person, provider):
    client, owner = person
    mine = factories.make_finished_job(provider, owner=owner, hero_name="NOVA", email="nova@city.example")
    factories.make_finished_job(provider, hero_name="SOMEBODY")
    answer = client.get("/me/export/")
    assert answer["Content-Disposition"] == 'attachment; filename="selfie-hero-export.json"'
    assert "no-store" in answer["Cache-Control"]
    (film,) = json.loads(answer.content)["films"]
    assert (film["id"], film["hero_name"], film["email"]) == (str(mine.id), "NOVA", "nova@city.example")
    assert film["consent"]["sha256"] == mine.consent_sha256
    assert film["sent_to"] == ["The studio"]
    assert receipts.check(film["receipts"]["accepted"]).job_id == mine.id
    photo = client.get(film["photo"])
    assert photo.status_code == 200
    assert photo.getvalue().startswith(b"\xff\xd8")
    photo.close()
    assert "SOMEBODY" not in answer.content.decode()


def test_erasing_everything_leaves_nothing_of_the_owner_and_the_others_alone(person, provider):
    client, owner = person
    jobs = [factories.make_finished_job(provider, owner=owner), factories.make_job(owner=owner)]
    other = factories.make_finished_job(provider)
    answer = client.post("/me/erase/")
    page = answer.content.decode()
    for job in jobs:
        job = factories.reload(job)
        assert job.erased_at
        assert receipts.for_erased(job) in page
    assert sorted(factories.stored_files()) == sorted([other.clean_key, other.poster_key, other.video_key])
    assert answer.cookies[settings.VISITOR_COOKIE_NAME].value == "", "the browser forgets who it was"


def test_without_an_owner_there_is_nothing_to_export_or_erase():
    assert Client().get("/me/export/").status_code == 404
    assert Client().post("/me/erase/").status_code == 404
    assert Client().get("/me/erase/").status_code == 405


def test_a_form_of_another_site_erases_nothing(person, provider):
    client, owner = person
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    job = factories.make_finished_job(provider, owner=owner)
    assert strict.post("/me/erase/").status_code == 403
    assert factories.reload(job).erased_at is None


def test_the_answer_to_an_erasure_says_what_was_removed_and_what_a_provider_holds_until_when(person, provider):
    client, owner = person
    job = factories.make_finished_job(provider, owner=owner)
    said = client.delete(f"/api/v1/jobs/{job.id}/").json()
    assert {"photo", "film", "poster", "email"} <= set(said["removed"])
    erased_at = factories.reload(job).erased_at
    (held,) = receipts.held_elsewhere(factories.reload(job))
    assert (held.provider, held.until) == ("The studio", erased_at + timedelta(hours=1))
    assert [each["provider"] for each in said["held"]] == ["The studio"]
    assert "The studio" in client.get(f"/jobs/{job.id}/receipt.txt").content.decode()
    assert "The studio" in client.get(f"/jobs/{job.id}/").content.decode()
    owed = Attempt.objects.get(job=job)
    lifecycle.mark_cleanup_done([owed.id], cleanup="delete")
    assert [each.until for each in receipts.held_elsewhere(factories.reload(job))] == [None], "it has confirmed"
    assert "has confirmed" in client.get(f"/jobs/{job.id}/receipt.txt").content.decode()


def test_a_provider_that_cannot_be_told_holds_it_for_its_own_time(person, provider):
    _client, owner = person
    provider.adapter = "fal"
    provider.save()
    job = factories.make_finished_job(provider, owner=owner)
    services.erase_job(job.id, now=timezone.now())
    (held,) = receipts.held_elsewhere(factories.reload(job))
    assert held.until == Attempt.objects.get(job=job).finished_at + timedelta(days=7)


def test_a_job_that_no_provider_saw_is_held_by_nobody(person):
    _client, owner = person
    job = factories.make_job(owner=owner)
    said = services.erase_job(job.id, now=timezone.now())
    assert (said["held"], "film" in said["removed"]) == ([], False)
