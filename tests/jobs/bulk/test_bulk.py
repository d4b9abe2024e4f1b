"""One action on many jobs: seen before it is done, at a rate, with brakes, and each job once."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from jobs import bulk, lifecycle, services, storage
from jobs import now as present
from jobs.bulk import brakes, plan, work
from jobs.models import AuditEntry, BulkItem, BulkOperation, Job, LoadState
from jobs.overload import state
from providers.models import ProviderConfig
from tests import factories
from tests.support.big_tables import watching

pytestmark = [pytest.mark.django_db, pytest.mark.database]
SECOND = timedelta(seconds=1)


@pytest.fixture
def mara() -> User:
    return User.objects.create_user("mara", is_staff=True)


@pytest.fixture
def start() -> datetime:
    return timezone.now()


@pytest.fixture(autouse=True)
def fresh_worker(monkeypatch: Any) -> None:
    monkeypatch.setattr(work, "_worker", work.Worker())


def failed_jobs(count: int) -> list[Job]:
    jobs = [factories.make_waiting_job() for _ in range(count)]
    for job in jobs:
        lifecycle.fail(job.pk, code="no_provider", now=timezone.now())
    return jobs


def begin(action: str, mara: User, *, rate: int = 60, now: datetime) -> BulkOperation:
    found = bulk.plan_of(action, Job.objects.all(), capacity=present.read_capacity(now=now), now=now)
    return bulk.start(
        found,
        form_token=secrets.token_hex(8),
        query="",
        words="all jobs",
        rate=rate,
        actor=mara,
        address="192.0.2.7",
        now=now,
    )


def run(now: datetime, seconds: float, *, step: float = 1.0) -> None:
    for number in range(int(seconds / step)):
        bulk.work_due(now=now + number * step * SECOND)


def test_the_preview_says_how_many_what_is_gone_and_what_it_costs(provider: ProviderConfig, start: datetime) -> None:
    ProviderConfig.objects.filter(pk=provider.pk).update(price=Decimal("0.25"), daily_budget=1)
    jobs = failed_jobs(6)
    services.erase_job(jobs[0].pk, now=start, by="staff")
    factories.make_waiting_job()
    found = bulk.plan_of("retry_jobs", Job.objects.all(), capacity=present.read_capacity(now=start), now=start)
    assert (found.found, found.possible, found.is_capped) == (7, 5, False)
    assert found.left == [(1, "the photo is gone"), (1, "still under way")]
    assert found.most_cost == Decimal("1.25")
    assert found.is_over_budget
    ended = [factories.reload(job).finished_at for job in jobs[1:]]
    assert found.first_photo_goes == min(ended) + settings.PHOTO_RETENTION
    assert len(found.first) == 5
    assert Job.objects.count() == 7, "nothing was done"


def test_jobs_are_tried_again_at_the_rate_and_each_once(provider: ProviderConfig, mara: User, start: datetime) -> None:
    jobs = failed_jobs(6)
    operation = begin("retry_jobs", mara, rate=60, now=start)
    bulk.work_due(now=start)
    bulk.work_due(now=start)
    operation.refresh_from_db()
    assert (operation.done, operation.total, operation.status) == (1, 6, "running")
    run(start + SECOND, 10)
    operation.refresh_from_db()
    assert (operation.done, operation.left, operation.status) == (6, 0, "done")
    made = Job.objects.exclude(pk__in=[job.pk for job in jobs])
    assert {job.retry_of_id for job in made} == {job.pk for job in jobs}
    assert set(BulkItem.objects.values_list("made", flat=True)) == {job.pk for job in made}
    assert [job.erase_at for job in made.order_by("created_at")][:1] == [jobs[0].erase_at], "the oldest first"
    entries = AuditEntry.objects.filter(action="job_retried")
    assert {(entry.actor_name, entry.address) for entry in entries} == {("mara", "192.0.2.7")}


def test_a_rate_is_kept_and_nothing_is_made_up_for(start: datetime) -> None:
    fast = BulkOperation(rate=1200, paced_from=start)
    assert work.allowed(fast, now=start + SECOND) == (20, start + SECOND)
    assert work.allowed(fast, now=start + timedelta(hours=1))[0] == work.AT_ONCE
    slow = BulkOperation(rate=2, paced_from=start)
    assert work.allowed(slow, now=start + 29 * SECOND) == (0, start)
    assert work.allowed(slow, now=start + 33 * SECOND) == (1, start + 30 * SECOND), "what is over counts for the next"
    assert work.allowed(slow, now=start + timedelta(hours=1))[0] == 1
    usual = BulkOperation(rate=60, paced_from=start)
    assert work.allowed(usual, now=start + timedelta(hours=1)) == (6, start + timedelta(hours=1))


def test_pause_go_on_change_of_rate_and_stop(provider: ProviderConfig, mara: User, start: datetime) -> None:
    jobs = [factories.make_waiting_job() for _ in range(8)]
    operation = begin("cancel_jobs", mara, rate=60, now=start)
    run(start, 2)
    assert bulk.pause(operation, actor=mara, now=start + 2 * SECOND)
    run(start + 3 * SECOND, 10)
    assert Job.objects.filter(status="canceled").count() == 2
    assert not bulk.pause(operation, actor=mara, now=start)
    later = start + timedelta(minutes=5)
    assert bulk.go_on(operation, actor=mara, now=later)
    bulk.work_due(now=later + SECOND)
    assert Job.objects.filter(status="canceled").count() == 3, "the pause is not made up for"
    assert bulk.set_rate(operation, 120, actor=mara, now=later + SECOND)
    bulk.work_due(now=later + 2.5 * SECOND)
    assert Job.objects.filter(status="canceled").count() == 6
    assert bulk.stop(operation, actor=mara, now=later + 3 * SECOND)
    run(later + 4 * SECOND, 5)
    operation.refresh_from_db()
    assert (operation.status, operation.done) == ("stopped", 6)
    assert Job.objects.filter(pk__in=[job.pk for job in jobs], status="queued").count() == 2
    said = AuditEntry.objects.filter(subject=f"bulk {operation.pk}").order_by("id").values_list("action", flat=True)
    assert list(said) == ["bulk_started", "bulk_paused", "bulk_resumed", "bulk_rate", "bulk_stopped"]


def test_what_no_longer_allows_it_is_left_as_it_is(provider: ProviderConfig, mara: User, start: datetime) -> None:
    jobs = [factories.make_waiting_job() for _ in range(3)]
    operation = begin("cancel_jobs", mara, rate=600, now=start)
    lifecycle.fail(jobs[1].pk, code="deadline", now=start)
    run(start, 3)
    operation.refresh_from_db()
    assert (operation.done, operation.left, operation.status) == (2, 1, "done")
    assert factories.reload(jobs[1]).status == "failed"


@pytest.mark.parametrize("action", ["retry_jobs", "move_jobs", "cancel_jobs", "erase_jobs"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_process_that_dies_in_a_job_does_nothing_twice(
    provider: ProviderConfig, mara: User, start: datetime, monkeypatch: Any, action: str, moment: str
) -> None:
    if action == "move_jobs":
        factories.make_submitted_attempt(provider)
    elif action == "retry_jobs":
        failed_jobs(1)
    else:
        factories.make_waiting_job()
    operation = begin(action, mara, rate=600, now=start)
    real, acted = plan.ACTIONS[action].act, []

    def killed(*arguments: Any, **choices: Any) -> Any:
        acted.append(moment)
        if moment == "after":
            real(*arguments, **choices)
        raise KeyboardInterrupt

    monkeypatch.setitem(plan.ACTIONS, action, replace(plan.ACTIONS[action], act=killed))
    if action == "move_jobs":
        monkeypatch.setattr(work, "MOVE", plan.ACTIONS[action])
    with pytest.raises(KeyboardInterrupt):
        bulk.work_due(now=start)
    monkeypatch.undo()
    run(start + SECOND, 5)
    operation.refresh_from_db()
    assert operation.worked == 0, "another process waits until the lease is over"
    run(start + work.LEASE, 3)
    operation.refresh_from_db()
    assert (operation.worked, operation.status, acted) == (1, "done", [moment])
    # What was canceled or erased before the kill no longer allows it, so it is counted as left.
    assert operation.done == (0 if moment == "after" and action in ("cancel_jobs", "erase_jobs") else 1)
    said = {"retry_jobs": "job_retried", "move_jobs": "job_moved", "cancel_jobs": "job_canceled"}
    assert AuditEntry.objects.filter(action=said.get(action, "job_erased")).count() == 1
    assert Job.objects.count() == (2 if action == "retry_jobs" else 1)


def test_what_was_tried_again_is_not_tried_again_by_another_operation(provider: ProviderConfig, mara: User) -> None:
    failed_jobs(3)
    start = timezone.now()
    first = begin("retry_jobs", mara, rate=60, now=start)
    bulk.work_due(now=start)
    both = begin("retry_jobs", mara, rate=6000, now=start)
    assert (first.total, both.total) == (3, 2), "one was tried again already"
    run(start, 4)
    for operation in (first, both):
        operation.refresh_from_db()
        assert operation.status == "done"
    assert (first.done + both.done, first.left + both.left) == (3, 2)
    assert Job.objects.count() == 6
    found = bulk.plan_of("retry_jobs", Job.objects.all(), capacity=present.read_capacity(now=start), now=start)
    assert found.left == [(3, "still under way"), (3, "tried again already")]
    # The newest of a photo's jobs can be tried again when it has failed too.
    lifecycle.fail(Job.objects.exclude(retry_of=None)[0].pk, code="no_provider", now=timezone.now())
    found = bulk.plan_of("retry_jobs", Job.objects.all(), capacity=present.read_capacity(now=start), now=start)
    assert (found.possible, found.left) == (1, [(2, "still under way"), (3, "tried again already")])


def test_a_form_that_is_sent_twice_starts_one_operation(
    provider: ProviderConfig, mara: User, start: datetime, monkeypatch: Any
) -> None:
    factories.make_waiting_job()
    monkeypatch.setattr(secrets, "token_hex", lambda size: "the same")
    assert begin("cancel_jobs", mara, now=start) == begin("cancel_jobs", mara, now=start)
    assert BulkItem.objects.count() == 1


def test_errors_in_a_row_pause_it_and_one_does_not(
    provider: ProviderConfig, mara: User, start: datetime, monkeypatch: Any, caplog: Any
) -> None:
    jobs = failed_jobs(8)
    storage.delete([jobs[0].clean_key])
    operation = begin("retry_jobs", mara, rate=6000, now=start)
    monkeypatch.setattr(storage, "read", lambda key: 1 / 0)
    run(start + SECOND, 3)
    operation.refresh_from_db()
    assert (operation.status, operation.broken) == ("paused", work.ERRORS_IN_A_ROW)
    assert operation.paused_why == "Errors: 5 jobs in a row; the log has them."
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.undo()
    assert bulk.go_on(operation, actor=mara, now=start + 9 * SECOND)
    run(start + 10 * SECOND, 3)
    operation.refresh_from_db()
    assert (operation.status, operation.broken, operation.done) == ("done", 5, 3)


def test_too_many_that_fail_again_pause_it(provider: ProviderConfig, mara: User, start: datetime) -> None:
    old = failed_jobs(25)
    operation = begin("retry_jobs", mara, rate=6000, now=start)
    BulkOperation.objects.filter(pk=operation.pk).update(total=100)
    run(start, 2)
    for job in Job.objects.exclude(pk__in=[job.pk for job in old])[:21]:
        lifecycle.fail(job.pk, code="no_provider", now=start)
    found = {brake.name: brake.holds for brake in brakes.brakes_of(operation, now=start)}
    assert found == {"Failed again": True, "The line": False, "Budgets": False}
    BulkOperation.objects.filter(pk=operation.pk).update(status="running", ended_at=None, due_at=start)
    bulk.work_due(now=start + timedelta(minutes=1))
    operation.refresh_from_db()
    assert operation.status == "paused"
    assert operation.paused_why.startswith("Failed again: 100.0% of the last 21")


def test_a_long_line_and_used_budgets_hold_it(provider: ProviderConfig, mara: User, start: datetime) -> None:
    failed_jobs(1)
    operation = begin("retry_jobs", mara, now=start)
    assert operation.line_limit == plan.LEAST_LINE_LIMIT
    LoadState.objects.update_or_create(pk=LoadState.ONLY, defaults={"waiting": 2500, "measured_at": timezone.now()})
    state._cache.clear()
    used_up = {"daily_budget": 1, "budget_used": 1, "budget_day": timezone.now().date()}
    ProviderConfig.objects.update(price="0.25", **used_up)
    held = {brake.name for brake in brakes.brakes_of(operation, now=start) if brake.holds}
    assert held == {"The line", "Budgets"}
    bulk.work_due(now=start)
    operation.refresh_from_db()
    assert (operation.status, operation.done) == ("paused", 0)
    cancel = begin("cancel_jobs", mara, now=start)
    assert brakes.brakes_of(cancel, now=start) == [], "what makes no film needs no brake"


def test_what_became_of_the_jobs_is_counted_now_and_then_until_none_is_open(
    provider: ProviderConfig, mara: User, start: datetime
) -> None:
    failed_jobs(2)
    operation = begin("retry_jobs", mara, rate=6000, now=start)
    run(start + SECOND, 2)
    operation.refresh_from_db()
    assert (operation.status, operation.sums["open"], operation.sums["films"]) == ("done", 2, 0)
    for job in Job.objects.exclude(retry_of=None):
        lifecycle.fail(job.pk, code="no_provider", now=start)
    bulk.work_due(now=start + 5 * SECOND)
    operation.refresh_from_db()
    assert operation.sums["open"] == 2, "not every second"
    bulk.work_due(now=start + 20 * SECOND)
    operation.refresh_from_db()
    assert operation.sums == {"films": 0, "open": 0, "failed": 2, "cost": 0.0}
    bulk.work_due(now=start + 60 * SECOND)
    counted_at = operation.summed_at
    operation.refresh_from_db()
    assert operation.summed_at == counted_at, "nothing is under way any more"


def test_a_rate_is_a_whole_number_within_bounds() -> None:
    assert [plan.checked_rate(text) for text in ("20", "0", "-1", "6001", "x", "", "1.5")] == [20] + [None] * 6
    assert plan.rates(20) == [20, 40, 100]


def test_where_nothing_is_possible_nobody_looks_for_the_first(start: datetime) -> None:
    failed_jobs(2)
    capacity = present.read_capacity(now=start)
    with watching() as watch:
        found = bulk.plan_of("cancel_jobs", Job.objects.all(), capacity=capacity, now=start)
    assert (found.found, found.possible, found.first) == (2, 0, [])
    assert sum('"is_possible"' in sql for sql, _ in watch.statements) == 1
