"""What happens after an attempt came to nothing: same provider, next provider, or the end.

Delays are full-jitter backoff (a random time between zero and a cap that doubles) and live in
`due_at`, never in RQ's scheduler.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, F, Q, Value, When

from providers.models import ProviderConfig

from . import lifecycle
from .models import Attempt

BACKOFF_FIRST = timedelta(seconds=1)
BACKOFF_CAP = timedelta(seconds=60)
# A provider that failed this often in a row is left alone for a while.
FAILURES_UNTIL_PAUSE = 3
PAUSE_CAP = timedelta(minutes=2)
ACCOUNT_PAUSE = timedelta(minutes=10)

# Why a provider is left alone, where our own count of its failures decided it.
FAILING = "failing"

# The photo is at fault, wherever it is sent: the person has to know, not another provider.
PHOTO_CODES = frozenset({"no_face", "photo_unreadable", "photo_refused"})


def backoff(tries: int) -> timedelta:
    """Return a random delay for the wait after the n-th failure, n from 1."""
    cap = min(BACKOFF_CAP, BACKOFF_FIRST * 2 ** min(tries, 10))
    return cap * random.random()  # noqa: S311 - spreading load, not a secret


def after_failure(attempt: Attempt, *, code: str, now: datetime) -> None:
    """Send the job of a failed attempt back to the line, or end it."""
    if code in PHOTO_CODES:
        lifecycle.fail(attempt.job_id, code=code, now=now)
        return
    tries = Attempt.objects.filter(job_id=attempt.job_id).exclude(error_code="busy").count()
    if tries >= settings.MAX_ATTEMPTS:
        lifecycle.fail(attempt.job_id, code="no_provider", now=now)
        return
    lifecycle.return_to_line(
        attempt.job_id,
        due_at=now + backoff(tries),
        now=now,
        reason_code="" if code in Attempt.NOT_ITS_FAULT else "provider_moved",
        reason_subject=attempt.provider.title,
    )


def park(provider: ProviderConfig, *, until: datetime, reason: str, now: datetime) -> None:
    """Ask nothing of a provider until then. A later end is never shortened."""
    rows = ProviderConfig.objects.filter(id=provider.id).exclude(parked_until__gt=until)
    rows.update(parked_until=until, parked_reason=reason, updated_at=now)


def provider_failed(provider: ProviderConfig, *, serious: bool, retry_after: timedelta | None, now: datetime) -> None:
    """Count a failure of the provider itself; leave it alone after several, or at once when it is our account."""
    ProviderConfig.objects.filter(id=provider.id).update(consecutive_failures=F("consecutive_failures") + 1)
    failures = ProviderConfig.objects.values_list("consecutive_failures", flat=True).get(id=provider.id)
    if serious:
        park(provider, until=now + ACCOUNT_PAUSE, reason="account", now=now)
    elif failures >= FAILURES_UNTIL_PAUSE:
        pause = min(PAUSE_CAP, timedelta(seconds=2) * 2 ** min(failures - FAILURES_UNTIL_PAUSE, 8))
        park(provider, until=now + max(pause, retry_after or pause), reason=FAILING, now=now)
    elif retry_after:
        park(provider, until=now + retry_after, reason="asked to wait", now=now)


def provider_answered(provider_id: int) -> None:
    """The provider works: forget its failures, and open its door if they had closed it.

    A wait it asked for, or trouble with our account, is not over because an earlier request went well.
    """
    was_failing = Q(parked_reason=FAILING)
    ProviderConfig.objects.filter(id=provider_id).exclude(consecutive_failures=0).update(
        consecutive_failures=0,
        parked_until=Case(When(was_failing, then=Value(None)), default=F("parked_until")),
        parked_reason=Case(When(was_failing, then=Value("")), default=F("parked_reason")),
    )
