"""The inspection that goes on while reconcile runs: in parts, once per cluster, its result in a row."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from jobs import ledger
from jobs.ledger import continuous
from jobs.models import Job, JobEvent, LedgerInspection
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.ledgers import damage, found_in, inspect
from tests.jobs.threads import in_threads
from tests.support import big_tables

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def whole_walk(now: datetime) -> int:
    """Inspect until all jobs were read; return in how many steps."""
    for steps in itertools.count(1):
        assert continuous.inspect_next(now=now)
        if LedgerInspection.objects.get().walk_found is None:
            return steps
        LedgerInspection.objects.update(due_at=now)  # however long the step took
    raise AssertionError


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous, "PART", 2)
    monkeypatch.setattr(continuous, "STEP_SECONDS", -1.0)


def test_parts_add_up_to_what_one_inspection_finds(provider: ProviderConfig, small_parts: None) -> None:
    damage(provider, max_concurrent=20)
    for _ in range(3):
        factories.make_job()
        factories.make_submitted_attempt(provider)
    factories.make_finished_job(provider)
    lost = factories.make_job()
    damage(lost, status="canceled", finished_at=timezone.now(), lane="")
    eventless = factories.make_job()
    JobEvent.objects.filter(job=eventless).delete()
    assert whole_walk(timezone.now()) == 5
    seen, expected = ledger.newest().found, inspect(with_files=False)
    assert seen is not None
    assert (seen.events, seen.rows) == (expected.events, expected.rows)
    assert {code: one.count for code, one in found_in(seen).items()} == {"phase_differs": 1, "no_events": 1}
    assert found_in(seen) == found_in(expected)
    assert not ledger.newest().balances


def test_what_goes_wrong_now_is_seen_now(provider: ProviderConfig, small_parts: None) -> None:
    """However many jobs are still to be read: open and just ended ones are read with every step."""
    jobs = [factories.make_job() for _ in range(9)]
    now = timezone.now()
    whole_walk(now)
    assert ledger.newest().difference_count == 0
    job = max(jobs, key=lambda one: one.id)
    later = now + timedelta(minutes=5)
    damage(job, status="canceled", finished_at=later, lane="")
    assert continuous.inspect_next(now=later)
    newest = ledger.newest()
    assert newest.recent is not None
    assert newest.difference_count == 1
    assert [item.id for finding in newest.recent.differences for item in finding.items] == [str(job.id)]


def test_the_next_step_is_due_after_a_while_and_a_mend_is_seen() -> None:
    job, now = factories.make_job(), timezone.now()
    damage(job, status="canceled", finished_at=now, lane="")
    assert continuous.inspect_next(now=now)
    assert ledger.newest().difference_count == 1
    assert not continuous.inspect_next(now=now + continuous.STEP_EVERY / 2)
    damage(job, status="queued", finished_at=None, lane="prepare")
    assert continuous.inspect_next(now=now + continuous.LEASE)
    assert ledger.newest().difference_count == 0


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    now = timezone.now()
    assert continuous.inspect_next(now=now + timedelta(days=1))
    assert continuous.inspect_next(now=now)


def test_files_are_checked_when_staff_ask() -> None:
    job, now = factories.make_job(), timezone.now()
    damage(job, raw_key="raw/gone.jpg")
    continuous.inspect_next(now=now)
    assert ledger.newest().files is None
    continuous.want_files(now=now)
    assert continuous.inspect_next(now=now)
    newest = ledger.newest()
    assert newest.files is not None
    assert [finding.code for finding in newest.files] == ["file_missing"]
    assert not newest.files_wanted
    assert continuous.inspect_next(now=now + continuous.LEASE)
    assert ledger.newest().files == newest.files


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_many_processes_one_inspects() -> None:
    factories.make_job()
    now, done = timezone.now(), []
    in_threads(6, lambda _: done.append(continuous.inspect_next(now=now)))
    assert sorted(done) == [False] * 5 + [True]


@pytest.mark.slow
def test_a_step_reads_no_big_table_whole() -> None:
    big_tables.make(6000)
    Job.objects.exclude(status="queued").update(finished_at=timezone.now() - timedelta(days=1))
    with big_tables.watching() as watch:
        whole_walk(timezone.now())
    assert {read.step: read.sql for read in watch.whole_reads()} == {}
