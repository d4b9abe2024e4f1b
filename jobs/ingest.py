"""Where webhooks and polling meet: what a provider reports becomes what a job is.

In any order, more than once, and before the submit answer is stored: an older or repeated
event changes nothing.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from providers import registry
from providers.types import PredictionStatus, ProviderEvent

from . import fallback, lifecycle, queues
from .models import Attempt, Job, Lane, WebhookDelivery

logger = logging.getLogger(__name__)

APPLY_LIMIT = 100
# A delivery whose attempt is not known (yet) is tried again for this long.
UNKNOWN_FOR = timedelta(hours=1)
MAX_APPLY_TRIES = 10

_STAGES = {
    PredictionStatus.QUEUED: Job.Stage.SUBMITTED,
    PredictionStatus.WARMING_UP: Job.Stage.WARMING_UP,
    PredictionStatus.RUNNING: Job.Stage.RENDERING,
}


def apply_event(attempt: Attempt, event: ProviderEvent, *, now: datetime) -> None:
    """Bring an attempt and its job up to date with what the provider reports.

    Call it inside a transaction, with `attempt.provider` at hand.
    """
    if attempt.prediction_id and event.prediction_id and attempt.prediction_id != event.prediction_id:
        logger.warning("event_of_another_prediction attempt=%s", attempt.id)
        return
    if event.status == PredictionStatus.SUCCEEDED:
        won = lifecycle.attempt_succeeded(
            attempt, prediction_id=event.prediction_id, video_url=event.video_url, now=now
        )
        if won and event.preview_url:
            Attempt.objects.filter(id=attempt.id).update(preview_url=event.preview_url)
        fallback.provider_answered(attempt.provider_id)
        queues.nudge_after_commit(Lane.COLLECT, Lane.DISPATCH)
    elif event.status in (PredictionStatus.FAILED, PredictionStatus.CANCELED):
        code = event.error_code or (
            "prediction_canceled" if event.status == PredictionStatus.CANCELED else "provider_failed"
        )
        if lifecycle.attempt_failed(
            attempt, code=code, raw_error=event.raw_error, now=now, prediction_id=event.prediction_id
        ):
            fallback.after_failure(attempt, code=code, now=now)
        queues.nudge_after_commit(Lane.DISPATCH)
    elif event.status in _STAGES:
        known = lifecycle.attempt_news(
            attempt,
            stage=_STAGES[event.status],
            progress=max(attempt.progress, min(1.0, event.progress or 0.0)),
            prediction_id=event.prediction_id,
            poll_at=now + attempt.provider.silence,
            now=now,
        )
        if known and event.preview_url and not attempt.preview_url:
            Attempt.objects.filter(id=attempt.id).update(preview_url=event.preview_url)
            if lifecycle.preview_announced(attempt.job_id, now=now):
                queues.nudge_after_commit(Lane.COLLECT)
    else:
        logger.warning("event_not_understood attempt=%s provider=%s", attempt.id, attempt.provider.slug)


def apply_deliveries(*, limit: int = APPLY_LIMIT) -> int:
    """Apply recorded deliveries in the order they came; return how many were looked at.

    Each in a savepoint: one that cannot be applied keeps its error and waits for another try,
    and holds nobody up.
    """
    now = timezone.now()
    # Looked at before the lock is taken: the usual answer is "none", and costs no write lock then.
    if not WebhookDelivery.objects.filter(due_at__lte=now).exists():
        return 0
    with transaction.atomic():
        due = WebhookDelivery.objects.filter(due_at__lte=now).order_by("id")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True)
        rows = list(due[:limit])
        for delivery in rows:
            try:
                with transaction.atomic():
                    _apply_delivery(delivery, now=now)
            except Exception as error:
                logger.exception("delivery_not_applied delivery=%s", delivery.id)
                _try_again(delivery, f"{type(error).__name__}: {error}"[:300], now=now)
    return len(rows)


def _apply_delivery(delivery: WebhookDelivery, *, now: datetime) -> None:
    attempt = Attempt.objects.select_related("provider", "job").filter(token=delivery.attempt_token).first()
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
        # A dead letter: genuine, but not in words we know. Kept for staff.
        _close(delivery, error=f"not readable: {error}"[:300])
        return
    apply_event(attempt, event, now=now)
    _close(delivery, applied_at=now)
    if attempt.job.erased_at:
        WebhookDelivery.objects.filter(id=delivery.id).update(body=b"", headers={})


def _close(delivery: WebhookDelivery, *, applied_at: datetime | None = None, error: str = "") -> None:
    delivery.applied_at, delivery.error, delivery.due_at = applied_at, error, None
    delivery.save(update_fields=["attempt", "applied_at", "error", "due_at"])


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
