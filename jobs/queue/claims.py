"""Claims: short transactions in which exactly one worker takes a row, with a lease and a token.

In the prepare and collect lanes `due_at` is the lease: a claim moves it to the lease's end, so a row whose lease has
lapsed is due again. In dispatch a lapsed lease means "unconfirmed": the POST may have arrived, so
`jobs.reconcile.sweep` asks the provider before anything else is tried.

A provider's limits are exact because everything that counts is read after its row is locked. On SQLite, where Django
leaves FOR UPDATE out, BEGIN IMMEDIATE is that lock.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from jobs import lifecycle, queue_order
from jobs.clock import database_now
from jobs.models import Attempt, Job, LookVersion, plain_sql
from jobs.routing import breaker, fallback, limits
from providers.models import ProviderConfig
from providers.types import PhotoTransport

# Half for the time between the claim and the POST, half for writing the outcome.
LEASE_MARGIN = timedelta(seconds=5)
# What the lease allows for bringing a photo to a vendor that wants it uploaded first.
UPLOAD_ALLOWANCE = timedelta(seconds=15)

# With the condition of the index `job_claim`, word for word, as SQLite wants it.
_DUE = "SELECT 1 FROM jobs_job WHERE NOT (lane = '') AND lane = %s AND due_at <= %s LIMIT 1"

_CHANCE = random.SystemRandom()


@dataclass(frozen=True)
class Claim:
    """Jobs of one lane that one worker holds until `until`."""

    lease_token: str
    until: datetime
    jobs: list[Job]


def new_token() -> str:
    """Return an unguessable token (128 bits)."""
    return secrets.token_hex(16)


def claim_lane(
    lane: str,
    *,
    limit: int,
    lease: timedelta,
    cost_limit: int | None = None,
    at_least: int = 1,
    not_at: Collection[int] = (),
    related: Collection[str] = (),
) -> Claim:
    """Take up to `limit` due jobs of a lane, first in queue order first; none whose film is at a provider of `not_at`.

    With `cost_limit` no more than cost so much together (`Job.photo_cost`); the first `at_least` whatever they cost.
    The jobs have what `related` names loaded.
    """
    token = new_token()
    with transaction.atomic(savepoint=False):
        now = database_now()
        until = now + lease
        rows = Job.objects.claimable(lane, now=now)
        if not_at:
            making = Attempt.objects.filter(job=OuterRef("pk"), slot_held=True, provider__in=not_at)
            rows = rows.exclude(winner__provider__in=not_at).exclude(Exists(making))
        due = list(locked(rows).values_list("id", "photo_cost")[:limit])
        ids = _within(due, cost_limit, at_least)
        if ids:
            Job.objects.filter(id__in=ids, lane=lane, due_at__lte=now).update(due_at=until, lease_token=token)
    if not ids:
        return Claim(token, until, [])
    jobs = Job.objects.filter(id__in=ids, lane=lane, lease_token=token)
    if related:
        jobs = jobs.select_related(*related)
    return Claim(token, until, sorted(jobs, key=lambda job: ids.index(job.id)))


def has_due(lane: str, *, now: datetime) -> bool:
    """Return whether a lane has a row that is due: half of all looks find none, and need no transaction for that."""
    return plain_sql.one(_DUE, str(lane), now) is not None


def _within(due: list[tuple[UUID, int]], cost_limit: int | None, at_least: int) -> list[UUID]:
    totals = accumulate(cost for _, cost in due)
    return [
        job_id
        for number, ((job_id, _), total) in enumerate(zip(due, totals, strict=True))
        if cost_limit is None or number < at_least or total <= cost_limit
    ]


def holds(job_id: UUID, *, lane: str, lease_token: str) -> bool:
    """Return whether a lease is still valid, and lock its row until the transaction ends."""
    rows = Job.objects.select_for_update().filter(id=job_id, lane=lane, lease_token=lease_token)
    return bool(rows.values_list("id", flat=True)[:1])


def renew(leases: Iterable[tuple[UUID, str]], *, lane: str, lease: timedelta) -> None:
    """Extend leases of a lane, given as (job id, token), from now on; one that another worker took is left alone."""
    ids, tokens = zip(*leases, strict=True)
    rows = Job.objects.in_lane(lane).filter(id__in=ids, lease_token__in=tokens)
    rows.update(due_at=database_now() + lease)


def give_back(leases: Iterable[tuple[UUID, str]], *, lane: str) -> int:
    """Make leased jobs of a lane claimable at once, without counting a try; return how many were still ours."""
    ids, tokens = zip(*leases, strict=True)
    rows = Job.objects.in_lane(lane).filter(id__in=ids, lease_token__in=tokens)
    return rows.update(due_at=database_now(), lease_token="")


def release(job_id: UUID, *, lease_token: str, due_at: datetime) -> bool:
    """Make a leased job claimable again at `due_at`, and count the try."""
    return bool(
        Job.objects.filter(id=job_id, lease_token=lease_token)
        .exclude(lane="")
        .update(due_at=due_at, lease_token="", lane_tries=F("lane_tries") + 1)
    )


def claim_slots(provider_id: int, *, want: int, cold: bool = False, chance: random.Random = _CHANCE) -> list[Attempt]:
    """Reserve slots at a provider for the first jobs in the queue, and write an attempt for each.

    Takes no more than its limits leave free (`limits`) and its breaker allows (`breaker`), and only jobs that may go
    there (`jobs.queue_order`). The attempts have `provider`, `job` and the job's look loaded. The number of SQL
    statements does not depend on the number of attempts. Raises UnreadableSecret when its key cannot be decrypted.
    """
    with transaction.atomic():
        provider = ProviderConfig.objects.select_for_update().get(id=provider_id)
        now = database_now()
        free = _free_calls(provider, want, now=now)
        if free <= 0:
            return []
        provider.check_readable("api_key")
        rivals = [row for row in ProviderConfig.objects.in_order() if row.id != provider_id]
        others = [row for row in rivals if row.is_open(now=now)]
        due = queue_order.first_for(provider, others=others, now=now).select_related("look")
        found = queue_order.turns(list(locked(due)[:free]), provider)
        found = queue_order.within_retry_budget(found, now=now, chance=chance)
        attempts = [_attempt(provider, turn, cold=cold, now=now) for turn in found]
        if not attempts:
            return []
        moved = fallback.reasons_for(found, provider, rivals, now=now)
        lifecycle.take_for_attempts(attempts, reasons=moved, now=now)
        _write_claim(provider, attempts, now=now)
        return attempts


def claim_keep_warm(provider_id: int, *, idle_since: datetime, cold: bool) -> Attempt | None:
    """Reserve one call that only keeps a model warm; None when a call was made since `idle_since`, or without room."""
    with transaction.atomic():
        provider = ProviderConfig.objects.select_for_update().get(id=provider_id)
        now = database_now()
        if Attempt.objects.filter(provider=provider, claimed_at__gt=idle_since).exists():
            return None
        provider.check_readable("api_key")
        # Not as the probe after a breaker or rate limit: jobs would have to wait for it.
        if provider.needs_probe(now=now) or _free_calls(provider, 1, now=now) < 1:
            return None
        return _without_job(provider, cold=cold, now=now)


def claim_connection_test(provider_id: int) -> Attempt | None:
    """Reserve the one call of a connection test, and note its token; None without room, money, or when it has begun.

    A disabled provider is tested too, and one behind an open breaker: staff want to know whether it works by now.
    """
    with transaction.atomic():
        provider = ProviderConfig.objects.select_for_update().get(id=provider_id)
        now = database_now()
        provider.check_readable("api_key")
        affordable = limits.affordable(provider, now=now)
        if provider.test_asked_at is None or provider.test_token or limits.room(provider, now=now) < 1:
            return None
        if affordable is not None and affordable < 1:
            return None
        attempt = _without_job(provider, cold=True, now=now)
        ProviderConfig.objects.filter(id=provider_id).update(test_token=attempt.token)
        return attempt


def claim_look_sample(version: LookVersion) -> Attempt | None:
    """Reserve the one call of a look version's sample film, and note its token; None without room or when it has begun.

    It waits like a job: not as the probe after a breaker or rate limit, and not at a disabled provider.
    """
    with transaction.atomic():
        provider = ProviderConfig.objects.select_for_update().get(id=version.sample_provider_id or 0)
        asked = LookVersion.objects.filter(id=version.id, sample_asked_at=version.sample_asked_at, sample_token="")
        now = database_now()
        if not asked.exists() or not provider.enabled:
            return None
        provider.check_readable("api_key")
        if provider.needs_probe(now=now) or _free_calls(provider, 1, now=now) < 1:
            return None
        attempt = _without_job(provider, cold=False, now=now)
        asked.update(sample_token=attempt.token)
        return attempt


def lease_of(provider: ProviderConfig) -> timedelta:
    """Return how long a submit may take: the photo's upload, the POST, and a margin to write the outcome."""
    upload = UPLOAD_ALLOWANCE if provider.photo_transport == PhotoTransport.UPLOAD else timedelta()
    return upload + provider.connect_timeout + provider.submit_timeout + LEASE_MARGIN


