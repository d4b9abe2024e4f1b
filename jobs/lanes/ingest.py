"""Applies what a provider reports, by webhook or poll, to the attempt and its job.

Events may come in any order, more than once, and before the submit's answer is stored: an older or repeated event
changes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from django.db import connection, transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Coalesce

from jobs import lifecycle
from jobs.clock import database_now
from jobs.lifecycle.statements import is_supported, update_rows
from jobs.models import Attempt, Job, Lane, WebhookDelivery, plain_sql
from jobs.overload import state
from jobs.queue import queues
from jobs.routing import fallback
from jobs.routing.breaker import HealthSignal
from jobs.routing.health_signals import HealthSignals
from providers import registry
from providers.types import PredictionStatus, ProviderEvent

logger = logging.getLogger(__name__)

APPLY_LIMIT = 100
_RECORDED = "SELECT 1 FROM jobs_webhookdelivery WHERE due_at <= %s LIMIT 1"
# A delivery whose attempt is not known (yet) is tried again for this long.
UNKNOWN_FOR = timedelta(hours=1)
MAX_APPLY_TRIES = 10

# What a failed prediction says about its provider; other errors are due to the photo, the request or us.
_SIGNALS = {
    "provider_failed": HealthSignal.SPOILED,
    "provider_timeout": HealthSignal.SPOILED,
    "prediction_lost": HealthSignal.SPOILED,
    "prediction_canceled": HealthSignal.UNUSED,
}

_STAGES = {
    PredictionStatus.QUEUED: Job.Stage.SUBMITTED,
    PredictionStatus.WARMING_UP: Job.Stage.WARMING_UP,
    PredictionStatus.RUNNING: Job.Stage.RENDERING,
}


def apply_event(
    attempt: Attempt, event: ProviderEvent, *, now: datetime, health_signals: HealthSignals | None = None
) -> None:
    """Bring an attempt and its job up to date with what the provider reports.

    Call it inside a transaction, with `attempt.provider` loaded. What the event says about the provider is added to
    `health_signals`, which the caller writes after the transaction; without it, it is written after the commit.
    """
    if health_signals is None:
        health_signals = HealthSignals()
        transaction.on_commit(health_signals.write, robust=True)
    if attempt.prediction_id and event.prediction_id and attempt.prediction_id != event.prediction_id:
        logger.warning("event_of_another_prediction attempt=%s", attempt.id)
        return
    if event.status == PredictionStatus.SUCCEEDED:
        _film_finished(attempt, event, now=now, health_signals=health_signals)
    elif event.status in (PredictionStatus.FAILED, PredictionStatus.CANCELED):
        _film_failed(attempt, event, now=now, health_signals=health_signals)
    elif event.status in _STAGES:
        _news(attempt, event, now=now, health_signals=health_signals)
    else:
        logger.warning("event_not_understood attempt=%s provider=%s", attempt.id, attempt.provider.slug)


def _film_finished(attempt: Attempt, event: ProviderEvent, *, now: datetime, health_signals: HealthSignals) -> None:
    cost = _cost(event)
    won = lifecycle.mark_attempt_succeeded(
        attempt, prediction_id=event.prediction_id, video_url=event.video_url, now=now, cost=cost
    )
    if won and event.preview_url:
        Attempt.objects.filter(id=attempt.id).update(preview_url=event.preview_url)
    if attempt.status not in (Attempt.Status.SUCCEEDED, Attempt.Status.SUPERSEDED):
        health_signals.finished(attempt, now=now)
        # So that a second delivery in the same batch does not count as another film.
        attempt.status = Attempt.Status.SUCCEEDED if won else Attempt.Status.SUPERSEDED
        attempt.prediction_id = attempt.prediction_id or event.prediction_id or None
    queues.nudge_after_commit(Lane.COLLECT, Lane.DISPATCH)


def _film_failed(attempt: Attempt, event: ProviderEvent, *, now: datetime, health_signals: HealthSignals) -> None:
    canceled = event.status == PredictionStatus.CANCELED
    code = event.error_code or ("prediction_canceled" if canceled else "provider_failed")
    if lifecycle.mark_attempt_failed(
        attempt,
        code=code,
        raw_error=event.raw_error,
        now=now,
        prediction_id=event.prediction_id,
        cost=_cost_of_failure(attempt, event),
    ):
        health_signals.judge(attempt, _SIGNALS.get(code, HealthSignal.FINISHED), error=f"{code}: {event.raw_error}")
        fallback.after_failure(attempt, code=code, now=now)
    queues.nudge_after_commit(Lane.DISPATCH)


def _news(attempt: Attempt, event: ProviderEvent, *, now: datetime, health_signals: HealthSignals) -> None:
    stage = _STAGES[event.status]
    known = lifecycle.record_progress(
        attempt,
        stage=stage,
        progress=max(attempt.progress, min(1.0, event.progress or 0.0)),
        prediction_id=event.prediction_id,
        poll_at=attempt.provider.poll_at(now=now),
        now=now,
    )
    if attempt.status not in Attempt.OPEN:
        return
    if stage == Job.Stage.RENDERING:
        health_signals.working(attempt, now=now)
        attempt.first_sign_at = attempt.first_sign_at or now
    attempt.progress = max(attempt.progress, min(1.0, event.progress or 0.0))
    attempt.prediction_id = attempt.prediction_id or event.prediction_id or None
    if known and event.preview_url and not attempt.preview_url:
        attempt.preview_url = event.preview_url
        Attempt.objects.filter(id=attempt.id).update(
            preview_url=event.preview_url, first_frame_at=Coalesce(F("first_frame_at"), Value(now))
        )
        is_left_out = state.known().skips_posters
        if attempt.job_id and not is_left_out and lifecycle.mark_preview_announced(attempt.job_id, now=now):
            queues.nudge_after_commit(Lane.COLLECT)


def _cost(event: ProviderEvent) -> Decimal | None:
    """Return the cost in dollars that the provider reports; None when it reports none, or no plausible amount."""
    try:
        cost = Decimal(event.cost) if event.cost else None
    except InvalidOperation:
        return None
    return cost if cost is not None and cost.is_finite() and 0 <= cost < 10_000 else None


def _cost_of_failure(attempt: Attempt, event: ProviderEvent) -> Decimal | None:
    """Return the cost of a prediction without a film: the reported one, else the price where failures are charged."""
    said = _cost(event)
    if said is None and attempt.provider.capabilities.charges_failures:
        return attempt.provider.price
    return said


def recorded(*, now: datetime) -> QuerySet[WebhookDelivery]:
    """Return the deliveries that are due to be applied."""
    return WebhookDelivery.objects.filter(due_at__lte=now)


def apply_deliveries(*, limit: int = APPLY_LIMIT) -> int:
    """Apply recorded deliveries in the order in which they came; return how many were processed.

    The usual ones are applied in a few statements, the others each in a savepoint, so that one that fails is stored
    with its error for another try, and does not hold up the others.
    """
    now = database_now()
    # Usually there are none; checking first avoids the write lock.
    if plain_sql.one(_RECORDED, now) is None:
        return 0
    health_signals = HealthSignals()
    with transaction.atomic():
        # By the index's own order: sorted by id, SQLite walks the whole table inside the write lock.
        due = recorded(now=now).order_by("due_at", "id")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        rows = list(due[:limit])
        attempts = _held({row.attempt_token for row in rows})
        for delivery in _apply_usual(rows, attempts, now=now, health_signals=health_signals):
            try:
                with transaction.atomic():
                    _apply_delivery(
                        delivery, attempts.get(delivery.attempt_token), now=now, health_signals=health_signals
                    )
            except Exception as error:
                logger.exception("delivery_not_applied delivery=%s", delivery.id)
                _try_again(delivery, f"{type(error).__name__}: {error}"[:300], now=now)
                # The loaded attempts may have changes that were rolled back.
                attempts |= _held({delivery.attempt_token})
    health_signals.write()
    return len(rows)


def _apply_usual(
    rows: Sequence[WebhookDelivery],
    attempts: Mapping[str, Attempt],
    *,
    now: datetime,
    health_signals: HealthSignals,
) -> Sequence[WebhookDelivery]:
    """Apply at once those deliveries that report a film of their job's only open attempt; return all the others.

    What is late, erased, canceled, repeated in this batch, has a preview or cannot be read is left to be applied one by
    one. So is everything when writing the batch fails.
    """
    usual = _usual(rows, attempts)
    if not usual:
        return rows
    predictions = [
        lifecycle.FinishedPrediction(
            attempt.id,
            attempt.job_id,
            attempt.number,
            attempt.provider.slug,
            event.prediction_id,
            event.video_url,
            attempt.provider.price if (cost := _cost(event)) is None else cost,
        )
        for attempt, event in usual.values()
        if attempt.job_id
    ]
    by_id = {attempt.id: attempt for attempt, _ in usual.values()}
    try:
        with transaction.atomic():
            won = lifecycle.mark_attempts_succeeded(predictions, by_id, now=now)
            closed = {delivery_id: {"attempt_id": attempt.id} for delivery_id, (attempt, _) in usual.items()}
            update_rows(WebhookDelivery, closed, guard="true", common={"applied_at": now, "error": "", "due_at": None})
    except Exception:
        logger.exception("deliveries_not_applied_at_once count=%d", len(usual))
        return rows
    for attempt, event in usual.values():
        health_signals.finished(attempt, now=now)
        attempt.status = Attempt.Status.SUCCEEDED if attempt.id in won else Attempt.Status.SUPERSEDED
        attempt.prediction_id = attempt.prediction_id or event.prediction_id or None
    queues.nudge_after_commit(Lane.COLLECT, Lane.DISPATCH)
    return [delivery for delivery in rows if delivery.id not in usual]


def _usual(
    rows: Sequence[WebhookDelivery], attempts: Mapping[str, Attempt]
) -> dict[int, tuple[Attempt, ProviderEvent]]:
    """Return the deliveries, by their ids, that report a film of their job's only open attempt and nothing else."""
    if not is_supported():
        return {}
    per_job = Counter(attempts[row.attempt_token].job_id for row in rows if row.attempt_token in attempts)
    alone = [job_id for job_id, count in per_job.items() if job_id and count == 1]
    open_rows = Attempt.objects.filter(job__in=alone, status__in=Attempt.OPEN).order_by()
    open_attempts = Counter(open_rows.values_list("job_id", flat=True))
    found = {}
    for row in rows:
        attempt = attempts.get(row.attempt_token)
        if (
            attempt is None
            or attempt.job is None
            or attempt.job_id is None
            or per_job[attempt.job_id] > 1
            or open_attempts[attempt.job_id] != 1
            or attempt.status not in Attempt.OPEN
            or attempt.job.status not in Job.OPEN
            or attempt.provider.slug != row.provider
        ):
            continue
        try:
            event = registry.adapter_for(attempt.provider.adapter).parse(bytes(row.body))
        except (ValueError, KeyError, TypeError):
            continue
        same = not attempt.prediction_id or not event.prediction_id or attempt.prediction_id == event.prediction_id
        if event.status == PredictionStatus.SUCCEEDED and same and not event.preview_url:
            found[row.id] = (attempt, event)
    return found


