"""What happens to a job after a failed attempt: another provider, the same one later, or the end.

| reason of the failure | what happens |
| --- | --- |
| the provider is busy | back to the queue at once; does not count as a try |
| the call was never sent | back to the queue after a backoff; counts as a try, but not against the provider |
| the provider failed, lost it, or took too long | at once to an open provider that has not failed it, else backoff |
| the photo was refused | the same, but never under the same content rule; the job fails when no other rule is left |
| no face, or no readable photo | the job fails: another provider could not help |

A job fails with `no_provider` after MAX_ATTEMPTS tries, but not before every provider that may have it has failed it,
the last resort included. Backoff has full jitter (a random time between zero and a cap that doubles) and is stored in
`due_at`, not in RQ's scheduler.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from jobs import lifecycle, queue_order
from jobs.models import Attempt
from providers.models import ProviderConfig

from . import breaker

BACKOFF_FIRST = timedelta(seconds=1)
BACKOFF_CAP = timedelta(seconds=60)

# Errors of the photo: every provider would report the same.
PHOTO_CODES = frozenset({"no_face", "photo_unreadable"})

# The reason for a job's owner once another provider takes it, by the reason it waited for.
_MOVED = {
    "provider_busy": "moved_busy",
    "provider_moved": "moved_trouble",
    "provider_refused": "moved_refused",
    "answer_lost": "moved_lost",
}


def backoff(tries: int) -> timedelta:
    """Return a random delay for the wait after the n-th failure, n from 1."""
    cap = min(BACKOFF_CAP, BACKOFF_FIRST * 2 ** min(tries, 10))
    return cap * random.random()  # noqa: S311 - spreading load, not a secret


def after_failure(attempt: Attempt, *, code: str, now: datetime) -> None:
    """Return the job of a failed attempt to the queue, or fail it."""
    if attempt.job_id is None:
        return
    if code in PHOTO_CODES:
        lifecycle.fail(attempt.job_id, code=code, now=now)
        return
    enabled = list(ProviderConfig.objects.in_order())
    possible, untried = queue_order.open_to(attempt.job_id, enabled)
    if enabled and not possible:
        lifecycle.fail(attempt.job_id, code=queue_order.PHOTO_REFUSED, now=now)
        return
    tries = Attempt.objects.filter(job_id=attempt.job_id).exclude(error_code="busy").count()
    if tries >= settings.MAX_ATTEMPTS and (not untried or tries >= settings.MAX_ATTEMPTS + len(enabled)):
        lifecycle.fail(attempt.job_id, code="no_provider", now=now)
        return
    not_its_fault = code in Attempt.NOT_ITS_FAULT
    has_alternative = not not_its_fault and any(provider.is_open(now=now) for provider in untried)
    lifecycle.return_to_queue(
        attempt.job_id,
        due_at=now if has_alternative else now + backoff(tries),
        now=now,
        reason_code=_reason_code(code),
        reason_subject=attempt.provider.title,
    )


def _reason_code(code: str) -> str:
    if code in Attempt.NOT_ITS_FAULT:
        return ""
    if code == queue_order.PHOTO_REFUSED:
        return "provider_refused"
    return "answer_lost" if code == lifecycle.ANSWER_LOST else "provider_moved"


def reasons_for(
    turns: Sequence[queue_order.Turn], provider: ProviderConfig, rivals: Sequence[ProviderConfig], *, now: datetime
) -> dict[UUID, lifecycle.Reason]:
    """Return the new reasons for jobs that now go to this provider, of those whose reason changes.

    A reason tells the owner why the time range moved. `rivals` are the other enabled providers.
    """
    clouds = [rival for rival in rivals if not rival.capabilities.is_ours]
    last_resort = (
        provider.capabilities.is_ours and bool(clouds) and all(cloud.order < provider.order for cloud in clouds)
    )
    up = [cloud for cloud in clouds if cloud.is_open(now=now)]
    reasons = {}
    for job in (turn.job for turn in turns):
        present = lifecycle.Reason(job.reason_code, job.reason_subject, job.reason_target)
        if last_resort:
            has_failed = any(queue_order.has_failed_at(job, cloud) for cloud in up)
            reason = lifecycle.Reason("only_ours" if has_failed else "last_resort", "", provider.title)
        elif job.reason_code in _MOVED and job.reason_subject != provider.title:
            reason = lifecycle.Reason(_MOVED[job.reason_code], job.reason_subject, provider.title)
        else:
            reason = lifecycle.Reason()
        if reason != present:
            reasons[job.id] = reason
    return reasons


def provider_failed(provider: ProviderConfig, *, serious: bool, retry_after: timedelta | None, now: datetime) -> None:
    """Count a film that could not be fetched, or trouble with our account (`serious`), against its provider."""
    signal = breaker.HealthSignal.ACCOUNT if serious else breaker.HealthSignal.SPOILED
    breaker.write([breaker.Observation(provider.id, signal, claimed_at=now, retry_after=retry_after)])
