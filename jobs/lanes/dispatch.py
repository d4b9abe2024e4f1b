"""The dispatch lane: sends the first jobs of the queue to providers that have room.

`selection` plans how many each provider gets, `claims` counts again and writes the attempts, `submitting` sends them.
The attempt and its callback token are committed with the claim, so a webhook finds its attempt by token even before
the submit's answer is stored. A POST is made once. When its answer is lost, the attempt is `unconfirmed`, and the
provider is asked before anything else is tried.

A provider that hangs keeps threads busy until its time-outs. It gets at most THREADS_PER_PROVIDER of them, so that the
other providers go on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from jobs import lifecycle, queue_order, storage
from jobs.clock import database_now
from jobs.models import Attempt, Lane
from jobs.queue import claims, queues
from jobs.queue.engine import LaneWork
from jobs.routing import breaker, fallback, selection
from jobs.routing.breaker import HealthSignal, Observation
from jobs.routing.health_signals import HealthSignals
from providers.errors import AccountProblem, Busy, ProviderError, Rejected, Unconfirmed, UnreadableSecret
from providers.types import PredictionStatus

from . import ingest, polling
from .submitting import NotSent, Resolution, Submission, SubmitResult, submit, warm_up

logger = logging.getLogger(__name__)

THREADS, THREADS_PER_PROVIDER = 128, 96
# For how long a provider is paused after a claim failed because of its row.
UNUSABLE_PAUSE = timedelta(minutes=1)
# While our own storage is away the lane asks after it this often, in seconds.
STORAGE_AWAY_PAUSE = 2.0


class DispatchLane(LaneWork):
    lane = Lane.DISPATCH
    threads = THREADS

    def __init__(self) -> None:
        self.rotation = selection.Rotation()
        self.next_wakeup_at: float | None = None
        self._in_flight: Counter[int] = Counter()
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Load what the first requests are built with: seconds, in which the claims of a whole minute went stale."""
        warm_up()

    def claim(self, room: int) -> list[Submission]:
        self.next_wakeup_at = None
        if storage.is_away():
            # A film that cannot be stored would be paid for, and may be gone at its provider before it can be.
            self.next_wakeup_at = time.monotonic() + STORAGE_AWAY_PAUSE
            return []
        now = database_now()
        wanted = queue_order.waiting(now=now, limit=room)
        capacities = selection.survey(now=now) if wanted else []
        submissions: list[Submission] = []
        left = {capacity.provider.id: self._room(capacity) for capacity in capacities}
        shares = self.rotation.shares(capacities, wanted) if wanted else []
        # Jobs that may not go to the planned provider are offered to all others that have room.
        for capacity, number in (*shares, *((capacity, wanted) for capacity in capacities)):
            number = min(number, left[capacity.provider.id], wanted - len(submissions))
            if number > 0:
                taken = self._take(capacity, number)
                left[capacity.provider.id] = left[capacity.provider.id] - len(taken) if len(taken) == number else 0
                submissions += taken
        if len(submissions) < room:
            # When providers open again matters only while jobs wait.
            closed = capacities if len(submissions) < wanted else []
            moment = selection.next_wakeup_at(closed, now=now)
            self.next_wakeup_at = time.monotonic() + (moment - now).total_seconds() if moment else None
        return submissions

    def _room(self, capacity: selection.ProviderCapacity) -> int:
        with self._lock:
            return min(capacity.room, THREADS_PER_PROVIDER - self._in_flight[capacity.provider.id])

    def _take(self, capacity: selection.ProviderCapacity, number: int) -> list[Submission]:
        """Claim for one provider. When its row makes the claim fail, it is paused and the others go on."""
        try:
            attempts = claims.claim_slots(capacity.provider.id, want=number, cold=not capacity.is_awake)
            taken = [Submission.of(attempt, attempt.job.look) for attempt in attempts if attempt.job is not None]
        except (InterfaceError, OperationalError):
            raise  # the database's trouble, which the pump knows how to take
        except UnreadableSecret as error:
            pause_unusable(capacity.provider.id, error)
            return []
        except Exception as error:
            logger.exception("claim_failed provider=%s", capacity.provider.slug)
            pause_unusable(capacity.provider.id, error)
            return []
        with self._lock:
            self._in_flight[capacity.provider.id] += len(taken)
        return taken

    def give_back(self, items: list[Submission]) -> None:
        """Put what was not sent back in the queue. What was sent is looked up after its lease has lapsed."""
        now = database_now()
        with transaction.atomic():
            for submission in items:
                if not submission.is_sent.is_set():
                    _return_unsent(submission.attempt, now=now)
            queues.nudge_after_commit(Lane.DISPATCH)

    def work(self, submission: Submission) -> SubmitResult:
        try:
            return submit(submission)
        finally:
            with self._lock:
                self._in_flight[submission.attempt.provider_id] -= 1

    def record(self, outcomes: list[SubmitResult]) -> None:
        record(outcomes)

    def record_crash(self, item: Submission, error: BaseException) -> None:
        """Mark the attempt as unconfirmed: it is unknown how far the submit came."""
        lifecycle.mark_unconfirmed(
            item.attempt.id, lease_token=item.attempt.lease_token, raw_error=type(error).__name__
        )


