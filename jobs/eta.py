"""How long it will take, from what was measured: never a promise, always a range.

A provider with `k` places that needs `s` seconds a film begins one in each place every `s` seconds, in a place that is
taken once the film there is finished. Somebody with `n` people ahead gets the n-th of these beginnings, over all
providers that are open now; while none is, over those whose opening time is known.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from providers.models import ProviderConfig

from . import limits, line, warmth
from .models import IN_LINE, Attempt, Job

_SAMPLE = 200
_CACHE_SECONDS = 3.0
# Before anything was measured: a warm studio, and one that has to start.
_FIRST_GUESS = (8.0, 15.0)
_WORK_AROUND_SECONDS = 1.0  # preparing before and collecting after
# What is left of a film that takes longer than usual, as a share of the usual time.
_OVERDUE = 0.25


@dataclass(frozen=True)
class Pace:
    """Seconds from submit to film: the median and the 90th percentile."""

    median: float
    slow: float


@dataclass(frozen=True)
class Seats:
    """Places of one provider that come free at the same time, in seconds from the survey."""

    number: int
    free_in: float
    film: float
    period: float

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
    pace: Pace
    median_seats: Sequence[Seats]
    slow_seats: Sequence[Seats]
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
            self._found[position] = _film_at(self.median_seats, position), _film_at(self.slow_seats, position)
        elapsed = max(0.0, (now - self.at).total_seconds())
        median, slow = self._found[position]
        return max(self.pace.median / 2, median - elapsed), max(self.pace.slow / 2, slow - elapsed)


def _film_at(seats: Sequence[Seats], position: int) -> float:
    """Return after how many seconds the film is there that begins after so many others."""
    early, late = -1.0, max(one.free_in + one.period * (position + 1) for one in seats)
    while late - early > 0.1:
        middle = (early + late) / 2
        if sum(one.begun(middle) for one in seats) > position:
            late = middle
        else:
            early = middle
    taken = max((one for one in seats if one.free_in <= late), key=lambda one: one.last_begun(late))
    return max(0.0, taken.last_begun(late)) + taken.film


_cached: tuple[float, Outlook] | None = None


def outlook() -> Outlook:
    """Return what the line looks forward to, surveyed at most every few seconds."""
    global _cached
    if _cached and time.monotonic() - _cached[0] < _CACHE_SECONDS:
        return _cached[1]
    found = _survey(now=timezone.now())
    _cached = (time.monotonic(), found)
    return found


def _survey(*, now: datetime) -> Outlook:
    enabled = list(ProviderConfig.objects.in_order())
    opens = {row.id: _opens_in(row, now=now) for row in enabled}
    count = [row for row in enabled if opens[row.id] == 0]
    # One that has just failed counts once it has proved itself, unless there is no other.
    count = [row for row in count if not row.needs_probe(now=now)] or count
    is_shut = not count
    count = count or enabled
    paces, overall = _paces(count)
    flying: dict[int, list[float]] = {row.id: [] for row in count}
    held = Attempt.objects.holding_a_slot().among(list(flying)).values_list("provider_id", "claimed_at")
    for provider_id, claimed_at in held:
        flying[provider_id].append((now - claimed_at).total_seconds())
    median: list[Seats] = []
    slow: list[Seats] = []
    for row in count:
        pace = paces[row.id]
        median += _seats(row, pace.median, flying[row.id], opens[row.id], number=_places(row, pace.median))
        slow += _seats(row, pace.slow, flying[row.id], opens[row.id], number=_places(row, pace.median))
    total = sum(seats.number for seats in median)
    if total:
        overall = Pace(*(sum(one.number * one.film for one in seats) / total for seats in (median, slow)))
    return Outlook(now, is_shut, overall, median, slow)


def _opens_in(row: ProviderConfig, *, now: datetime) -> float:
    """Return in how many seconds something may be sent to a provider, as far as is known."""
    opens_at = row.shut_until(now=now) or now
    if row.is_out_of_budget(now=now):
        opens_at = max(opens_at, limits.day_start(now) + timedelta(days=1))
    return (opens_at - now).total_seconds()


def _places(row: ProviderConfig, film: float) -> int:
    """Return how many films are made at once where one takes so long: five calls a minute fill no ten places."""
    return max(1, min(row.max_concurrent, int(row.max_per_minute * film / 60)))


def _seats(row: ProviderConfig, film: float, flying: Sequence[float], opens_in: float, *, number: int) -> list[Seats]:
    left = sorted(max(film - age, film * _OVERDUE) for age in flying)[-number:]
    free_in = [0.0] * (number - len(left)) + left
    period = max(film, 60 * number / row.max_per_minute)
    # To the half second, so that a large provider is a few groups.
    groups = Counter(max(opens_in, round(seconds * 2) / 2) for seconds in free_in)
    return [Seats(times, seconds, film, period) for seconds, times in sorted(groups.items())]


def _paces(providers: Sequence[ProviderConfig]) -> tuple[dict[int, Pace], Pace]:
    """Return each provider's pace: of its newest films, else as learned, else as all films take; and that one."""
    rows = Attempt.objects.filter(status=Attempt.Status.SUCCEEDED, submitted_at__isnull=False).order_by("-id")
    seconds: dict[int, list[float]] = {}
    for provider_id, submitted, finished in rows.values_list("provider_id", "submitted_at", "finished_at")[:_SAMPLE]:
        if finished:
            seconds.setdefault(provider_id, []).append(max(0.1, (finished - submitted).total_seconds()))
    overall = _pace_of([value for values in seconds.values() for value in values]) or Pace(*_FIRST_GUESS)
    unmeasured = [provider for provider in providers if provider.id not in seconds]
    known = warmth.known_of(unmeasured) if unmeasured else {}
    paces = {}
    for provider in providers:
        learned = known[provider.id].samples if provider.id in known else {}
        samples = seconds.get(provider.id) or learned.get(warmth.WARM_FILM) or learned.get(warmth.COLD_FILM) or []
        paces[provider.id] = _pace_of(samples) or overall
    return paces, overall