def _held(tokens: Collection[str]) -> dict[str, Attempt]:
    """Return the attempts by their tokens, locked together with the other open attempts of their jobs."""
    named = Attempt.objects.filter(token__in=tokens)
    if connection.features.has_select_for_update:  # on SQLite the transaction is the lock
        known = list(named.values_list("id", "job_id"))
        lifecycle.hold_attempts((job_id for _, job_id in known), ids=(attempt_id for attempt_id, _ in known))
    return {attempt.token: attempt for attempt in named.select_related("provider", "job")}


def _apply_delivery(
    delivery: WebhookDelivery, attempt: Attempt | None, *, now: datetime, health_signals: HealthSignals
) -> None:
    if attempt is None or attempt.provider.slug != delivery.provider:
        if now - delivery.received_at > UNKNOWN_FOR:
            _close(delivery, error="no such attempt")
        else:
            _try_again(delivery, "no such attempt yet", now=now)
        return
    delivery.attempt = attempt
    try:
        event = registry.adapter_for(attempt.provider.adapter).parse(bytes(delivery.body))
    except (ValueError, KeyError, TypeError) as error:
        # A dead letter: genuine, but in a form that the adapter cannot read. Kept for staff.
        _close(delivery, error=f"not readable: {error}"[:300])
        return
    apply_event(attempt, event, now=now, health_signals=health_signals)
    _close(delivery, applied_at=now, is_progress=event.status in _STAGES)
    if attempt.job is not None and attempt.job.erased_at:
        WebhookDelivery.objects.filter(id=delivery.id).update(body=b"", headers={})


def _close(
    delivery: WebhookDelivery, *, applied_at: datetime | None = None, error: str = "", is_progress: bool = False
) -> None:
    delivery.applied_at, delivery.error, delivery.due_at = applied_at, error, None
    delivery.is_progress = is_progress
    delivery.save(update_fields=["attempt", "applied_at", "error", "due_at", "is_progress"])


def _try_again(delivery: WebhookDelivery, error: str, *, now: datetime) -> None:
    delivery.apply_tries += 1
    delivery.error = error
    unknown = delivery.verdict == WebhookDelivery.Verdict.UNKNOWN
    if delivery.apply_tries >= MAX_APPLY_TRIES and not unknown:
        delivery.due_at = None
    else:
        delivery.due_at = now + min(timedelta(minutes=5), timedelta(seconds=1) * 2 ** min(delivery.apply_tries, 9))
    delivery.attempt_id = None
    delivery.save(update_fields=["apply_tries", "error", "due_at", "attempt"])