def _return_unsent(attempt: Attempt, *, now: datetime) -> None:
    """End an attempt that will not be sent (`submitting` checks that the process ends before the POST)."""
    has_ended = lifecycle.mark_attempt_failed(
        attempt,
        now=now,
        lease_token=attempt.lease_token,
        code=lifecycle.NEVER_SENT,
        raw_error="the process ended",
    )
    if has_ended and attempt.job_id:
        lifecycle.return_to_queue(attempt.job_id, due_at=now, now=now)


def pause_unusable(provider_id: int, error: Exception) -> None:
    """Send nothing to a provider for a while, and show staff why."""
    text = f"claim failed, check the settings: {type(error).__name__}: {error}"
    observation = Observation(provider_id, HealthSignal.BUSY, database_now(), retry_after=UNUSABLE_PAUSE, error=text)
    breaker.write([observation])


def record(outcomes: Sequence[SubmitResult]) -> None:
    """Write the results of submits: first what they say about the providers, so that no claim comes in between."""
    _health_signals_of(outcomes).write()
    now, health_signals = database_now(), HealthSignals()
    with transaction.atomic():
        lifecycle.hold_attempts([], ids=[outcome.attempt.id for outcome in outcomes])
        answered = [(outcome.attempt, outcome.event) for outcome in outcomes if outcome.event is not None]
        moved = lifecycle.record_submissions(
            [
                lifecycle.SubmitRecord(attempt, event.prediction_id, attempt.provider.poll_at(now=now))
                for attempt, event in answered
            ],
            now=now,
        )
        for attempt, event in answered:
            if event.progress or event.status not in _NO_NEWS:
                # When a webhook was faster, what the answer says about the provider is recorded already.
                news = health_signals if attempt.id in moved else HealthSignals()
                attempt.status, attempt.submitted_at = Attempt.Status.SUBMITTED, now
                ingest.apply_event(attempt, event, now=now, health_signals=news)
        for outcome in outcomes:
            if outcome.event is None and outcome.error is not None:
                _record_error(outcome, outcome.error, now=now)
        queues.nudge_after_commit(Lane.DISPATCH)
    health_signals.write()


_NO_NEWS = (PredictionStatus.QUEUED, PredictionStatus.UNKNOWN)


def _health_signals_of(outcomes: Sequence[SubmitResult]) -> HealthSignals:
    health_signals = HealthSignals()
    for outcome in outcomes:
        error = outcome.error
        text = f"{type(error).__name__}: {error.detail}" if error is not None else ""
        retry_after = error.retry_after if error is not None else None
        health_signals.judge(outcome.attempt, _signal(error), error=text, retry_after=retry_after)
    return health_signals


def _signal(error: ProviderError | None) -> HealthSignal:
    match error:
        case None:
            return HealthSignal.ANSWERED
        case NotSent():
            return HealthSignal.UNUSED
        case Busy():
            return HealthSignal.BUSY
        case AccountProblem():
            return HealthSignal.ACCOUNT
        case Rejected():
            return HealthSignal.ANSWERED
        case _:
            return HealthSignal.FAILED


def _record_error(outcome: SubmitResult, error: ProviderError, *, now: datetime) -> None:
    """Write what a failed submit means for its job: wait, look it up, or go to another provider."""
    attempt, provider = outcome.attempt, outcome.attempt.provider
    logger.warning("submit_failed attempt=%s provider=%s error=%s", attempt.id, provider.slug, type(error).__name__)
    if isinstance(error, Unconfirmed):
        _record_lost_answer(outcome, error, now=now)
        return
    code = _code_of(error)
    was_called = not isinstance(error, NotSent)
    if not lifecycle.mark_attempt_failed(
        attempt, code=code, raw_error=error.detail, now=now, lease_token=attempt.lease_token, was_called=was_called
    ):
        return
    if code != "busy":
        fallback.after_failure(attempt, code=code, now=now)
    elif attempt.job_id is not None:
        lifecycle.return_to_queue(
            attempt.job_id, due_at=now, now=now, reason_code="provider_busy", reason_subject=provider.title
        )


def _record_lost_answer(outcome: SubmitResult, error: Unconfirmed, *, now: datetime) -> None:
    attempt = outcome.attempt
    if outcome.resolution == Resolution.NOT_CREATED:
        polling.submit_came_to_nothing(attempt, lost=True, raw_error=error.detail, now=now)
    elif not lifecycle.mark_unconfirmed(attempt.id, lease_token=attempt.lease_token, raw_error=error.detail):
        return  # a webhook was faster: there is a prediction
    elif outcome.resolution == Resolution.RISK_ACCEPTED and lifecycle.mark_attempt_timed_out(attempt, now=now):
        fallback.after_failure(attempt, code="provider_timeout", now=now)


def _code_of(error: ProviderError) -> str:
    if isinstance(error, Busy):
        return "busy"
    if isinstance(error, NotSent):
        return lifecycle.NEVER_SENT
    return error.code if isinstance(error, Rejected) else "provider_failed"
