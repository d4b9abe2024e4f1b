"""The next jobs of each running operation, as many as its rate allows. Called by reconcile once a second.

Whoever moves an operation's `due_at` first works it. After a kill no job is done twice: a move is committed together
with its tick-off, a retry has an idempotency key made of operation and place, and a job that was canceled or erased no
longer allows it (it counts as left then). What reads or deletes files is done outside a transaction.
"""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from django.db import IntegrityError, InterfaceError, OperationalError, transaction
from django.db.models import F

from jobs import services
from jobs.models import BulkItem, BulkOperation, Job

from . import control, sums
from .actions import MOVE, StaffAction
from .brakes import brakes_of
from .plan import ACTIONS, possible_in_bulk

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=1)
TICK = timedelta(seconds=1)
# In one tick.
AT_ONCE = 100
# What an operation did not do while nobody worked it is made up for so far, and no further.
CATCH_UP = timedelta(seconds=5)
# Brakes are measured every so often.
BRAKES_EVERY = timedelta(seconds=10)
# So many in a row that end in an error are a fault of the house, which the other jobs wait for.
ERRORS_IN_A_ROW = 5
Status, Outcome = BulkOperation.Status, BulkItem.Outcome


class Worker:
    """Works what is due. Keep one for each process."""

    def __init__(self) -> None:
        self._braked_at: dict[int, datetime] = {}

    def work_due(self, *, now: datetime) -> int:
        """Work the next jobs of every operation that is due; return how many were looked at."""
        worked = sum(self._work(operation, now=now) for operation in _due(now))
        sums.write_due(now=now)
        return worked

    def _work(self, operation: BulkOperation, *, now: datetime) -> int:
        count, paced_from = allowed(operation, now=now)
        mine = BulkOperation.objects.filter(pk=operation.pk, status=Status.RUNNING, due_at=operation.due_at)
        if not mine.update(due_at=now + LEASE, paced_from=paced_from):
            return 0
        if self._is_braked(operation, now=now):
            return 0
        worked = _work_next(operation, count, now=now)
        if not operation.items.filter(outcome=Outcome.WAITING).exists():
            control.finish(operation, now=now)
        # Only the own lease: somebody may have let it go on meanwhile.
        BulkOperation.objects.filter(pk=operation.pk, due_at=now + LEASE).update(due_at=now + TICK)
        return worked

    def _is_braked(self, operation: BulkOperation, *, now: datetime) -> bool:
        looked = self._braked_at.get(operation.pk)
        if looked is not None and now - looked < BRAKES_EVERY:
            return False
        self._braked_at[operation.pk] = now
        held = next((brake for brake in brakes_of(operation, now=now) if brake.holds), None)
        return held is not None and control.pause(operation, actor=None, why=f"{held.name}: {held.words}.", now=now)


_worker = Worker()


def work_due(*, now: datetime) -> int:
    """Work what is due with this process's worker."""
    return _worker.work_due(now=now)


def allowed(operation: BulkOperation, *, now: datetime) -> tuple[int, datetime]:
    """Return how many jobs the rate allows now, and up to when it is used then."""
    each = timedelta(minutes=1) / operation.rate
    since = max(operation.paced_from, now - each - CATCH_UP)
    count = max(0, min(AT_ONCE, (now - since) // each))
    return count, since + count * each


def _due(now: datetime) -> list[BulkOperation]:
    return list(BulkOperation.objects.filter(status=Status.RUNNING, due_at__lte=now).order_by("due_at"))


def _work_next(operation: BulkOperation, count: int, *, now: datetime) -> int:
    """Work so many of the next jobs, until staff pause or stop it; return how many were looked at."""
    items = operation.items.filter(outcome=Outcome.WAITING).order_by("place")[:count]
    worked = errors = 0
    for item in list(items):
        if not BulkOperation.objects.filter(pk=operation.pk, status=Status.RUNNING).exists():
            break
        outcome = _do(ACTIONS[operation.action], operation, item, now=now)
        worked += 1
        errors = errors + 1 if outcome == Outcome.BROKEN else 0
        if errors == ERRORS_IN_A_ROW:
            control.pause(operation, actor=None, why=f"Errors: {errors} jobs in a row; the log has them.", now=now)
            break
    return worked


def _do(action: StaffAction, operation: BulkOperation, item: BulkItem, *, now: datetime) -> str:
    """Do one job and tick it off; return its outcome, '' when another process did it meanwhile."""
    together: AbstractContextManager[object] = transaction.atomic() if action is MOVE else nullcontext()
    try:
        with together:
            made = _act(action, operation, item, now=now)
            return _tick_off(operation, item, Outcome.DONE, made=made)
    except _TickedOff:
        return ""
    except (services.NotPossible, FileNotFoundError):
        outcome = Outcome.LEFT
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("bulk_job_failed operation=%s job=%s", operation.pk, item.job_id)
        outcome = Outcome.BROKEN
    try:
        return _tick_off(operation, item, outcome)
    except _TickedOff:
        return ""


def _act(action: StaffAction, operation: BulkOperation, item: BulkItem, *, now: datetime) -> Job | None:
    key = f"bulk-{operation.pk}-{item.place}"
    if (made := _made_before(item, key)) is not None:
        return made
    if not Job.objects.filter(possible_in_bulk(action, now=now), pk=item.job_id).exists():
        raise services.NotPossible(action.otherwise)
    try:
        return action.act(item.job_id, now=now, actor=operation.created_by, address=operation.address, once=key)
    except IntegrityError:
        if (made := _made_before(item, key)) is None:
            raise
        return made


def _made_before(item: BulkItem, key: str) -> Job | None:
    """Return the job that a retry with this key made before, in a process that did not get to tick it off."""
    old = Job.objects.only("owner", "retry_of_id").get(pk=item.job_id)
    return Job.objects.filter(owner=old.owner, idempotency_key=key, retry_of_id=old.retry_of_id or old.pk).first()


class _TickedOff(Exception):
    """Another process has ticked this job off."""


def _tick_off(operation: BulkOperation, item: BulkItem, outcome: str, *, made: Job | None = None) -> str:
    """Count a job under its outcome, once."""
    with transaction.atomic():
        waiting = BulkItem.objects.filter(pk=item.pk, outcome=Outcome.WAITING)
        if not waiting.update(outcome=outcome, made=made.pk if made else None):
            raise _TickedOff
        BulkOperation.objects.filter(pk=operation.pk).update(**{outcome: F(outcome) + 1})
    return outcome
