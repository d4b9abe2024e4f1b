"""Erasing ended jobs in batches: the same as one by one, shared among processes, at a price that does not grow."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import services, storage
from jobs.models import Attempt, Job, JobEvent, WebhookDelivery
from jobs.reconcile import erasures, retention
from notifications.models import Notification, PushSubscription
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def finished(provider, *, owner="v:one"):
    job = factories.make_finished_job(provider)
    Job.objects.filter(id=job.id).update(owner=owner, erase_at=timezone.now() - timedelta(seconds=1))
    attempt = job.attempts.get()
    WebhookDelivery.objects.create(
        provider=provider.slug,
        attempt_token=attempt.token,
        event_id=str(job.id),
        verdict="valid",
        received_at=timezone.now(),
        body=b"{}",
        headers={"a": "b"},
    )
    return job


def traces(job):
    """Everything that is left of a job, but for ids and times of its own."""
    row = Job.objects.filter(id=job.id).values().get()
    own = {"id", "winner_id", "owner", "photo_bytes", *(name for name in row if name.endswith("_at"))}
    attempts = Attempt.objects.filter(job=job).values("preview_url", "video_url", "raw_error", "cleanup", "status")
    tokens = Attempt.objects.filter(job=job).values_list("token", flat=True)
    return (
        {name: value for name, value in row.items() if name not in own},
        list(attempts),
        [(bytes(each.body), each.headers) for each in WebhookDelivery.objects.filter(attempt_token__in=list(tokens))],
        list(JobEvent.objects.filter(job=job).values_list("seq", "kind")),
        Notification.objects.filter(job=job).count(),
    )


def test_a_batch_leaves_what_one_by_one_leaves(provider):
    one, other = finished(provider), finished(provider)
    for job in (one, other):
        Notification.objects.create(job=job, channel="email", created_at=timezone.now(), due_at=timezone.now())
    services.erase_job(one.id, now=timezone.now())
    assert erasures.erase_ended(now=timezone.now(), limit=10) == 1
    assert traces(one) == traces(other)
    assert factories.stored_files() == []
    assert factories.reload(other).erased_at


def test_where_to_send_is_forgotten_with_an_owners_last_job_only(provider):
    for owner in ("v:one", "v:two"):
        finished(provider, owner=owner)
        PushSubscription.objects.create(owner=owner, endpoint_hash=owner, created_at=timezone.now())
    kept = finished(provider, owner="v:two")
    Job.objects.filter(id=kept.id).update(erase_at=timezone.now() + timedelta(hours=1))
    erasures.erase_ended(now=timezone.now(), limit=10)
    assert list(PushSubscription.objects.values_list("owner", flat=True)) == ["v:two"]


def test_a_batch_under_somebodys_lease_is_left_alone_until_it_lapses(provider):
    job = finished(provider)
    now = timezone.now()
    Job.objects.filter(id=job.id).update(lease_token="theirs", due_at=now + timedelta(seconds=30))
    assert erasures.erase_ended(now=now, limit=10) == 0
    assert erasures.erase_ended(now=now + timedelta(seconds=31), limit=10) == 1
    assert factories.reload(job).erased_at


def test_files_that_cannot_be_removed_keep_their_row_and_no_other(provider, monkeypatch):
    stuck, other = finished(provider), finished(provider)
    delete = storage.delete

    def refuse(keys):
        if factories.reload(stuck).video_key in keys:
            raise OSError("read-only")
        delete(keys)

    monkeypatch.setattr(storage, "delete", refuse)
    now = timezone.now()
    erasures.erase_ended(now=now, limit=10)
    assert (factories.reload(stuck).erased_at, bool(factories.reload(other).erased_at)) == (None, True)
    monkeypatch.setattr(storage, "delete", delete)
    retention.erase_due(now=now + erasures.LEASE + timedelta(seconds=1))
    assert factories.reload(stuck).erased_at


def test_a_hundred_cost_as_many_statements_as_two(provider):
    counts = []
    finished(provider)
    erasures.erase_ended(now=timezone.now(), limit=1)  # the first of a day makes the row that counts them
    for number in (2, 20):
        for _ in range(number):
            finished(provider)
        with CaptureQueriesContext(connection) as captured:
            assert erasures.erase_ended(now=timezone.now(), limit=100) == number
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_overdue_erasures_are_counted(provider):
    job = finished(provider)
    now = timezone.now()
    assert erasures.overdue(now=now, by=timedelta(minutes=1)) == 0
    late = now - settings.PHOTO_RETENTION - timedelta(minutes=2)
    Job.objects.filter(id=job.id).update(finished_at=late)
    assert erasures.overdue(now=now, by=timedelta(minutes=1)) == 1, "its photo has an hour of its own"
    Job.objects.filter(id=job.id).update(erase_at=now - timedelta(minutes=2))
    assert erasures.overdue(now=now, by=timedelta(minutes=1)) == 1
    retention.erase_photos(now=now)
    assert erasures.overdue(now=now, by=timedelta(minutes=1)) == 1, "the film is late all the same"