def may_start_for(provider: ProviderConfig) -> timedelta:
    """Return how long after its claim a POST may still start, so that it never outlives its lease."""
    return lease_of(provider) - provider.connect_timeout - provider.submit_timeout - LEASE_MARGIN / 2


def _free_calls(provider: ProviderConfig, want: int, *, now: datetime) -> int:
    allowed = breaker.allowance(provider, now=now)
    if allowed == 0:
        return 0
    want = min(want, limits.room(provider, now=now))
    if allowed is not None:
        want = min(want, allowed)
    affordable = limits.affordable(provider, now=now) if want > 0 else None
    return want if affordable is None else min(want, affordable)


def _without_job(provider: ProviderConfig, *, cold: bool, now: datetime) -> Attempt:
    """Reserve a call at a locked provider that is for no job."""
    attempt = _attempt(provider, None, cold=cold, now=now)
    attempt.save(force_insert=True)
    _write_claim(provider, [attempt], now=now)
    return attempt


def _attempt(provider: ProviderConfig, turn: queue_order.Turn | None, *, cold: bool, now: datetime) -> Attempt:
    deadline_at = now + provider.attempt_deadline
    return Attempt(
        job=turn.job if turn else None,
        number=turn.number if turn else 0,
        kind=turn.kind if turn else Attempt.Kind.KEEP_WARM,
        provider=provider,
        token=secrets.token_urlsafe(24),
        lease_token=new_token(),
        lease_until=now + lease_of(provider),
        claimed_at=now,
        deadline_at=min(turn.job.deadline_at, deadline_at) if turn else deadline_at,
        was_cold=cold,
        cost=provider.price,
    )


def _write_claim(provider: ProviderConfig, attempts: list[Attempt], *, now: datetime) -> None:
    """Write to the locked row what the claim used up: the probe, and today's money."""
    values: dict[str, Any] = {}
    if provider.needs_probe(now=now):
        first = attempts[0]
        values["probe_until"] = breaker.probe_ends_at(
            provider, lease_until=first.lease_until, deadline_at=first.deadline_at
        )
    if provider.daily_budget is not None:
        used = provider.budget_used + provider.price * len(attempts)
        values |= {"budget_day": provider.budget_day, "budget_used": used}
    if values:
        ProviderConfig.objects.filter(id=provider.id).update(**values)


def locked(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Lock the rows that are read and skip those that another worker has locked, where the database can."""
    if connection.features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True, of=("self",))
    return rows
