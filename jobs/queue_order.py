"""The queue's order, the providers each job may go to, and how often it may be retried.

**Order.** Higher priority first, then `turn_at`. A job gets its turn once, when it is accepted: now, or TURN_SPACING
after the last turn of the same owner's open jobs, whichever is later (start-time fair queueing with the wall clock as
virtual time). The jobs of an owner who sends fifty photos at once are TURN_SPACING apart, and other owners' jobs go
between them. While slots are free no job waits for its turn, because the order decides only who goes first. The turn
costs one query of a small index when the job is accepted and nothing later. A job that comes back after a failed
attempt keeps its turn.

**Providers.** A job does not go to a provider that failed it while another open one has not; never to one whose
content rule has refused its photo; and without a face only to providers that accept such pictures.

**Retries.** Providers that fail must not get more calls because they fail. A *retry* (the same provider again) is
allowed for at most RETRY_SHARE of the first attempts of the last minute, over all providers, and for RETRY_FLOOR a
minute, so that quiet hours have retries too; retries beyond that wait in the queue. A *fallback* (a provider that has
not failed this job) is not counted: it adds no load to a failing provider, and there are no more of them than
providers, each with its own limits and breaker. A call that was refused as busy, or was never sent, is neither.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Max, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils.crypto import salted_hmac

from providers import registry
from providers.models import ProviderConfig

from .models import Attempt, Job, Lane, plain_sql

TURN_SPACING = timedelta(seconds=30)
# For each unit that opening a photo costs above an ordinary one: many costly ones at once let others pass.
COST_SPACING = timedelta(seconds=0.5)

RETRY_WINDOW = timedelta(seconds=60)
RETRY_SHARE = 0.2
RETRY_FLOOR = 5
# A retry beyond the budget is due again after a random time up to this.
RETRY_WAIT = timedelta(seconds=5)

# With the condition of the index `job_turn`, word for word, as SQLite wants it.
_LAST_TURN = (
    "SELECT turn_at FROM jobs_job WHERE status IN ('queued', 'processing') AND turn_key = %s "
    "ORDER BY turn_at DESC LIMIT 1"
)

# Asked at every look of the dispatch lane; with the condition of the index `job_claim`.
_WAITING = (
    "SELECT COUNT(*) FROM (SELECT 1 FROM jobs_job WHERE NOT (lane = '') AND lane = 'dispatch' AND due_at <= %s "
    "LIMIT %s) AS due"
)
_NEXT_DUE = (
    "SELECT due_at FROM jobs_job WHERE NOT (lane = '') AND lane = 'dispatch' AND due_at > %s ORDER BY due_at LIMIT 1"
)

PHOTO_REFUSED = "photo_refused"
NO_PROVIDER = ","


@dataclass(frozen=True)
class Turn:
    """A job that is next for a provider, with the number and kind of the attempt."""

    job: Job
    number: int
    kind: str


def turn_key(owner: str, *, newcomer_from: str = "") -> str:
    """Return under which name turns are given: the owner's, or of a newcomer's network, as a digest nobody can undo.

    Whoever sends no cookie is a new owner each time, and would never have to wait for a turn.
    """
    return f"a:{salted_hmac('jobs.turns', newcomer_from).hexdigest()}" if newcomer_from else owner


def next_turn(key: str, *, now: datetime, photo_cost: int = 1) -> datetime:
    """Return the `turn_at` of the next job under this key, later by what opening its photo costs."""
    last = plain_sql.one(_LAST_TURN, key)
    now += COST_SPACING * (photo_cost - 1)
    return max(now, plain_sql.moment(last[0]) + TURN_SPACING) if last else now


def waiting(*, now: datetime, limit: int) -> int:
    """Return how many jobs are due for a provider, counting no further than `limit`."""
    found = plain_sql.one(_WAITING, now, limit)
    return found[0] if found else 0


def next_due_at(*, now: datetime) -> datetime | None:
    """Return when the next job whose delay has not passed is due for a provider."""
    found = plain_sql.one(_NEXT_DUE, now)
    return plain_sql.moment(found[0]) if found else None


def first_for(provider: ProviderConfig, *, others: Collection[ProviderConfig], now: datetime) -> QuerySet[Job]:
    """Return the due jobs that may go to this provider, in queue order.

    `others` are the other open providers: a job that this provider failed goes to them first.
    """
    here = ~Q(failed_provider_ids__contains=_listed(provider.id))
    if others:
        failed_everywhere = Q()
        for other in others:
            failed_everywhere &= Q(failed_provider_ids__contains=_listed(other.id)) | _never_goes_to(other)
        here |= failed_everywhere
    else:
        here = Q()
    return Job.objects.claimable(Lane.DISPATCH, now=now).filter(here, ~_never_goes_to(provider))


def turns(jobs: Sequence[Job], provider: ProviderConfig) -> list[Turn]:
    """Return the jobs with the number and the kind of their next attempt at this provider."""
    earlier = Attempt.objects.filter(job_id__in=[job.id for job in jobs]).order_by().values_list("job_id")
    numbers = dict(earlier.annotate(newest=Max("number")))
    return [Turn(job, numbers.get(job.id, 0) + 1, _kind(job, provider)) for job in jobs]


def _kind(job: Job, provider: ProviderConfig) -> str:
    if job.failed_provider_ids == NO_PROVIDER:
        return Attempt.Kind.FIRST
    return Attempt.Kind.RETRY if _listed(provider.id) in job.failed_provider_ids else Attempt.Kind.FALLBACK


def within_retry_budget(found: Sequence[Turn], *, now: datetime, chance: random.Random) -> list[Turn]:
    """Return the turns that may be taken; a retry beyond the budget is delayed a little."""
    retries = [turn for turn in found if turn.kind == Attempt.Kind.RETRY]
    if not retries:
        return list(found)
    firsts = sum(turn.kind == Attempt.Kind.FIRST for turn in found)
    allowed = {turn.job.id for turn in retries[: retries_left(now=now, more_firsts=firsts)]}
    for turn in retries:
        if turn.job.id not in allowed:
            wait = RETRY_WAIT * (0.2 + 0.8 * chance.random())
            Job.objects.filter(id=turn.job.id, lane=Lane.DISPATCH).update(due_at=now + wait)
    return [turn for turn in found if turn.kind != Attempt.Kind.RETRY or turn.job.id in allowed]


def retries_left(*, now: datetime, more_firsts: int = 0) -> int:
    """Return how many retries the last minute's first attempts still allow."""
    rows = Attempt.objects.filter(
        provider__in=list(ProviderConfig.objects.values_list("id", flat=True)),
        claimed_at__gt=now - RETRY_WINDOW,
        kind__in=[Attempt.Kind.FIRST, Attempt.Kind.RETRY],
    )
    counts = dict(rows.order_by().values_list("kind").annotate(number=Count("id")))
    firsts = counts.get(Attempt.Kind.FIRST, 0) + more_firsts
    return max(0, max(RETRY_FLOOR, int(firsts * RETRY_SHARE)) - counts.get(Attempt.Kind.RETRY, 0))


