"""The dispatch lane: a job first in line goes to a provider that has a free slot.

The attempt and its callback token are committed with the claim, so a webhook joins by token
even before the submit answer is stored. A POST is made once; when its answer is lost the
attempt is `unconfirmed` and `jobs.reconcile` asks the provider before anything else is tried.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from providers import registry
from providers.errors import AccountProblem, Busy, ProviderError, Rejected, Unavailable, Unconfirmed
from providers.models import ProviderConfig
from providers.types import PhotoTransport, ProviderEvent, SubmitRequest

from .. import claims, fallback, ingest, lifecycle, queues, storage
from ..models import Attempt, Lane
from .engine import LaneWork

logger = logging.getLogger(__name__)


class NotSent(Unavailable):
    """Trouble of our own before the submit: the provider has no part in it."""


@dataclass(frozen=True)
class _Submission:
    """An attempt and the monotonic moment after which its POST may no longer start."""

    attempt: Attempt
    start_by: float


@dataclass(frozen=True)
class _Outcome:
    attempt: Attempt
    event: ProviderEvent | None = None
    error: ProviderError | None = None


class DispatchLane(LaneWork):
    lane = Lane.DISPATCH
    threads = 64

    def claim(self, room: int) -> list[_Submission]:
        submissions: list[_Submission] = []
        now = timezone.now()
        for provider in ProviderConfig.objects.in_order():
            if room <= 0:
                break
            if provider.is_parked(now=now):
                continue
            attempts = claims.claim_slots(provider.id, want=room)
            room -= len(attempts)
            # No POST may start so late that it could outlive its lease.
            start_by = time.monotonic() + claims.LEASE_MARGIN.total_seconds() / 2
            submissions += [_Submission(attempt, start_by) for attempt in attempts]
        return submissions

    def work(self, submission: _Submission) -> _Outcome:
        attempt = submission.attempt
        if time.monotonic() > submission.start_by:
            return _Outcome(attempt, error=NotSent("the submit came too late for its lease"))
        try:
            request = _request_for(attempt)
        except OSError as error:
            return _Outcome(attempt, error=NotSent(f"photo not readable: {type(error).__name__}"))
        if time.monotonic() > submission.start_by:
            return _Outcome(attempt, error=NotSent("the photo came too late for its lease"))
        try:
            adapter = registry.adapter_for(attempt.provider.adapter)
            return _Outcome(attempt, event=adapter.submit(attempt.provider.account(), request))
        except ProviderError as error:
            return _Outcome(attempt, error=error)

    def record(self, outcomes: list[_Outcome]) -> None:
        with transaction.atomic():
            for outcome in outcomes:
                if outcome.event is not None:
                    _record_answer(outcome.attempt, outcome.event)
                elif outcome.error is not None:
                    record_refusal(outcome.attempt, outcome.error)
            queues.nudge_after_commit(Lane.DISPATCH)

    def record_crash(self, item: _Submission, error: BaseException) -> None:
        """Nobody knows how far a crashed submit came."""
        lifecycle.unconfirmed(item.attempt.id, lease_token=item.attempt.lease_token)


def _request_for(attempt: Attempt) -> SubmitRequest:
    """Build what the adapter is asked for; reads the photo when it travels inside the request."""
    job = attempt.job
    look = job.look
    inline = attempt.provider.photo_transport == PhotoTransport.INLINE
    photo_url = (
        ""
        if inline
        # The token in the address lets an adapter find this attempt in a vendor's listing by its input.
        else storage.signed_url(
            job.clean_key, filename=f"{attempt.token}.jpg", now=timezone.now(), base=settings.CALLBACK_URL
        )
    )
    return SubmitRequest(
        reference=attempt.token,
        look=look.slug,
        prompt=look.prompt,
        negative_prompt=look.negative_prompt,
        hero_name=job.hero_name,
        seed=str(job.id),
        webhook_url=settings.CALLBACK_URL + reverse("webhook", args=[attempt.provider.slug, attempt.token]),
        photo_url=photo_url,
        photo_bytes=storage.read(job.clean_key) if inline else b"",
    )


def _record_answer(attempt: Attempt, event: ProviderEvent) -> None:
    now = timezone.now()
    lifecycle.submitted(
        attempt,
        prediction_id=event.prediction_id,
        lease_token=attempt.lease_token,
        poll_at=now + attempt.provider.silence,
        now=now,
    )
    fallback.provider_answered(attempt.provider_id)
    if event.is_final or event.progress:
        ingest.apply_event(attempt, event, now=now)


def record_refusal(attempt: Attempt, error: ProviderError) -> None:
    """Write what a failed submit means: wait, look it up, or go on elsewhere."""
    now = timezone.now()
    provider = attempt.provider
    if isinstance(error, Unconfirmed):
        lifecycle.unconfirmed(attempt.id, lease_token=attempt.lease_token)
        logger.warning("submit_unconfirmed attempt=%s provider=%s", attempt.id, provider.slug)
        return
    code = _code_of(error)
    if not lifecycle.attempt_failed(
        attempt, code=code, raw_error=error.detail, now=now, lease_token=attempt.lease_token
    ):
        return
    if isinstance(error, Busy):
        fallback.park(provider, until=now + (error.retry_after or timedelta(seconds=2)), reason="busy", now=now)
        lifecycle.return_to_line(
            attempt.job_id, due_at=now, now=now, reason_code="provider_busy", reason_subject=provider.title
        )
        logger.info("provider_busy provider=%s", provider.slug)
        return
    if not isinstance(error, Rejected | NotSent):
        fallback.provider_failed(
            provider, serious=isinstance(error, AccountProblem), retry_after=error.retry_after, now=now
        )
    fallback.after_failure(attempt, code=code, now=now)
    logger.warning("submit_failed attempt=%s provider=%s error=%s", attempt.id, provider.slug, type(error).__name__)


def _code_of(error: ProviderError) -> str:
    if isinstance(error, Busy):
        return "busy"
    if isinstance(error, NotSent):
        return "never_sent"
    return error.code if isinstance(error, Rejected) else "provider_failed"
