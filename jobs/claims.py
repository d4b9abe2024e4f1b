"""Claims: short transactions in which exactly one worker takes a row, with a lease and a token.

For the prepare and collect lanes `due_at` is the lease: a claim moves it to the lease's end,
and a lapsed lease is simply due again. For dispatch a lapsed lease means "unconfirmed": the
POST may have arrived, so `jobs.reconcile` asks the provider before anything else is tried.

A provider's limits are exact because everything that counts is read after its row is locked.
On SQLite, BEGIN IMMEDIATE is that lock (Django leaves FOR UPDATE out there).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from providers.models import ProviderConfig

from . import lifecycle
from .clock import database_now
from .models import Attempt, Job

WINDOW = timedelta(seconds=60)
# Between the last moment a POST may still be answered and the lease's end.
LEASE_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True)
class Claim:
    """Jobs of one lane taken by one worker until `until`."""

    lease_token: str
    until: datetime
    jobs: list[Job]


def new_token() -> str:
    """Return a token nobody can guess (128 bits)."""
    return secrets.token_hex(16)


def claim_lane(lane: str, *, limit: int, lease: timedelta) -> Claim:
    """Take up to `limit` due jobs of a lane."""
    token = new_token()
    with transaction.atomic():
        now = database_now()
        until = now + lease
        ids = list(_locked(Job.objects.claimable(lane, now=now)).values_list("id", flat=True)[:limit])
        if ids:
            Job.objects.filter(id__in=ids, lane=lane, due_at__lte=now).update(due_at=until, lease_token=token)
    if not ids:
        return Claim(token, until, [])
    jobs = Job.objects.filter(id__in=ids, lane=lane, lease_token=token).select_related("look", "winner__provider")
    return Claim(token, until, list(jobs))


def holds(job_id: UUID, *, lane: str, lease_token: str) -> bool:
    """Tell whether a lease is still good, and keep it so until the present transaction ends."""
    rows = Job.objects.select_for_update().filter(id=job_id, lane=lane, lease_token=lease_token)
    return bool(rows.values_list("id", flat=True)[:1])


def release(job_id: UUID, *, lease_token: str, due_at: datetime) -> bool:
    """Give a job of a lane back, to be claimed again at `due_at`, and count the try."""
    return bool(
        Job.objects.filter(id=job_id, lease_token=lease_token)
        .exclude(lane="")
        .update(due_at=due_at, lease_token="", lane_tries=F("lane_tries") + 1)
    )


def claim_slots(provider_id: int, *, want: int) -> list[Attempt]:
    """Reserve slots at a provider for the jobs first in line, and write an attempt for each.

    No more than what the provider's limits leave free: attempts holding a slot, and calls that
    can have arrived within the last minute. A call counts from its claim until a minute after
    the last moment it can have arrived (its answer, or the lease's end when none came).
    The attempts come with `job` (and its look) and `provider` filled in.
    """
    with transaction.atomic():
        provider = ProviderConfig.objects.select_for_update().get(id=provider_id)
        now = database_now()
        if not provider.enabled or provider.is_parked(now=now):
            return []
        free = min(want, _free_slots(provider, now=now))
        if free <= 0:
            return []
        due = Job.objects.filter(lane="dispatch", due_at__lte=now).order_by("created_at")
        candidates = list(_locked(due).select_related("look")[: free + 20])
        jobs = _worth_trying(candidates, provider, now=now)[:free]
        taken = []
        lease = provider.connect_timeout + provider.submit_timeout + LEASE_MARGIN
        for job in jobs:
            attempt = Attempt(
                job=job,
                provider=provider,
                number=job.attempts.count() + 1,
                token=secrets.token_urlsafe(24),
                lease_token=new_token(),
                lease_until=now + lease,
                claimed_at=now,
                deadline_at=min(job.deadline_at, now + provider.attempt_deadline),
            )
            if lifecycle.take_for_attempt(job, attempt, now=now):
                taken.append(attempt)
        return taken


def _free_slots(provider: ProviderConfig, *, now: datetime) -> int:
    mine = Attempt.objects.filter(provider=provider)
    concurrent = provider.max_concurrent - mine.holding_a_slot().count()
    if concurrent <= 0:
        return 0
    # In one query: between two, an answer could be stored and its call counted in neither.
    calls = mine.filter(Q(answered_at=None) | Q(answered_at__gt=now - WINDOW)).count()
    return min(concurrent, provider.max_per_minute - calls)


def _worth_trying(jobs: list[Job], provider: ProviderConfig, *, now: datetime) -> list[Job]:
    """Leave out jobs this provider already failed while another enabled provider has not been tried."""
    if not jobs:
        return []
    others = {row.id for row in ProviderConfig.objects.in_order() if not row.is_parked(now=now)} - {provider.id}
    failures: dict[UUID, set[int]] = {}
    failed = Attempt.objects.filter(
        status__in=[Attempt.Status.FAILED, Attempt.Status.TIMED_OUT], job_id__in=[job.id for job in jobs]
    ).exclude(error_code__in=Attempt.NOT_ITS_FAULT)
    for job_id, provider_id in failed.values_list("job_id", "provider_id"):
        failures.setdefault(job_id, set()).add(provider_id)
    return [job for job in jobs if provider.id not in failures.get(job.id, set()) or not others - failures[job.id]]


def _locked(rows: QuerySet[Job]) -> QuerySet[Job]:
    """Lock what is read, and skip what another worker is reading, where the database can."""
    if connection.features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True, of=("self",))
    return rows
