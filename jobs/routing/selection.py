"""Who gets the next job: providers in staff's order, side by side by weight, the awake one first.

- **Order**: the lowest number first. A provider is passed over while it is disabled, parked, its breaker open
  or being probed, today's budget used up, or no slot or call free. The highest order is the last resort.
- **Awake first**: within an order, one whose model is awake goes before one that has to be woken, as long as it
  has room; for models that do not fall asleep that makes no difference (`jobs.routing.cold_starts`).
- **Weight**: among equals, smooth weighted round robin: 3 to 1 means A A B A, not A A A B. Each worker keeps its own
  rotation and begins it somewhere by chance, so that sixteen workers do not all begin with the same one. One that
  had no room for a while has earned nothing meanwhile: it does not come back to a flood.

What is planned here is planned without locks; `claims` counts again under the provider's lock, and that holds.
When nothing can be had, `next_wakeup_at` says at which moment that changes by itself, so that nobody has to look
at the clock: a minute's window frees a call to the millisecond, a wait ends, a day begins.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby

from jobs import queue_order
from providers.models import ProviderConfig

from . import cold_starts, limits


class Closed(StrEnum):
    """Why a provider gets nothing now."""

    RATE_LIMITED = "rate limited"
    BREAKER = "breaker open"
    PROBING = "being probed"
    BUDGET = "over budget"
    SLOTS = "no slot free"
    CALLS = "no call free"


@dataclass(frozen=True)
class ProviderCapacity:
    """One enabled provider as it is now."""

    provider: ProviderConfig
    room: int
    slots_held: int
    calls_counted: int
    is_awake: bool
    is_warm: bool
    closed: Closed | None = None
    opens_at: datetime | None = None


def survey(*, now: datetime) -> list[ProviderCapacity]:
    """Look at all enabled providers, in staff's order; four statements, however many they are."""
    providers = list(ProviderConfig.objects.in_order())
    ids = [provider.id for provider in providers]
    if not ids:
        return []
    held, calls = limits.slots_held(ids), limits.calls_counted(ids, now=now)
    known = cold_starts.known_of(providers)
    return [
        _capacity(provider, held.get(provider.id, 0), calls.get(provider.id, 0), known[provider.id], now=now)
        for provider in providers
    ]


def _capacity(
    provider: ProviderConfig, held: int, calls: int, known: cold_starts.Known, *, now: datetime
) -> ProviderCapacity:
    room = max(0, min(provider.max_concurrent - held, provider.max_per_minute - calls))
    closed: Closed | None = None
    opens_at: datetime | None = None
    probing = provider.needs_probe(now=now)
    if (blocked_until := provider.blocked_until(now=now)) is not None:
        closed = Closed.RATE_LIMITED if blocked_until == provider.rate_limited_until else Closed.BREAKER
        opens_at = blocked_until
    elif probing and provider.probe_until is not None and provider.probe_until > now:
        closed, opens_at = Closed.PROBING, provider.probe_until
    elif provider.is_out_of_budget(now=now):
        closed, opens_at = Closed.BUDGET, limits.day_start(now) + timedelta(days=1)
    elif held >= provider.max_concurrent:
        closed = Closed.SLOTS
    elif calls >= provider.max_per_minute:
        closed, opens_at = Closed.CALLS, limits.next_call_at(provider, counted=calls, now=now)
    return ProviderCapacity(
        provider=provider,
        room=0 if closed else min(room, 1) if probing else room,
        slots_held=held,
        calls_counted=calls,
        is_awake=known.is_awake(provider, now=now),
        is_warm=known.is_warm(provider, now=now),
        closed=closed,
        opens_at=opens_at,
    )


def next_wakeup_at(capacities: Collection[ProviderCapacity], *, now: datetime) -> datetime | None:
    """Return the next moment at which a waiting job may find room without anything being written."""
    moments = [capacity.opens_at for capacity in capacities if capacity.opens_at is not None]
    due_at = queue_order.next_due_at(now=now)
    if due_at is not None:
        moments.append(due_at)
    return min(moments, default=None)


class Rotation:
    """Remembers whose turn it is among providers side by side."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.SystemRandom()
        self._credit: dict[int, float] = {}

    def shares(self, capacities: Sequence[ProviderCapacity], wanted: int) -> list[tuple[ProviderCapacity, int]]:
        """Say how many of so many jobs each provider gets, in the order in which they are to be asked."""
        shares: list[tuple[ProviderCapacity, int]] = []
        for _, equals in groupby(capacities, key=lambda capacity: capacity.provider.order):
            side_by_side = list(equals)
            for warm in (True, False):
                group = [capacity for capacity in side_by_side if capacity.is_warm == warm and capacity.room > 0]
                for capacity, number in self._share(group, wanted):
                    shares.append((capacity, number))
                    wanted -= number
        return shares

    def _share(self, group: Sequence[ProviderCapacity], wanted: int) -> list[tuple[ProviderCapacity, int]]:
        given = dict.fromkeys(range(len(group)), 0)
        for _ in range(min(wanted, sum(capacity.room for capacity in group))):
            index = self._next(
                [(index, capacity) for index, capacity in enumerate(group) if given[index] < capacity.room]
            )
            given[index] += 1
        return [(capacity, given[index]) for index, capacity in enumerate(group) if given[index]]

    def _next(self, candidates: Sequence[tuple[int, ProviderCapacity]]) -> int:
        if len(candidates) == 1:
            return candidates[0][0]
        total = 0
        for _, capacity in candidates:
            provider = capacity.provider
            total += provider.weight
            credit = self._credit.setdefault(provider.id, provider.weight * self._chance.random())
            self._credit[provider.id] = credit + provider.weight
        index, chosen = max(candidates, key=lambda candidate: self._credit[candidate[1].provider.id])
        self._credit[chosen.provider.id] -= total
        return index
