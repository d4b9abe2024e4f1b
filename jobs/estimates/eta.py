"""How long it will take, from what was measured: never a promise, always a range.

A provider with `k` places that needs `s` seconds a film begins one in each place every `s` seconds, in a place that is
taken once the film there is finished. Somebody with `n` people ahead gets the n-th of these beginnings, over all
providers that are open now; while none is, over those whose opening time is known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from common.timed_cache import TimedCache
from jobs import queue_order
from jobs.models import QUEUE_LANES, Attempt, Job
from jobs.routing import limits
from providers.models import ProviderConfig

from . import durations as pace
from .positions import queue_index

_CACHE_SECONDS = 3.0
_PREPARING_SECONDS = 0.5
# Beyond this share of tries that come to nothing, somebody who is promised a time may well need a second one.
_FAILING_OFTEN = 0.08
# What is left of a film that takes longer than usual, as a share of the usual time.
_OVERDUE = 0.25


class Promise(NamedTuple):
    """What somebody is told at the door: how many go before, and the range of seconds."""

    position: int
    p50: int
    p90: int


@dataclass(frozen=True)
class Seats:
    """Places of one provider that come free at the same time, in seconds from the survey."""

    number: int
    free_in: float
    film: float
    period: float
    slow: float = 0.0  # within which nine of ten films come

    def begun(self, at: float) -> int:
        """Return how many films have begun here by then."""
        return self.number * (math.floor((at - self.free_in) / self.period) + 1) if at >= self.free_in else 0

    def last_begun(self, at: float) -> float:
        return self.free_in + self.period * math.floor((at - self.free_in) / self.period)


@dataclass(frozen=True)
class Outlook:
    """What the line looks forward to: the places of the providers that count, at the median pace and the slow one."""

    at: datetime
    is_shut: bool
    pace: pace.Durations
    median_seats: Sequence[Seats]
    slow_seats: Sequence[Seats]
    collecting: tuple[float, float] = pace.COLLECTING_GUESS
    _found: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def slots(self) -> int:
        """How many films are made at once."""
        return sum(seats.number for seats in self.median_seats)

    def wait(self, position: int, *, now: datetime) -> tuple[float, float] | None:
        """Return the seconds until somebody with so many ahead has a film; None while nobody knows."""
        if not self.median_seats:
            return None
        if position not in self._found:
            self._found[position] = (
                _film_at(self.median_seats, position),
                _slow_film_at(self.slow_seats, position),
            )
        elapsed = max(0.0, (now - self.at).total_seconds())
        median, slow = self._found[position]
        return max(self.pace.median / 2, median - elapsed), max(self.pace.slow / 2, slow - elapsed)


def _film_at(seats: Sequence[Seats], position: int) -> float:
    """Return after how many seconds the film is there that begins after so many others."""
    begins_at, taken = _begin(seats, position)
    return begins_at + taken.film


def _slow_film_at(seats: Sequence[Seats], position: int) -> float:
    """Return the same for one that has bad luck: nobody knows at which of the places it will be."""
    begins_at, taken = _begin(seats, position)
    if position < sum(one.number for one in seats if one.free_in <= 0):
        return begins_at + taken.slow
    rates = sorted((one.slow, one.number / one.period) for one in seats if one.free_in <= begins_at + one.period)
    left, slow = 0.9 * sum(rate for _, rate in rates), taken.slow
    for seconds, rate in rates:
        left -= rate
        if left <= 0:
            slow = max(slow, seconds)
            break
    return begins_at + slow


def _begin(seats: Sequence[Seats], position: int) -> tuple[float, Seats]:
    """Return when a film begins that begins after so many others, and where."""
    free = 0
    for one in seats:  # in the order in which providers are asked
        free += one.number if one.free_in <= 0 else 0
        if one.free_in <= 0 and free > position:
            return 0.0, one
    early, late = -1.0, max(one.free_in + one.period * (position + 1) for one in seats)
    while late - early > 0.1:
        middle = (early + late) / 2
        if sum(one.begun(middle) for one in seats) > position:
            late = middle
        else:
            early = middle
    taken = max((one for one in seats if one.free_in <= late), key=lambda one: one.last_begun(late))
    return max(0.0, taken.last_begun(late)), taken


def outlook() -> Outlook:
    """Return what the line looks forward to, surveyed at most every few seconds."""
    return _cache.get()


_cache = TimedCache(_CACHE_SECONDS, lambda: survey(now=timezone.now()))


def survey(*, now: datetime) -> Outlook:
    """Return what the line looks forward to."""
    enabled = list(ProviderConfig.objects.in_order())
    opens = {row.id: _opens_in(row, now=now) for row in enabled}
    count = [row for row in enabled if opens[row.id] == 0]
    # One that has just failed counts once it has proved itself, unless there is no other.
    count = [row for row in count if not row.needs_probe(now=now)] or count
    is_shut = not count
    count = count or enabled
    flying: dict[int, list[float]] = {row.id: [] for row in count}
    held = Attempt.objects.holding_a_slot().among(list(flying)).values_list("provider_id", "claimed_at", "status")
    under_way: dict[int, list[float]] = {row.id: [] for row in count}
    for provider_id, claimed_at, status in held:
        age = max(0.0, (now - claimed_at).total_seconds())
        flying[provider_id].append(age)
        if status in Attempt.OPEN:
            under_way[provider_id].append(age)
    measured = pace.measure(count, under_way, now=now)
    median: list[Seats] = []
    slow: list[Seats] = []
    for row in count:
        its = measured.paces[row.id]
        number = _places(row, its.place_seconds)
        unlucky = its.slow + (its.median if its.failing > _FAILING_OFTEN else 0.0)
        seats = {"number": number, "opens_in": opens[row.id], "unlucky": unlucky}
        median += _seats(row, its.median, its.place_seconds, flying[row.id], **seats)
        slow += _seats(row, its.median, its.place_seconds * its.doubt, flying[row.id], **seats)
    total = sum(seats.number for seats in median)
    if total:
        overall = (sum(one.number * getattr(one, name) for one in median) / total for name in ("film", "slow"))
        found = pace.guessed(*overall)
    else:
        found = pace.guessed(*pace.OUR_GUESS)
    return Outlook(now, is_shut, found, median, slow, measured.collecting)


def _opens_in(row: ProviderConfig, *, now: datetime) -> float:
    """Return in how many seconds something may be sent to a provider, as far as is known."""
    opens_at = row.blocked_until(now=now) or now
    if row.is_out_of_budget(now=now):
        opens_at = max(opens_at, limits.day_start(now) + timedelta(days=1))
    return (opens_at - now).total_seconds()


def _places(row: ProviderConfig, film: float) -> int:
    """Return how many films are made at once where one takes so long: five calls a minute fill no ten places."""
    return max(1, min(row.max_concurrent, int(row.max_per_minute * film / 60)))


def _seats(
    row: ProviderConfig,
    film: float,
    place_seconds: float,
    flying: Sequence[float],
    *,
    number: int,
    opens_in: float,
    unlucky: float,
) -> list[Seats]:
    left = sorted(max(film - age, film * _OVERDUE) for age in flying)[-number:]
    free_in = [0.0] * (number - len(left)) + left
    period = max(place_seconds, 60 * number / row.max_per_minute)
    # To the half second, so that a large provider is a few groups.
    groups = Counter(max(opens_in, round(seconds * 2) / 2) for seconds in free_in)
    return [Seats(times, seconds, film, period, unlucky) for seconds, times in sorted(groups.items())]


def promise(owner: str, *, now: datetime) -> Promise:
    """Return what a job of this owner is told when it is accepted now: its place, and its range of seconds."""
    position = queue_index.position_of(priority=0, turn_at=queue_order.next_turn(owner, now=now))
    return Promise(position, *told(outlook(), position, now=now))


def told(ahead: Outlook, position: int, *, now: datetime) -> tuple[int, int]:
    """Return the range that somebody with so many ahead would be told now."""
    return _whole(*_in_line(ahead, position, end=settings.JOB_DEADLINE.total_seconds(), now=now))


def waiting(*, limit: int) -> int:
    """Return how many stand in line, counting no further than `limit`."""
    return len(Job.objects.in_queue().order_by().values_list("id", flat=True)[:limit])


def positions(jobs: Iterable[Job]) -> dict[UUID, int]:
    """Return how many jobs stand in line before each of these; 0 for a job that no longer waits."""
    return {
        job.id: queue_index.position_of(priority=job.priority, turn_at=job.turn_at) if job.lane in QUEUE_LANES else 0
        for job in jobs
    }


def waits_for_opening(job: Job) -> bool:
    """Whether the job stands in line and no provider is open to anybody.

    One that is only busy has been named, which says more, as long as it will open again.
    """
    if job.lane not in QUEUE_LANES or not outlook().is_shut:
        return False
    return job.reason_code != "provider_busy" or not outlook().slots


def remaining(job: Job, *, position: int, now: datetime) -> dict[str, int]:
    """Return `{"p50", "p90"}`: whole seconds from now until the film, at least 0."""
    if job.is_final:
        return {"p50": 0, "p90": 0}
    ahead = outlook()
    its = ahead.pace
    if job.stage in (Job.Stage.COLLECTING, Job.Stage.READY):
        median, slow = ahead.collecting[0], ahead.collecting[1] + 1.0
    elif job.lane in QUEUE_LANES and job.stage in (Job.Stage.ACCEPTED, Job.Stage.PREPARING, Job.Stage.WAITING_FOR_SLOT):
        end = (job.deadline_at - now).total_seconds()
        median, slow = _in_line(ahead, position, end=end, now=now)
    else:
        done = max(0.0, (job.progress - 0.2) / 0.72)
        median = its.median * (1 - done) + ahead.collecting[0]
        slow = its.slow * (1 - done) + ahead.collecting[1]
    p50, p90 = _whole(median, slow)
    return {"p50": p50, "p90": p90}


def _whole(median: float, slow: float) -> tuple[int, int]:
    """Return a range in whole seconds that is one: at least a second wide."""
    p50 = max(1, round(median))
    return p50, max(2, math.ceil(slow), p50 + 1)


def _in_line(ahead: Outlook, position: int, *, end: float, now: datetime) -> tuple[float, float]:
    """Return the seconds for somebody who has so many ahead and whose time is up at `end`."""
    before, after = _PREPARING_SECONDS, ahead.collecting
    found = ahead.wait(position, now=now)
    if found and not ahead.is_shut:
        return found[0] + before + after[0], found[1] + before + after[1]
    # Nobody is open: not before the first opens, and not beyond the job's end.
    end = max(0.0, end - 1.0)
    median, slow = found or (max(ahead.pace.median, end / 2), end)
    median, slow = min(median, end / 2 if median >= end else median), min(slow, end)
    return median + before + after[0], min(end + 1.0, slow + before + after[1])
