"""Staff try a job again: the photo, its consent and its hour of erasure stay what they were."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from jobs import lifecycle, services, storage
from jobs.models import AuditEntry, Job, JobEvent, Lane
from jobs.reconcile import retention
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def failed():
    """A job that found no provider; its photo is clean, and was given two hours ago under an older text."""
    earlier = timezone.now() - timedelta(hours=2)
    job = factories.make_waiting_job(
        hero_name="NOVA", consent_version="old", consent_at=earlier, erase_at=earlier + timedelta(hours=5)
    )
    lifecycle.fail(job.id, code="no_provider", now=timezone.now())
    return factories.reload(job)


def retry(job: Job) -> Job:
    return services.retry_job(job.id, now=timezone.now(), actor=None)


def test_it_is_a_new_job_and_the_old_one_stays_as_it_ended(failed):
    staff = get_user_model().objects.create_user("staff")
    new = services.retry_job(failed.id, now=timezone.now(), actor=staff)
    assert (new.owner, new.hero_name, new.look_id) == (failed.owner, "NOVA", failed.look_id)
    assert factories.reload(failed).status == "failed"
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.subject) == (staff, "job_retried", str(failed.id))
    assert JobEvent.objects.get(job=new, seq=1).data["retry_of"] == str(failed.id)
    factories.is_consistent(new.id)


def test_consent_and_time_of_erasure_are_copied(failed):
    new = retry(retry_and_fail(failed))
    assert (new.consent_version, new.consent_at) == ("old", failed.consent_at)
    assert new.erase_at == failed.erase_at
    assert new.photo_sha256 == failed.photo_sha256, "of the photo as it was received, as the receipt says"


def retry_and_fail(job: Job) -> Job:
    new = retry(job)
    lifecycle.fail(new.id, code="no_provider", now=timezone.now())
    return factories.reload(new)


def test_a_clean_photo_goes_straight_to_dispatch(failed):
    Job.objects.filter(id=failed.id).update(has_face=False)
    new = retry(failed)
    assert (new.lane, new.stage, new.raw_key, new.has_face) == (Lane.DISPATCH, "waiting_for_slot", "", False)
    assert new.clean_key != failed.clean_key
    assert storage.read(new.clean_key) == storage.read(failed.clean_key)
    assert [event.kind for event in new.events.all()] == ["accepted", "prepared"]


def test_a_photo_that_is_not_clean_yet_is_prepared_first():
    job = factories.make_job()
    lifecycle.fail(job.id, code="deadline", now=timezone.now())
    new = retry(job)
    assert (new.lane, new.clean_key) == (Lane.PREPARE, "")
    assert storage.read(new.raw_key) == storage.read(job.raw_key)


@pytest.mark.parametrize("erased", [0, 1, 2])
@pytest.mark.parametrize("state", ["open", "failed"])
def test_erasing_one_erases_every_copy(erased, state, failed):
    jobs = [failed, retry_and_fail(failed)]
    jobs.append(retry(jobs[1]) if state == "open" else retry_and_fail(jobs[1]))
    receipt = services.erase_job(jobs[erased].id, now=timezone.now())
    assert receipt["id"] == str(jobs[erased].id)
    assert [factories.reload(job).erased_at is not None for job in jobs] == [True] * 3
    assert factories.stored_files() == []


def test_the_person_s_erase_now_reaches_the_copy(failed):
    user = get_user_model().objects.create_user("person")
    Job.objects.filter(id=failed.id).update(owner=f"u:{user.pk}")
    new = retry(failed)
    client = Client()
    client.force_login(user)
    assert client.delete(f"/api/v1/jobs/{failed.id}/").status_code == 202
    assert factories.reload(new).status == "canceled"
    assert factories.stored_files() == []


def test_the_hour_of_erasure_reaches_the_copy(failed):
    retry(failed)
    retention.sweep(now=failed.erase_at)
    assert not Job.objects.filter(erased_at=None).exists()
    assert factories.stored_files() == []


def test_a_remix_is_another_film_its_owner_asked_for(failed):
    other, _ = services.remix_job(failed.id, look=factories.make_look("netrunner"), now=timezone.now())
    retry(failed)
    services.erase_job(failed.id, now=timezone.now())
    assert factories.reload(other).erased_at is None
    assert factories.stored_files() == [other.clean_key]


def test_an_erasure_that_comes_first_leaves_no_copy(failed, monkeypatch):
    read = storage.read

    def erase_meanwhile(key):
        photo = read(key)
        services.erase_job(failed.id, now=timezone.now())
        return photo

    monkeypatch.setattr(storage, "read", erase_meanwhile)
    with pytest.raises(services.NotPossible):
        retry(failed)
    assert factories.stored_files() == []
    assert Job.objects.count() == 1


@pytest.mark.parametrize("state", ["open", "erased", "without photo", "too late"])
def test_what_cannot_be_tried_again(state):
    job = factories.make_waiting_job()
    if state == "erased":
        services.erase_job(job.id, now=timezone.now())
    elif state == "without photo":
        services.cancel_job(job.id, now=timezone.now())
    elif state == "too late":
        lifecycle.fail(job.id, code="no_provider", now=timezone.now())
        Job.objects.filter(id=job.id).update(erase_at=timezone.now() + timedelta(minutes=1))
    with pytest.raises(services.NotPossible):
        retry(job)
    assert Job.objects.count() == 1
