"""Another film of the same photo."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from jobs import lifecycle, services, storage
from jobs.intake import throttles
from jobs.models import Job, JobEvent, Lane
from tests import factories
from tests.jobs.orders import order

pytestmark = pytest.mark.django_db


@pytest.fixture
def finished(api, provider):
    """A finished film of this visitor's, with its clean photo; and another look."""
    factories.make_look("chrome-samurai")
    owner = Job.objects.get(id=api.post("/api/v1/jobs/", order()).json()["id"]).owner
    Job.objects.all().delete()
    return factories.make_finished_job(provider, owner=owner, hero_name="NOVA", email="nova@example.org")


def remix(client, job, *, key=None, **fields):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/v1/jobs/{job.id}/remix/", {"look": "chrome-samurai"} | fields, headers=headers)


def test_a_remix_in_another_look_needs_no_photo(api, finished):
    answer = remix(api, finished)
    assert answer.status_code == 202
    body = answer.json()
    assert answer["Location"] == body["links"]["self"] != f"/api/v1/jobs/{finished.id}/"
    assert (body["status"], body["stage"], body["look"]) == ("queued", "waiting_for_slot", "chrome-samurai")
    job = factories.reload(Job.objects.get(id=body["id"]))
    assert (job.lane, job.hero_name, job.email, job.owner) == (
        Lane.DISPATCH,
        "NOVA",
        "nova@example.org",
        finished.owner,
    )
    assert job.clean_key != finished.clean_key
    assert storage.read(job.clean_key) == storage.read(finished.clean_key)
    assert body["queue"]["eta_seconds"] == {"p50": job.promised_p50, "p90": job.promised_p90}


def test_it_looks_like_every_other_job_to_whoever_counts(api, finished):
    job = Job.objects.get(id=remix(api, finished).json()["id"])
    assert list(JobEvent.objects.filter(job=job).values_list("seq", "kind")) == [(1, "accepted"), (2, "prepared")]
    accepted = JobEvent.objects.get(job=job, seq=1)
    assert accepted.data["remix_of"] == str(finished.id)
    assert accepted.data["look"] == "chrome-samurai"
    factories.is_consistent(job.id)
    factories.is_consistent(finished.id)


def test_it_becomes_a_film(api, finished, stub, work):
    job = Job.objects.get(id=remix(api, finished).json()["id"])
    work(Lane.DISPATCH)
    job = factories.reload(job)
    assert (job.status, job.attempts.get().provider.slug) == ("processing", "studio")
    assert "chrome-samurai" in str(stub.only.request)


def test_a_picture_without_a_face_stays_one(api, finished):
    Job.objects.filter(id=finished.id).update(has_face=False)
    assert Job.objects.get(id=remix(api, finished).json()["id"]).has_face is False


@pytest.mark.parametrize("erased", ["first", "second"])
def test_erasing_one_leaves_the_other(erased, api, finished):
    other = Job.objects.get(id=remix(api, finished).json()["id"])
    gone, stays = (finished, other) if erased == "first" else (other, finished)
    assert api.delete(f"/api/v1/jobs/{gone.id}/").status_code == 202
    stays.refresh_from_db()
    assert stays.erased_at is None
    assert storage.read(stays.clean_key)
    assert not [key for key in (gone.clean_key, gone.video_key) if key and key in factories.stored_files()]


def test_no_photo_is_kept_for_longer_than_was_said_when_it_came(api, finished):
    Job.objects.filter(id=finished.id).update(erase_at=timezone.now() + timedelta(hours=3), consent_version="old")
    finished.refresh_from_db()
    job = Job.objects.get(id=remix(api, finished).json()["id"])
    assert job.erase_at == finished.erase_at
    assert (job.consent_version, job.consent_at) == ("old", finished.consent_at)


def test_a_name_may_be_another_or_none(api, finished):
    for name in ("VESPER", ""):
        assert Job.objects.get(id=remix(api, finished, hero_name=name).json()["id"]).hero_name == name
    assert remix(api, finished, hero_name="x" * 25).json()["code"] == "hero_name_too_long"


