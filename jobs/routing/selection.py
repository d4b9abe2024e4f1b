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

    PARKED = "parked"
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
        _place(provider, held.get(provider.id, 0), calls.get(provider.id, 0), known[provider.id], now=now)
        for provider in providers
    ]


def _place(
    provider: ProviderConfig, held: int, calls: int, known: cold_starts.Known, *, now: datetime
) -> ProviderCapacity:
    room = max(0, min(provider.max_concurrent - held, provider.max_per_minute - calls))
    closed: Closed | None = None
    opens_at: datetime | None = None
    probing = provider.needs_probe(now=now)
    if (blocked_until := provider.blocked_until(now=now)) is not None:
        closed = Closed.PARKED if blocked_until == provider.rate_limited_until else Closed.BREAKER
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


def next_wakeup_at(places: Collection[ProviderCapacity], *, now: datetime) -> datetime | None:
    """Return the next moment at which a waiting job may find a place without anything being written."""
    moments = [place.opens_at for place in places if place.opens_at is not None]
    due_at = queue_order.next_due_at(now=now)
    if due_at is not None:
        moments.append(due_at)
    return min(moments, default=None)


class Rotation:
    """Remembers whose turn it is among providers side by side."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.SystemRandom()
        self._credit: dict[int, float] = {}

    def shares(self, places: Sequence[ProviderCapacity], wanted: int) -> list[tuple[ProviderCapacity, int]]:
        """Say how many of so many jobs each provider gets, in the order in which they are to be asked."""
        shares: list[tuple[ProviderCapacity, int]] = []
        for _, equals in groupby(places, key=lambda place: place.provider.order):
            side_by_side = list(equals)
            for warm in (True, False):
                group = [place for place in side_by_side if place.is_warm == warm and place.room > 0]
                for place, number in self._share(group, wanted):
                    shares.append((place, number))
                    wanted -= number
        return shares

    def _share(self, group: Sequence[ProviderCapacity], wanted: int) -> list[tuple[ProviderCapacity, int]]:
        given = dict.fromkeys(range(len(group)), 0)
        for _ in range(min(wanted, sum(place.room for place in group))):
            index = self._next([(index, place) for index, place in enumerate(group) if given[index] < place.room])
            given[index] += 1
        return [(place, given[index]) for index, place in enumerate(group) if given[index]]

    def _next(self, candidates: Sequence[tuple[int, ProviderCapacity]]) -> int:
        if len(candidates) == 1:
            return candidates[0][0]
        total = 0
        for _, place in candidates:
            provider = place.provider
            total += provider.weight
            credit = self._credit.setdefault(provider.id, provider.weight * self._chance.random())
            self._credit[provider.id] = credit + provider.weight
        index, chosen = max(candidates, key=lambda candidate: self._credit[candidate[1].provider.id])
        self._credit[chosen.provider.id] -= total
        return index