def open_to(job_id: UUID, providers: Sequence[ProviderConfig]) -> tuple[list[ProviderConfig], list[ProviderConfig]]:
    """Return the providers that a job may go to, and those of them that have not failed it."""
    failed_provider_ids, refusing_content_rules, has_face = Job.objects.values_list(
        "failed_provider_ids", "refusing_content_rules", "has_face"
    ).get(id=job_id)
    possible = [
        provider
        for provider in providers
        if _listed(registry.content_rule(provider.adapter)) not in refusing_content_rules
        and (has_face or takes_no_face(provider))
    ]
    return possible, [provider for provider in possible if _listed(provider.id) not in failed_provider_ids]


def has_failed_at(job: Job, provider: ProviderConfig) -> bool:
    """Return whether this provider has failed the job, or its content rule has refused the photo."""
    return (
        _listed(provider.id) in job.failed_provider_ids
        or _listed(registry.content_rule(provider.adapter)) in job.refusing_content_rules
    )


def count_against(attempt: Attempt, *, code: str) -> None:
    """Record in its job that an attempt's provider failed it, or that its content rule refused the photo."""
    if attempt.job_id is None or code in Attempt.NOT_ITS_FAULT:
        return
    _add(attempt.job_id, "failed_provider_ids", attempt.provider_id)
    if code == PHOTO_REFUSED:
        _add(attempt.job_id, "refusing_content_rules", registry.content_rule(attempt.provider.adapter))


def _add(job_id: UUID, column: str, item: int | str) -> None:
    rows = Job.objects.filter(id=job_id).exclude(**{f"{column}__contains": _listed(item)})
    rows.update(**{column: Concat(F(column), Value(f"{item},"))})


def takes_no_face(provider: ProviderConfig) -> bool:
    """Return whether a provider makes films of pictures without a face, by its parameters."""
    return provider.capabilities.takes_no_face(provider.parameters if isinstance(provider.parameters, dict) else {})


def any_takes_no_face() -> bool:
    """Return whether any enabled provider makes films of pictures without a face."""
    providers = ProviderConfig.objects.in_order().only("adapter", "parameters")
    return any(takes_no_face(provider) for provider in providers)


def _never_goes_to(provider: ProviderConfig) -> Q:
    refused = _refused_under_rule_of(provider)
    return refused if takes_no_face(provider) else refused | Q(has_face=False)


def _refused_under_rule_of(provider: ProviderConfig) -> Q:
    return Q(refusing_content_rules__contains=_listed(registry.content_rule(provider.adapter)))


def _listed(item: int | str) -> str:
    return f",{item},"