def test_the_same_key_is_the_same_film(api, finished):
    first, again = (remix(api, finished, key="k1") for _ in range(2))
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]
    assert Job.objects.count() == 2
    other = remix(api, finished, key="k1", look="neon-noir")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert len([key for key in factories.stored_files() if key.startswith("clean/")]) == 2
    services.erase_job(finished.id, now=timezone.now())
    assert remix(api, finished, key="k1").json()["id"] == first.json()["id"], "also when the photo is gone meanwhile"


@pytest.mark.parametrize("why", ["erased", "file gone", "no photo", "too late"])
def test_without_the_photo_it_is_gone(why, api, finished):
    if why == "erased":
        services.erase_job(finished.id, now=timezone.now())
    elif why == "file gone":
        storage.delete([finished.clean_key])
    elif why == "no photo":
        Job.objects.filter(id=finished.id).update(clean_key="")
    else:
        Job.objects.filter(id=finished.id).update(erase_at=timezone.now() + timedelta(minutes=1))
    files = factories.stored_files()
    answer = remix(api, finished)
    assert (answer.status_code, answer.json()["code"]) == (410, "photo_gone")
    assert answer.json()["next_step"]
    assert (Job.objects.count(), factories.stored_files()) == (1, files)


def test_not_while_the_first_is_being_made(api, finished):
    open_job = factories.make_waiting_job(owner=finished.owner)
    answer = remix(api, open_job)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_finished")


def test_a_job_that_found_no_provider_can_be_tried_in_another_look(api, finished):
    failed = factories.make_waiting_job(owner=finished.owner)
    lifecycle.fail(failed.id, code="no_provider", now=timezone.now())
    assert remix(api, failed).status_code == 202


def test_it_is_for_the_owner_alone_and_counted_as_an_upload(api, finished, monkeypatch):
    assert remix(Client(), finished).status_code == 404
    assert remix(api, finished, look="nothing").json()["field"] == "look"
    strange = api.post(
        f"/api/v1/jobs/{finished.id}/remix/", {"look": "neon-noir"}, headers={"Origin": "https://evil.example"}
    )
    assert strange.status_code == 403
    cache.clear()
    monkeypatch.setitem(throttles.UploadsPerOwner.THROTTLE_RATES, "uploads", "2/min")
    assert [remix(api, finished).status_code for _ in range(3)] == [202, 202, 429]


def test_nothing_is_left_when_the_row_cannot_be_written(api, finished, monkeypatch):
    files = factories.stored_files()
    monkeypatch.setattr(lifecycle, "mark_photo_ready", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        services.remix_job(finished.id, look=factories.make_look("netrunner"), now=timezone.now())
    assert (Job.objects.count(), factories.stored_files()) == (1, files)


def test_the_page_offers_the_other_looks_and_works_without_a_script(api, finished):
    page = api.get(f"/jobs/{finished.id}/").content.decode()
    assert "No new photo needed" in page
    assert 'name="look" value="chrome-samurai"' in page
    assert 'name="look" value="neon-noir"' not in page, "that one is here already"
    answer = api.post(f"/jobs/{finished.id}/remix/", {"look": "chrome-samurai"})
    job = Job.objects.exclude(id=finished.id).get()
    assert (answer.status_code, answer["Location"]) == (302, f"/jobs/{job.id}/")
    assert Client().post(f"/jobs/{finished.id}/remix/", {"look": "chrome-samurai"}).status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = api.cookies
    assert strict.post(f"/jobs/{finished.id}/remix/", {"look": "chrome-samurai"}).status_code == 403
    Job.objects.filter(id=finished.id).update(clean_key="")
    assert "No new photo needed" not in api.get(f"/jobs/{finished.id}/").content.decode()
    gone = api.post(f"/jobs/{finished.id}/remix/", {"look": "chrome-samurai"})
    assert gone.status_code == 410
    assert "The photo of this film is gone" in gone.content.decode()
