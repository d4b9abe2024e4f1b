"""The ledger read while everything moves."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs import ledger, lifecycle, services
from jobs.models import Job, Lane
from jobs.queue import claims
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.ledgers import found_in, inspect
from tests.jobs.threads import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.database, pytest.mark.slow]


def live(provider: ProviderConfig, number: int) -> None:
    """Bring a job from its 202 to an end by the product's own calls, in transactions as the lanes make them."""
    order = services.JobInput(os.urandom(16), "jpg", factories.make_look())
    job, _ = services.create_job(order, owner=f"v:{number}", now=timezone.now())
    if number % 7 == 6:
        services.cancel_job(job.id, now=timezone.now())
        return
    claim = claims.claim_lane(Lane.PREPARE, limit=5, lease=timedelta(minutes=1))
    for mine in claim.jobs:
        write(lifecycle.mark_photo_ready, mine.id, lease_token=claim.lease_token, clean_key="")
    for attempt in claims.claim_slots(provider.id, want=5):
        taken = {"prediction_id": f"pre_{attempt.id}", "lease_token": attempt.lease_token, "poll_at": timezone.now()}
        write(lifecycle.record_submission, attempt, **taken)
        if attempt.id % 5 == 4:
            with transaction.atomic():
                write(lifecycle.mark_attempt_failed, attempt, code="provider_failed", raw_error="")
                write(lifecycle.fail, attempt.job_id, code="provider_failed")
        else:
            write(lifecycle.mark_attempt_succeeded, attempt, prediction_id="", video_url="http://x/f.mp4")
    claim = claims.claim_lane(Lane.COLLECT, limit=5, lease=timedelta(minutes=1))
    film = {"video_key": "video/none.mp4", "poster_key": "", "video_bytes": 1, "video_seconds": 5.0}
    for mine in claim.jobs:
        write(lifecycle.succeed, mine.id, lease_token=claim.lease_token, **film)
        if number % 3 == 0:
            services.erase_job(mine.id, now=timezone.now())


def write(step: Callable[..., Any], *args: Any, **values: Any) -> None:
    with transaction.atomic():
        step(*args, now=timezone.now(), **values)


@pytest.mark.django_db(transaction=True)
def test_read_in_the_middle_of_everything_it_tells_no_difference_that_is_not_there() -> None:
    provider = factories.make_provider(max_concurrent=1000, max_per_minute=100_000)
    factories.make_look()
    writers, each = 3, 25
    done: list[int] = []
    seen: list[ledger.Ledger] = []

    def run(index: int) -> None:
        if index < writers:
            for number in range(each):
                live(provider, index * each + number)
            done.append(index)
            return
        while len(done) < writers:
            seen.append(ledger.inspect(now=timezone.now(), with_files=False))

    in_threads(writers + 1, run)
    assert [list(found_in(one).values()) for one in seen if not one.is_clean] == []
    moments = {tuple(one.rows.by_phase.values()) for one in seen}
    assert len(moments) > 10, "it has to be read while jobs move"
    after = inspect(with_files=False)
    assert after.is_clean
    assert after.rows.accepted == writers * each


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_sees_one_moment_and_holds_up_no_writer() -> None:
    factories.make_look()
    with ledger.snapshot():
        assert Job.objects.count() == 0
        in_threads(1, lambda _: factories.make_job())  # with a lock of ours it would wait for it in vain
        assert Job.objects.count() == 0
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_after_a_snapshot_the_product_s_own_transactions_are_as_before() -> None:
    """The reader's way to begin a transaction is the reader's alone."""
    job = factories.make_job()
    before = getattr(connection, "transaction_mode", None)
    with ledger.snapshot():
        assert getattr(connection, "transaction_mode", None) == before
    with transaction.atomic():
        assert Job.objects.filter(id=job.id).update(seq=1) == 1
    with pytest.raises(ZeroDivisionError), ledger.snapshot():
        assert 1 / 0
    assert not connection.in_atomic_block
