"""When the queue is empty: at the present pace, and with other limits (Little's law).

A provider with `k` slots that needs `s` seconds for a film delivers `60 k / s` films a minute, no more than the calls
a minute that its limit allows, and of these the share that succeeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobs.estimates import durations
from jobs.rollups import ProviderFlow, histograms
from providers.models import ProviderConfig

# Beyond this a forecast says nothing any more.
LONGEST = timedelta(hours=24)
# Before this many films are measured, their duration is a guess.
ENOUGH = 5


@dataclass(frozen=True)
class Drain:
    """What becomes of a queue of `waiting` jobs when so many a minute come and go."""

    waiting: int
    coming: float
    going: float

    @property
    def minutes(self) -> float | None:
        """In how many minutes nobody waits any more; None when the queue does not shrink, or not within LONGEST."""
        if not self.waiting:
            return 0.0
        net = self.going - self.coming
        left = self.waiting / net if net > 0 else math.inf
        return left if left <= LONGEST / timedelta(minutes=1) else None

    def waiting_after(self, minutes: float) -> int:
        """Return how many wait after so many minutes."""
        return max(0, round(self.waiting + (self.coming - self.going) * minutes))

    def empty_at(self, *, now: datetime) -> datetime | None:
        """Return when nobody waits any more, None while that is not to be seen."""
        return None if self.minutes is None else now + timedelta(minutes=self.minutes)

    def points(self, *, most: int = 60) -> Sequence[tuple[int, int]]:
        """Return (minutes from now, waiting) for each of the next minutes until nobody waits."""
        found = []
        for minute in range(most + 1):
            found.append((minute, self.waiting_after(minute)))
            if not found[-1][1]:
                break
        return found


def film_seconds(provider: ProviderConfig, flow: ProviderFlow) -> float:
    """Return how long a film takes at a provider, as measured lately or by a guess."""
    measured = histograms.mean(flow.films)
    if measured is not None and histograms.count(flow.films) >= ENOUGH:
        return measured
    median, slow = durations.OUR_GUESS if provider.capabilities.is_ours else durations.CLOUD_GUESS
    return (median + slow) / 2


def capacity(
    provider: ProviderConfig, flow: ProviderFlow, *, now: datetime, max_concurrent: int | None = None
) -> float:
    """Return how many films a minute a provider can deliver, with its own limit of slots or another.

    While it refuses calls it delivers what it has delivered lately, whatever our limits are.
    """
    if not provider.enabled or not provider.is_open(now=now):
        return 0.0
    slots = provider.max_concurrent if max_concurrent is None else max_concurrent
    possible = delivered(provider, flow, max_concurrent=slots, max_per_minute=provider.max_per_minute)
    return min(possible, flow.finished) if flow.refused else possible


def delivered(provider: ProviderConfig, flow: ProviderFlow, *, max_concurrent: int, max_per_minute: int) -> float:
    """Return how many films a minute a provider delivers within these limits while it takes films."""
    possible = min(max_concurrent * 60 / film_seconds(provider, flow), float(max_per_minute))
    return possible * (1.0 if flow.success is None else flow.success)
