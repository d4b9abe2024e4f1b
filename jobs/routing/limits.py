"""What a provider has left: slots, calls a minute, money a day.

The numbers are exact when they are read while the provider's row is locked (`jobs.queue.claims`). Read without the
lock they are what `jobs.routing.selection` plans with and what staff are shown.

A call counts from its claim until a minute after the last moment it can have *arrived*: its answer, or the end of its
lease when there was none. The provider counts arrivals, which lie in between. Of any N+1 arrivals within a minute, the
one claimed last was claimed while the other N counted. So N is never exceeded, in any window and by any number of
workers. It costs one answer time per call and minute: with 0.3 s, 0.5 % of the limit.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Min, QuerySet, Sum

from jobs.models import Attempt
from jobs.models.prepared import Prepared
from providers.models import ProviderConfig

WINDOW = timedelta(seconds=60)
# So long after its claim an ended attempt's cost is looked at again.
SETTLED_AFTER = timedelta(minutes=15)
SETTLED_IN_STEPS_OF = timedelta(minutes=1)


def slots_of(provider: ProviderConfig) -> int:
    """Return how many attempts a provider may have at once: one, until its first film was there."""
    return 1 if provider.is_on_probation else provider.max_concurrent


def slots_held(provider_ids: Collection[int]) -> dict[int, int]:
    """Return how many slots are held at each provider; a provider without any is left out."""
    return dict(_by_provider(Attempt.objects.holding_a_slot().among(provider_ids)))


def calls_counted(provider_ids: Collection[int], *, now: datetime) -> dict[int, int]:
    """Return how many calls can have arrived at each provider within the last minute, or may still arrive.

    It is one statement: between two, an answer could be stored and its call counted in neither. It is a union,
    because SQLite uses an index for each half, but none for both at once.
    """
    calls = Attempt.objects.filter(provider__in=provider_ids)
    answered, unanswered = calls.filter(answered_at__gt=now - WINDOW), calls.filter(answered_at=None)
    counted: dict[int, int] = {}
    for provider_id, number in _by_provider(answered).union(_by_provider(unanswered), all=True):
        counted[provider_id] = counted.get(provider_id, 0) + number
    return counted


def room(provider: ProviderConfig, *, now: datetime) -> int:
    """Return how many more calls the slots and the minute of a provider allow; never below 0."""
    used = used_by([provider.id], now=now)[provider.id]
    return max(0, min(slots_of(provider) - used.slots, provider.max_per_minute - used.calls))


class Used(NamedTuple):
    """How many slots are held at a provider, and how many of its calls count for its minute."""

    slots: int
    calls: int


def used_by(provider_ids: Sequence[int], *, now: datetime) -> dict[int, Used]:
    """Return what `slots_held` and `calls_counted` count, for a few providers: one statement, for the same reason."""
    if not provider_ids:
        return {}
    found = _used_by(tuple(provider_ids)).ask(now)
    return {
        provider_id: Used(
            found[f"slots {provider_id}"], found[f"answered {provider_id}"] + found[f"unanswered {provider_id}"]
        )
        for provider_id in provider_ids
    }


@lru_cache(maxsize=64)
def _used_by(provider_ids: tuple[int, ...]) -> Prepared:
    def counted(now: datetime) -> dict[str, QuerySet[Attempt]]:
        questions: dict[str, QuerySet[Attempt]] = {}
        for provider_id in provider_ids:
            calls = Attempt.objects.filter(provider=provider_id).order_by()
            questions[f"slots {provider_id}"] = Attempt.objects.holding_a_slot().among([provider_id]).order_by()
            questions[f"answered {provider_id}"] = calls.filter(answered_at__gt=now - WINDOW)
            questions[f"unanswered {provider_id}"] = calls.filter(answered_at=None)
        return questions

    return Prepared(counted, Prepared.COUNT)


def next_call_at(provider: ProviderConfig, *, counted: int, now: datetime) -> datetime | None:
    """Return when a provider's call limit will have room again; None while that depends on answers to come.

    `counted` is the result of `calls_counted` for it.
    """
    surplus = counted - provider.max_per_minute
    if surplus < 0:
        return now
    rows = Attempt.objects.filter(provider=provider, answered_at__gt=now - WINDOW).order_by("answered_at")
    answered = rows.values_list("answered_at", flat=True)[surplus : surplus + 1]
    return next((at + WINDOW for at in answered if at is not None), None)


def _by_provider(rows: QuerySet[Attempt]) -> QuerySet[Attempt, tuple[int, int]]:
    return rows.order_by().values_list("provider").annotate(number=Count("id"))


# --- Money --------------------------------------------------------------------------------------------


def affordable(provider: ProviderConfig, *, now: datetime) -> int | None:
    """Return how many more films today's budget pays for, None without a budget.

    An attempt counts with its price from its claim on, until the real charge is known. Days are UTC, and an attempt
    belongs to the day of its claim. Updates `budget_used` of the given object to today; the caller holds the lock and
    saves it.
    """
    if provider.daily_budget is None:
        return None
    today = now.astimezone(UTC).date()
    if provider.budget_day != today:
        provider.budget_day, provider.budget_used = today, committed(provider, now=now)
    left = provider.daily_budget - provider.budget_used
    if provider.price <= 0:
        return None if left > 0 else 0
    return max(0, int(left // provider.price))


def committed(provider: ProviderConfig, *, now: datetime) -> Decimal:
    """Return what today's attempts have cost and may still cost.

    Those before `budget_settled_to` are not added up again: a million attempts would take half a second each time.
    """
    settled, since = _settled(provider, now=now)
    return settled + _cost_of(provider, since=since)


def settle_budgets(*, now: datetime, of_all: bool = False) -> None:
    """Recompute what was spent today, because failed attempts may not have cost their price.

    Claims only ever add to `budget_used`, so in between it is too high rather than too low. Providers without a budget
    are left out unless `of_all`: no claim reads what they spent.
    """
    rows = ProviderConfig.objects.all() if of_all else ProviderConfig.objects.exclude(daily_budget=None)
    for provider_id in rows.values_list("id", flat=True):
        with transaction.atomic():
            provider = ProviderConfig.objects.select_for_update().get(id=provider_id)
            before = _budget_of(provider)
            _settle(provider, now=now)
            provider.budget_used = committed(provider, now=now)
            provider.budget_day = now.astimezone(UTC).date()
            if (after := _budget_of(provider)) != before:
                ProviderConfig.objects.filter(id=provider_id).update(**after)


def _settle(provider: ProviderConfig, *, now: datetime) -> None:
    """Move `budget_settled_to` on to the oldest attempt whose cost may still change, SETTLED_AFTER ago at most."""
    settled, since = _settled(provider, now=now)
    oldest = Attempt.objects.holding_a_slot().among([provider.id]).aggregate(at=Min("claimed_at"))["at"]
    until = min(oldest or now, now - SETTLED_AFTER)
    if until - since > SETTLED_IN_STEPS_OF:
        provider.budget_settled = settled + _cost_of(provider, since=since, until=until)
        provider.budget_settled_to = until


def _settled(provider: ProviderConfig, *, now: datetime) -> tuple[Decimal, datetime]:
    """Return what is settled of today, and until when; nothing when it is of another day."""
    start, until = day_start(now), provider.budget_settled_to
    return (provider.budget_settled, until) if until is not None and until >= start else (Decimal(0), start)


def _cost_of(provider: ProviderConfig, *, since: datetime, until: datetime | None = None) -> Decimal:
    rows = Attempt.objects.filter(provider=provider, claimed_at__gte=since)
    if until is not None:
        rows = rows.filter(claimed_at__lt=until)
    return rows.aggregate(total=Sum("cost"))["total"] or Decimal(0)


def _budget_of(provider: ProviderConfig) -> dict[str, Any]:
    names = ("budget_day", "budget_used", "budget_settled", "budget_settled_to")
    return {name: getattr(provider, name) for name in names}


def day_start(now: datetime) -> datetime:
    """Return the beginning of the present day, UTC."""
    return datetime.combine(now.astimezone(UTC).date(), time.min, tzinfo=UTC)
