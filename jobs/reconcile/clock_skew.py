"""Times too far in the future, written by a fast clock, are reset so that their rows do not wait for them.

When a machine's clock is set back, or one of several machines is minutes ahead, rows are due, leased or blocked until a
time that no step would set. They would recover by themselves, minutes or hours later.

| time | latest that a step sets | is set to |
| --- | --- | --- |
| job in a lane: `due_at` | LONGEST_WAIT: a lease or a backoff | now |
| delivery: `due_at` | LONGEST_REDELIVERY | now |
| attempt on lease or with a provider cleanup: `lease_until` | its provider's lease | that, from now |
| attempt open or with a provider cleanup: `deadline_at` | its provider's deadline | that, from now |
| attempt under way: `poll_at`, where `heard_at` lies ahead | its news are of the past | now |
| call: `answered_at`, which counts for the minute's limit | its provider's lease | now |
| first cleanup: `cleanup_at` | LONGEST_WAIT, or the attempt's deadline | now |
| provider: `rate_limited_until`, `breaker_until`, `probe_until` | after `blocked_at`, in the past | as far from now |

A *slow* clock needs no repair: what it writes is due too early, which claims and tokens allow for.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from jobs.models import Attempt, Job, Lane, WebhookDelivery
from jobs.queue import claims, queues
from jobs.routing import fallback
from providers.models import ProviderConfig

logger = logging.getLogger(__name__)

# Machines with synchronized clocks are closer than this.
TOLERANCE = timedelta(minutes=1)
LONGEST_WAIT = fallback.BACKOFF_CAP + TOLERANCE
LONGEST_REDELIVERY = timedelta(minutes=5) + TOLERANCE


def bring_near(*, now: datetime) -> int:
    """Reset all such times; return how many there were. It writes nothing when there are none."""
    found = {"job": _jobs(now=now), "delivery": _deliveries(now=now), "cleanup": _cleanups(now=now)}
    found["provider"] = sum(
        _provider(row.id, now=now) for row in ProviderConfig.objects.filter(blocked_at__gt=now + TOLERANCE)
    )
    found["attempt"] = sum(_attempts(provider, now=now) for provider in ProviderConfig.objects.all())
    for kind, count in found.items():
        if count:
            logger.warning("clock_went_ahead kind=%s count=%d", kind, count)
    return sum(found.values())


def _jobs(*, now: datetime) -> int:
    found = 0
    for lane in Lane.values:
        far = Job.objects.in_lane(lane).filter(due_at__gt=now + LONGEST_WAIT)
        # A worker that holds such a row loses its lease: its outcome is refused.
        if far.exists() and (count := far.update(due_at=now, lease_token="")):
            found += count
            queues.nudge_after_commit(lane)
    return found


def _deliveries(*, now: datetime) -> int:
    far = WebhookDelivery.objects.filter(due_at__gt=now + LONGEST_REDELIVERY)
    return far.update(due_at=now) if far.exists() else 0


def _cleanups(*, now: datetime) -> int:
    far = Attempt.objects.with_cleanup().filter(cleanup_at__gt=now + LONGEST_WAIT, cleanup_tries=0)
    far = far.exclude(cleanup_at=F("deadline_at"))
    return far.update(cleanup_at=now) if far.exists() else 0


def _attempts(provider: ProviderConfig, *, now: datetime) -> int:
    found = 0
    lease, deadline = claims.lease_of(provider), provider.attempt_deadline
    # Cleanups wait for these times too.
    for rows in (Attempt.objects.on_lease(), Attempt.objects.with_cleanup()):
        leased = rows.among([provider.id]).filter(lease_until__gt=now + lease + TOLERANCE)
        if leased.exists():
            found += leased.update(lease_until=now + lease)
    for rows in (Attempt.objects.is_open(), Attempt.objects.with_cleanup()):
        late = rows.among([provider.id]).filter(deadline_at__gt=now + deadline + TOLERANCE)
        if late.exists():
            found += late.update(deadline_at=now + deadline)
    heard = Attempt.objects.under_way().among([provider.id]).filter(heard_at__gt=now + TOLERANCE)
    if heard.exists():
        found += heard.update(heard_at=now, poll_at=now)
    counted = Attempt.objects.filter(provider=provider, answered_at__gt=now + lease + TOLERANCE)
    if counted.exists():
        found += counted.update(answered_at=now)
    return found


def _provider(provider_id: int, *, now: datetime) -> int:
    """Give a provider that was blocked at a future time the wait that was meant, from now on."""
    with transaction.atomic():
        provider = (
            ProviderConfig.objects.select_for_update().filter(blocked_at__gt=now + TOLERANCE, id=provider_id).first()
        )
        if provider is None:
            return 0
        assert provider.blocked_at is not None  # asked for above
        ahead = provider.blocked_at - now
        provider.blocked_at = now
        for name in ("rate_limited_until", "breaker_until", "probe_until"):
            moment = getattr(provider, name)
            if moment is not None:
                setattr(provider, name, max(now, moment - ahead))
        provider.save(update_fields=["blocked_at", "rate_limited_until", "breaker_until", "probe_until", "updated_at"])
        return 1
