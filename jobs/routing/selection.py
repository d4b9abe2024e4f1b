"""How the next jobs are shared out among providers: by staff's order, warm models first, then by weight.

- **Order**: the lowest number first. A provider is skipped while it is disabled, rate limited, its breaker is open or
  being probed, today's budget is used up, or no slot or call is free. The highest order is the last resort.
- **Warm first**: within an order, providers with a warm model come before those with a cold one, as long as they have
  room. For models without notable cold starts it makes no difference (`jobs.routing.cold_starts`).
- **Weight**: among equals, smooth weighted round robin: 3 to 1 means A A B A, not A A A B. Each worker has its own
  rotation with a random start, so that sixteen workers do not all begin with the same provider. A provider without
  room earns no credit meanwhile, so it does not return to a flood of jobs.

This plan is made without locks; `jobs.queue.claims` counts again under the provider's lock, and its count decides.
When no provider has room, `next_wakeup_at` returns the next moment at which one will without a row being written (a
call leaves the minute's window, a rate limit ends, a day begins), so that the pump can wake up exactly then.
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

from . import cold_starts, hosts, limits


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
    """The present capacity of an enabled provider: how many jobs it can take, or why none and until when."""

    provider: ProviderConfig
    room: int
    slots_held: int
    calls_counted: int
    is_awake: bool
    is_warm: bool
    closed: Closed | None = None
    opens_at: datetime | None = None


def survey(*, now: datetime) -> list[ProviderCapacity]:
    """Return the capacities of the enabled providers that this host can call, with three SQL statements in all.

    They are in staff's order.
    """
    providers = list(ProviderConfig.objects.in_order().reached_from(hosts.this_host()))
    ids = [provider.id for provider in providers]
    if not ids:
        return []
    used, known = limits.used_by(ids, now=now), cold_starts.known_of(providers)
    return [_capacity(provider, *used[provider.id], known[provider.id], now=now) for provider in providers]


def _capacity(
    provider: ProviderConfig, held: int, calls: int, known: cold_starts.Known, *, now: datetime
) -> ProviderCapacity:
    slots = limits.slots_of(provider)
    room = max(0, min(slots - held, provider.max_per_minute - calls))
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
    elif held >= slots:
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
    """Remembers which provider is next among those of the same order."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.SystemRandom()
        self._credit: dict[int, float] = {}

    def shares(self, capacities: Sequence[ProviderCapacity], wanted: int) -> list[tuple[ProviderCapacity, int]]:
        """Return how many of the `wanted` jobs each provider gets, in the order in which to claim for them."""
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