def _pace_of(seconds: Sequence[float]) -> Pace | None:
    median, slow = warmth.percentile(seconds, 0.5), warmth.percentile(seconds, 0.9)
    return None if median is None or slow is None else Pace(max(0.1, median), max(0.1, slow))


def positions(jobs: Iterable[Job]) -> dict[UUID, int]:
    """Return how many jobs stand in line before each of these; 0 for a job that no longer waits."""
    return {job.id: line.place_of(job) if job.lane in IN_LINE else 0 for job in jobs}


def waits_for_opening(job: Job) -> bool:
    """Whether the job stands in line and no provider is open to anybody.

    One that is only busy has been named, which says more, as long as it will open again.
    """
    if job.lane not in IN_LINE or not outlook().is_shut:
        return False
    return job.reason_code != "provider_busy" or not outlook().slots


def remaining(job: Job, *, position: int, now: datetime) -> dict[str, int]:
    """Return `{"p50", "p90"}`: whole seconds from now until the film, at least 0."""
    if job.is_final:
        return {"p50": 0, "p90": 0}
    ahead = outlook()
    pace = ahead.pace
    if job.stage in (Job.Stage.COLLECTING, Job.Stage.READY):
        median, slow = 1.0, 3.0
    elif job.lane in IN_LINE and job.stage in (Job.Stage.ACCEPTED, Job.Stage.PREPARING, Job.Stage.WAITING_FOR_SLOT):
        median, slow = (seconds + _WORK_AROUND_SECONDS for seconds in _wait(ahead, job, position, now=now))
    else:
        done = max(0.0, (job.progress - 0.2) / 0.72)
        median, slow = pace.median * (1 - done) + 0.5, pace.slow * (1 - done) + 1.5
    return {"p50": max(1, round(median)), "p90": max(2, round(slow), round(median) + 1)}


def _wait(ahead: Outlook, job: Job, position: int, *, now: datetime) -> tuple[float, float]:
    found = ahead.wait(position, now=now)
    if found and not ahead.is_shut:
        return found
    # Nobody is open: not before the first opens, and not beyond the job's end.
    end = max(0.0, (job.deadline_at - now).total_seconds() - _WORK_AROUND_SECONDS)
    median, slow = found or (max(ahead.pace.median, end / 2), end)
    return min(median, end / 2 if median >= end else median), min(slow, end)
