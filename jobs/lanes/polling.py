"""Calls to providers outside the lanes: polls, look-ups, cancel and delete calls. Run by `jobs.reconcile.sweep`.

Each batch is claimed by moving its time forward, the HTTP calls run on a few threads, and the caller's thread writes
the results. Several processes may run this at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q

from jobs import lifecycle
from jobs.models import Attempt, AttemptQuerySet, Job, Lane
from jobs.queue import queues
from jobs.routing import cold_starts, fallback, hosts
from jobs.routing.breaker import HealthSignal
from jobs.routing.health_signals import HealthSignals
from providers import registry
from providers.errors import AccountProblem, Busy, PredictionGone, ProviderError, UnreadableSecret
from providers.models import ProviderConfig
from providers.types import Account, ProviderEvent

from . import ingest

logger = logging.getLogger(__name__)

BATCH = 64
ANSWER_SECONDS = 8.0
ASK_AGAIN = timedelta(seconds=10)
# A prediction that cannot be stopped ends by itself; the deletion of a photo is tried for a day.
MAX_CLEANUP_TRIES: dict[str, int] = {Attempt.ProviderCleanup.CANCEL: 12, Attempt.ProviderCleanup.DELETE: 120}
CLEANUP_WAIT_CAP = timedelta(minutes=15)
# Between the lease's end and the look-up: the POST may still be on its way into the vendor's listing.
LISTING_DELAY = timedelta(seconds=1)
# After a look-up that found nothing: the vendor may still create the prediction late.
SWEEP_AFTER = timedelta(minutes=1)

Reply = TypeVar("Reply")


class CleanupResult(StrEnum):
    """The result of a provider cleanup."""

    DONE = "done"
    NOT_FOUND = "not found"  # a look-up found nothing
    UNKNOWN = "unknown"  # no id, and no look-up at this vendor


def silent(*, now: datetime) -> AttemptQuerySet:
    """Return the predictions that are due for a poll."""
    return Attempt.objects.under_way().filter(poll_at__lte=now).exclude(prediction_id=None)


def poll_silent(threads: ThreadPoolExecutor, *, now: datetime) -> int:
    """Poll predictions without news for too long; return how many were polled."""
    attempts = _claimed(silent(now=now), "poll_at", until=now + ASK_AGAIN)
    health_signals = HealthSignals()

    def ask(attempt: Attempt) -> ProviderEvent:
        adapter = registry.adapter_for(attempt.provider.adapter)
        return adapter.fetch(_account(attempt), attempt.prediction_id or "")

    for attempt, answer in _each(threads, ask, attempts):
        with _writing(attempt):
            if isinstance(answer, PredictionGone):
                # It was made and may have been charged, so its price stays booked.
                if lifecycle.mark_attempt_failed(
                    attempt, code="prediction_lost", raw_error=answer.detail, now=now, cost=attempt.cost
                ):
                    health_signals.judge(attempt, HealthSignal.SPOILED, error=f"prediction_lost: {answer.detail}")
                    fallback.after_failure(attempt, code="prediction_lost", now=now)
                    queues.nudge_after_commit(Lane.DISPATCH)
            elif isinstance(answer, ProviderError):
                logger.info("poll_failed attempt=%s error=%s", attempt.id, type(answer).__name__)
                if answer.retry_after is not None and answer.retry_after > ASK_AGAIN:
                    Attempt.objects.filter(id=attempt.id).update(poll_at=now + answer.retry_after)
            else:
                ingest.apply_event(attempt, answer, now=now, health_signals=health_signals)
    health_signals.write()
    return len(attempts)


def lapsed(*, now: datetime) -> AttemptQuerySet:
    """Return the attempts whose lease ended while their POST was under way."""
    return Attempt.objects.on_lease().filter(status=Attempt.Status.SUBMITTING, lease_until__lt=now)


def lapse_leases(*, now: datetime) -> int:
    """Mark attempts whose worker died during the POST as unconfirmed; return how many."""
    return lifecycle.mark_lapsed(lapsed(now=now))


def unconfirmed(*, now: datetime) -> AttemptQuerySet:
    """Return the attempts whose answer was lost, from the last moment on at which their POST can have arrived."""
    return Attempt.objects.on_lease().filter(status=Attempt.Status.UNCONFIRMED, lease_until__lt=now - LISTING_DELAY)


def look_up_unconfirmed(threads: ThreadPoolExecutor, *, now: datetime) -> int:
    """Find out whether a prediction exists where the submit's answer was lost; return how many were looked up.

    It is asked after the last moment at which the POST can have arrived. A prediction that is found is adopted; when
    there is none the job returns to the queue. Without a look-up the attempt is kept until its deadline, unless staff
    accept the risk of paying twice. (When the dispatch worker itself saw the submit time out, it has asked already:
    `jobs.lanes.submitting`.)
    """
    attempts = _claimed(unconfirmed(now=now), "lease_until", until=now + ASK_AGAIN - LISTING_DELAY)
    health_signals = HealthSignals()

    def ask(attempt: Attempt) -> ProviderEvent | None:
        adapter = registry.adapter_for(attempt.provider.adapter)
        return adapter.find(_account(attempt), attempt.token, since=attempt.claimed_at)

    able = [attempt for attempt in attempts if attempt.provider.capabilities.can_look_up]
    for attempt, answer in _each(threads, ask, able):
        with _writing(attempt):
            if isinstance(answer, ProviderError):
                logger.info("look_up_failed attempt=%s error=%s", attempt.id, type(answer).__name__)
            elif answer is None:
                lost = attempt.error_code == lifecycle.ANSWER_LOST
                submit_came_to_nothing(attempt, lost=lost, raw_error=attempt.raw_error, now=now)
            else:
                lifecycle.record_submission(
                    attempt,
                    prediction_id=answer.prediction_id,
                    lease_token=attempt.lease_token,
                    poll_at=attempt.provider.poll_at(now=now),
                    now=now,
                )
                ingest.apply_event(attempt, answer, now=now, health_signals=health_signals)
    for attempt in attempts:
        if attempt not in able and attempt.provider.accepts_double_payment_risk:
            with _writing(attempt):
                rows = Attempt.objects.select_for_update().filter(id=attempt.id, status=Attempt.Status.UNCONFIRMED)
                if rows.values_list("id").first() and lifecycle.mark_attempt_timed_out(attempt, now=now):
                    fallback.after_failure(attempt, code="provider_timeout", now=now)
                    queues.nudge_after_commit(Lane.DISPATCH)
    health_signals.write()
    return len(attempts)


def submit_came_to_nothing(attempt: Attempt, *, lost: bool, raw_error: str, now: datetime) -> None:
    """Return the job to the queue after a look-up found no prediction.

    When the answer was `lost`, another provider is next, and this one is asked once more later, in case it creates the
    prediction after all. When the worker died before the POST, the provider is not at fault and may be the next again.
    """
    code = lifecycle.ANSWER_LOST if lost else lifecycle.NEVER_SENT
    if not lifecycle.mark_attempt_failed(
        attempt,
        code=code,
        raw_error=raw_error,
        now=now,
        lease_token=attempt.lease_token,
        sweep_at=now + SWEEP_AFTER if lost else None,
    ):
        return
    if lost:
        fallback.after_failure(attempt, code=code, now=now)
    elif attempt.job_id is not None:
        lifecycle.return_to_queue(
            attempt.job_id, due_at=now, now=now, reason_code="answer_lost", reason_subject=attempt.provider.title
        )
    queues.nudge_after_commit(Lane.DISPATCH)


def late(*, now: datetime) -> AttemptQuerySet:
    """Return the open attempts past their deadline."""
    return Attempt.objects.is_open().filter(deadline_at__lte=now)


def give_up_late_attempts(*, now: datetime) -> int:
    """Time out attempts past their deadline and send their jobs on; return how many."""
    attempts = list(late(now=now).order_by("deadline_at").select_related("provider")[:BATCH])
    health_signals = HealthSignals()
    for attempt in attempts:
        with _writing(attempt):
            if lifecycle.mark_attempt_timed_out(attempt, now=now):
                if attempt.status != Attempt.Status.UNCONFIRMED:  # that was counted when its answer was lost
                    health_signals.judge(
                        attempt, HealthSignal.SPOILED, error="provider_timeout: no film before the deadline"
                    )
                fallback.after_failure(attempt, code="provider_timeout", now=now)
                queues.nudge_after_commit(Lane.DISPATCH)
    health_signals.write()
    return len(attempts)


def without_sign(*, now: datetime) -> AttemptQuerySet:
    """Return the predictions that show no sign of work for longer than any warm model may take."""
    return Attempt.objects.under_way().filter(first_sign_at=None, submitted_at__lt=now - cold_starts.LEAST_PATIENCE)


def show_warming_up(*, now: datetime) -> int:
    """Show jobs as warming up whose prediction shows no sign of work for longer than a warm model takes.

    Some vendors report a cold start themselves; for the others it is inferred from the silence.
    """
    shown = 0
    for provider_id, known in cold_starts.known_of(ProviderConfig.objects.filter(enabled=True).only("model")).items():
        silent = (
            without_sign(now=now)
            .among([provider_id])
            .filter(submitted_at__lt=now - known.patience(), job__stage=Job.Stage.SUBMITTED)
        )
        if attempts := dict(silent.order_by().values_list("job_id", "number")[:BATCH]):
            shown += lifecycle.mark_all_warming_up(attempts, now=now)
    return shown


def unwanted(*, now: datetime) -> AttemptQuerySet:
    """Return the attempts whose provider is due to be told to stop or to forget."""
    there_or_not = Q(prediction_id__isnull=False) | Q(lease_until__lt=now - LISTING_DELAY)
    return Attempt.objects.with_cleanup().filter(there_or_not, cleanup_at__lte=now)


def run_provider_cleanups(threads: ThreadPoolExecutor, *, now: datetime) -> int:
    """Cancel or delete predictions that are no longer wanted; return how many calls were due.

    An attempt whose submit is still under way waits for its answer. When the answer was lost, the prediction is looked
    up first; at a provider without look-up the attempt keeps its slot and its price until its deadline.
    """
    attempts = _claimed(unwanted(now=now), "cleanup_at", until=now + ASK_AGAIN)

    def clean_up(attempt: Attempt) -> CleanupResult:
        adapter, account = registry.adapter_for(attempt.provider.adapter), _account(attempt)
        prediction_id = attempt.prediction_id
        if not prediction_id and adapter.can_look_up:
            found = adapter.find(account, attempt.token, since=attempt.claimed_at)
            prediction_id = found.prediction_id if found else None
        if not prediction_id:
            return CleanupResult.NOT_FOUND if adapter.can_look_up else CleanupResult.UNKNOWN
        if attempt.cleanup == Attempt.ProviderCleanup.CANCEL or attempt.status in Attempt.GIVEN_UP:
            adapter.cancel(account, prediction_id)
        if attempt.cleanup == Attempt.ProviderCleanup.DELETE:
            adapter.delete(account, prediction_id)
        return CleanupResult.DONE

    for attempt, answer in _each(threads, clean_up, attempts):
        with _writing(attempt):
            _record_cleanup(attempt, answer, now=now)
    return len(attempts)


def _record_cleanup(attempt: Attempt, answer: CleanupResult | ProviderError, *, now: datetime) -> None:
    if answer is CleanupResult.UNKNOWN and attempt.deadline_at > now:
        Attempt.objects.filter(id=attempt.id, cleanup=attempt.cleanup).update(cleanup_at=attempt.deadline_at)
        return
    gives_up = isinstance(answer, ProviderError) and attempt.cleanup_tries + 1 >= MAX_CLEANUP_TRIES[attempt.cleanup]
    if gives_up and not isinstance(answer, PredictionGone):
        logger.error("cleanup_given_up attempt=%s cleanup=%s", attempt.id, attempt.cleanup)
    if isinstance(answer, CleanupResult | PredictionGone) or gives_up:
        lifecycle.mark_cleanup_done(
            [attempt.id], cleanup=attempt.cleanup, was_nothing=answer is CleanupResult.NOT_FOUND
        )
        queues.nudge_after_commit(Lane.DISPATCH)
        return
    if isinstance(answer, Busy):
        wait = answer.retry_after or timedelta(seconds=5)
    elif isinstance(answer, AccountProblem | UnreadableSecret):
        wait = timedelta(minutes=1)
    else:
        wait = fallback.backoff(attempt.cleanup_tries + 2)
    if attempt.cleanup_tries > MAX_CLEANUP_TRIES[Attempt.ProviderCleanup.CANCEL]:
        wait = CLEANUP_WAIT_CAP
    Attempt.objects.filter(id=attempt.id).update(cleanup_at=now + wait, cleanup_tries=F("cleanup_tries") + 1)


def _account(attempt: Attempt) -> Account:
    """Return the account with a shorter time-out than that of a submit."""
    account = attempt.provider.account()
    return dataclasses.replace(account, read_seconds=min(account.read_seconds, ANSWER_SECONDS))


@contextlib.contextmanager
def _writing(attempt: Attempt) -> Iterator[None]:
    """Write the result for one attempt in a transaction of its own; when that fails, the others go on."""
    try:
        with transaction.atomic():
            yield
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing can be written now
    except Exception:
        logger.exception("poll_not_written attempt=%s", attempt.id)


def _claimed(rows: AttemptQuerySet, field: str, *, until: datetime) -> list[Attempt]:
    """Claim a batch by moving its time forward, so that no other process takes it too.

    Each provider gets an equal share, so that one with a thousand silent predictions leaves room for the others.
    """
    taken = []
    if elsewhere := hosts.out_of_reach():
        rows = rows.exclude(provider__in=elsewhere)
    providers = rows.providers()
    for provider_id in providers:
        candidates = rows.among([provider_id]).select_related("provider", "job").order_by(field)
        for attempt in candidates[: max(1, BATCH // len(providers))]:
            if Attempt.objects.filter(id=attempt.id, **{field: getattr(attempt, field)}).update(**{field: until}):
                taken.append(attempt)
    return taken


def _each(
    threads: ThreadPoolExecutor, ask: Callable[[Attempt], Reply], attempts: list[Attempt]
) -> list[tuple[Attempt, Reply | ProviderError]]:
    """Call `ask` for all attempts at once; return each with its reply, or with the provider error that was raised."""

    def safely(attempt: Attempt) -> Reply | ProviderError:
        try:
            return ask(attempt)
        except ProviderError as error:
            return error
        except Exception as error:
            logger.exception("poll_crashed attempt=%s", attempt.id)
            return ProviderError(f"{type(error).__name__}: {error}")

    return list(zip(attempts, threads.map(safely, attempts), strict=True))
