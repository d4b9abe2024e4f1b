"""What else the ledger finds, in rows and among files. Each finding is provoked by damaging one."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from jobs import ledger, lifecycle, services, storage
from jobs.ledger import files
from jobs.models import WebhookDelivery
from jobs.reconcile import retention
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.ledgers import damage, found_in, ids_of, inspect, only

pytestmark = [pytest.mark.django_db, pytest.mark.database]
MINUTES = timedelta(minutes=2)

# --- What the rows tell ---------------------------------------------------------------------------


def test_an_open_job_that_no_worker_will_touch(provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    factories.make_submitted_attempt(provider)
    damage(attempt, status="failed", slot_held=False)
    only(inspect(), "job_orphaned", attempt.job_id)


@pytest.mark.parametrize("late", [timedelta(seconds=30), MINUTES])
def test_a_job_past_its_deadline(late: timedelta) -> None:
    job, _ = factories.make_job(), factories.make_job()
    damage(job, deadline_at=timezone.now() - late)
    if late < ledger.LATE:
        assert inspect().is_clean
    else:
        only(inspect(), "job_late", job)


def test_a_lapsed_lease_in_a_lane() -> None:
    job, waiting = factories.make_job(), factories.make_job()
    damage(job, lease_token="gone", due_at=timezone.now() - MINUTES)
    damage(waiting, due_at=timezone.now() - MINUTES)  # a queue may be long
    only(inspect(), "lane_lease_lapsed", job)


def test_a_lease_of_a_job_in_no_lane(provider: ProviderConfig) -> None:
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    damage(job, lease_token="gone")
    only(inspect(), "lease_without_lane", job)


def test_a_lapsed_lease_of_a_submit(provider: ProviderConfig) -> None:
    attempt, unconfirmed = factories.make_attempt(provider), factories.make_attempt(provider)
    damage(attempt, lease_until=timezone.now() - MINUTES)
    assert lifecycle.mark_unconfirmed(unconfirmed.id, lease_token=unconfirmed.lease_token)
    damage(unconfirmed, lease_until=timezone.now() - MINUTES)  # waits for its deadline at a provider without look-up
    seen = inspect()
    only(seen, "attempt_lease_lapsed", attempt)
    assert seen.findings[0].items[0].job_id == str(attempt.job_id)


def test_an_attempt_past_its_deadline(provider: ProviderConfig) -> None:
    attempt, _ = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    damage(attempt, deadline_at=timezone.now() - MINUTES)
    only(inspect(), "attempt_late", attempt)


def test_an_open_attempt_of_a_job_that_has_ended(provider: ProviderConfig) -> None:
    attempt, _ = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    services.cancel_job(attempt.job_id, now=timezone.now())
    damage(attempt, status="running", finished_at=None)
    only(inspect(), "attempt_after_the_end", attempt)


def test_a_slot_that_is_never_freed(provider: ProviderConfig) -> None:
    attempt, owed = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    for one in (attempt, owed):
        services.cancel_job(one.job_id, now=timezone.now())
    damage(attempt, cleanup="")
    only(inspect(), "slot_kept", attempt)


def test_an_open_attempt_without_a_slot(provider: ProviderConfig) -> None:
    attempt, _ = factories.make_submitted_attempt(provider), factories.make_submitted_attempt(provider)
    damage(attempt, slot_held=False)
    only(inspect(), "slot_missing", attempt)


def test_a_delivery_that_waits(provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    fields = {"provider": provider.slug, "attempt_token": attempt.token, "received_at": timezone.now()}
    now = timezone.now()
    late, _, _ = (
        WebhookDelivery.objects.create(event_id=str(due_at), verdict="valid", due_at=due_at, **fields)
        for due_at in (now - MINUTES, now, None)
    )
    seen = inspect()
    only(seen, "delivery_late", late)
    assert seen.findings[0].items[0].job_id == str(attempt.job_id)


def test_the_ids_are_capped_and_the_count_is_not() -> None:
    for _ in range(ledger.LISTED + 3):
        damage(factories.make_job(photo=b"photo"), deadline_at=timezone.now() - MINUTES)
    (finding,) = inspect().findings
    assert (finding.count, len(finding.items)) == (ledger.LISTED + 3, ledger.LISTED)


# --- Files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", storage.KINDS)
def test_a_file_that_no_job_names(kind: str, provider: ProviderConfig) -> None:
    factories.make_finished_job(provider)
    key = storage.save(storage.new_key(kind, "bin"), b"loose")
    assert inspect().is_clean, "it may be one whose row is being written"
    only(inspect(grace=timedelta(0)), "file_unreferenced", key)
    then = time.time() - retention.UNREFERENCED_AFTER.total_seconds() - 5
    os.utime(Path(settings.MEDIA_ROOT, key), (then, then))
    only(inspect(), "file_unreferenced", key)
    assert inspect(with_files=False).is_clean


@pytest.mark.parametrize("kind", storage.KINDS)
def test_a_job_whose_file_is_gone(kind: str, provider: ProviderConfig) -> None:
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    key = storage.save(storage.new_key(kind, "bin"), b"file")
    storage.delete([getattr(job, f"{kind}_key")])
    damage(job, **{f"{kind}_key": key})
    assert inspect(grace=timedelta(0)).is_clean
    storage.delete([key])
    seen = inspect(grace=timedelta(0))
    only(seen, "file_missing", key)
    assert seen.findings[0].items[0].job_id == str(job.id)


def test_files_that_are_being_removed_are_no_finding(provider: ProviderConfig) -> None:
    """The one whose row is written first and the one whose file goes first, caught in between."""
    job, _ = factories.make_finished_job(provider), factories.make_finished_job(provider)
    key = storage.save(storage.new_key("raw", "bin"), b"just let go of")
    storage.delete([job.clean_key])
    waited = []

    def pause(seconds: float) -> None:
        waited.append(seconds)
        storage.delete([key])
        damage(job, clean_key="")

    assert ledger.inspect(now=timezone.now(), grace=timedelta(0), pause=pause).is_clean
    assert waited == [files.CONFIRM_SECONDS]


def test_files_in_a_bucket_are_not_checked(settings: Any) -> None:
    job = factories.make_job()
    storage.delete([job.raw_key])
    settings.S3_BUCKET = "bucket"
    seen = inspect()
    assert (seen.is_clean, seen.files_checked) == (True, False)


# --- At rest --------------------------------------------------------------------------------------


def test_what_has_not_come_to_its_end(provider: ProviderConfig) -> None:
    waiting = factories.make_job()
    stopped = factories.make_submitted_attempt(provider)
    services.cancel_job(stopped.job_id, now=timezone.now())
    factories.make_finished_job(provider)
    delivery = WebhookDelivery.objects.create(
        provider="studio", attempt_token="t", verdict="unknown", received_at=timezone.now(), due_at=timezone.now()
    )
    assert inspect().is_clean
    found = found_in(inspect(settled=True))
    assert {code: ids_of(finding) for code, finding in found.items()} == {
        "job_unsettled": {str(waiting.id)},
        "slot_unsettled": {str(stopped.id)},
        "cleanup_unsettled": {str(stopped.id)},
        "delivery_unsettled": {str(delivery.id)},
    }
    services.cancel_job(waiting.id, now=timezone.now())
    lifecycle.mark_cleanup_done([stopped.id], cleanup="cancel")
    damage(delivery, due_at=None)
    assert inspect(settled=True, grace=timedelta(0)).is_clean
