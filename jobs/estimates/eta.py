"""The time range until a job's film is ready, computed from measured durations.

A provider with `k` slots that needs `s` seconds for a film starts one film per slot every `s` seconds; a slot in use
starts its next film when the present one is finished. The job with `n` jobs ahead of it gets the n-th of these starts,
counted over all open providers, or, while none is open, over all enabled providers from the time they open.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from common.timed_cache import TimedCache
from jobs import queue_order
from jobs.models import QUEUE_LANES, Attempt, Job
from jobs.routing import limits
from providers.models import ProviderConfig

from . import durations
from .positions import queue_index

_CACHE_SECONDS = 3.0
_PREPARING_SECONDS = 0.5
# Beyond this share of failed attempts the slow end of the range allows for a second attempt.
_FAILING_OFTEN = 0.08
# The time assumed to be left for a film that already takes longer than usual, as a share of the usual time.
_OVERDUE = 0.25


class Promise(NamedTuple):
    """The forecast given at the upload: how many jobs are ahead, and the range in seconds."""

    position: int
    p50: int
    p90: int


@dataclass(frozen=True)
class SlotGroup:
    """Slots of one provider that become free at the same time. All times are seconds from the survey."""

    number: int
    free_in: float
    film: float  # median duration of a film
    period: float  # between two starts in the same slot
    slow: float = 0.0  # duration that nine of ten films stay within

    def started(self, at: float) -> int:
        """Return how many films have started in these slots by then."""
        return self.number * (math.floor((at - self.free_in) / self.period) + 1) if at >= self.free_in else 0

    def last_start(self, at: float) -> float:
        """Return when the newest film here was started, at that time."""
        return self.free_in + self.period * math.floor((at - self.free_in) / self.period)


@dataclass(frozen=True)
class Forecast:
    """The slots that the queue can expect, with median and with slow durations."""

    at: datetime
    is_blocked: bool
    overall: durations.Durations
    median_slots: Sequence[SlotGroup]
    slow_slots: Sequence[SlotGroup]
    collecting: tuple[float, float] = durations.COLLECTING_GUESS
    _found: dict[int, tuple[float, float]] = field(default_factory=dict)

    @property
    def slots(self) -> int:
        """How many films can be rendered at the same time."""
        return sum(groups.number for groups in self.median_slots)

    def wait(self, position: int, *, now: datetime) -> tuple[float, float] | None:
        """Return (median, slow) seconds until the job at this position has its film; None while that is unknown."""
        if not self.median_slots:
            return None
        if position not in self._found:
            self._found[position] = (
                _film_at(self.median_slots, position),
                _slow_film_at(self.slow_slots, position),
            )
        elapsed = max(0.0, (now - self.at).total_seconds())
        median, slow = self._found[position]
        return max(self.overall.median / 2, median - elapsed), max(self.overall.slow / 2, slow - elapsed)


def _film_at(groups: Sequence[SlotGroup], position: int) -> float:
    """Return in how many seconds the film at this queue position is rendered, with median durations."""
    starts_at, taken = _start(groups, position)
    return starts_at + taken.film


def _slow_film_at(groups: Sequence[SlotGroup], position: int) -> float:
    """Return in how many seconds the film at this position is rendered at the latest in nine of ten cases.

    A job that has to wait may get any of the slots, so the slow durations are weighted by how often each slot starts.
    """
    starts_at, taken = _start(groups, position)
    if position < sum(one.number for one in groups if one.free_in <= 0):
        return starts_at + taken.slow
    rates = sorted((one.slow, one.number / one.period) for one in groups if one.free_in <= starts_at + one.period)
    left, slow = 0.9 * sum(rate for _, rate in rates), taken.slow
    for seconds, rate in rates:
        left -= rate
        if left <= 0:
            slow = max(slow, seconds)
            break
    return starts_at + slow


def _start(groups: Sequence[SlotGroup], position: int) -> tuple[float, SlotGroup]:
    """Return when the film at this queue position starts, and in which slots."""
    free = 0
    for one in groups:  # in the order in which providers are asked
        free += one.number if one.free_in <= 0 else 0
        if one.free_in <= 0 and free > position:
            return 0.0, one
    early, late = -1.0, max(one.free_in + one.period * (position + 1) for one in groups)
    while late - early > 0.1:
        middle = (early + late) / 2
        if sum(one.started(middle) for one in groups) > position:
            late = middle
        else:
            early = middle
    taken = max((one for one in groups if one.free_in <= late), key=lambda one: one.last_start(late))
    return max(0.0, taken.last_start(late)), taken


def current_forecast() -> Forecast:
    """Return this process's forecast, computed anew at most every _CACHE_SECONDS."""
    return _cache.get()


_cache = TimedCache(_CACHE_SECONDS, lambda: survey(now=timezone.now()))


def survey(*, now: datetime) -> Forecast:
    """Compute the forecast from the enabled providers and their open attempts."""
    enabled = list(ProviderConfig.objects.in_order())
    opens = {row.id: _opens_in(row, now=now) for row in enabled}
    count = [row for row in enabled if opens[row.id] == 0]
    # A provider that still has to pass its probe counts only when there is no other.
    count = [row for row in count if not row.needs_probe(now=now)] or count
    is_blocked = not count
    count = count or enabled
    in_flight: dict[int, list[float]] = {row.id: [] for row in count}
    held = Attempt.objects.holding_a_slot().among(list(in_flight)).values_list("provider_id", "claimed_at", "status")
    under_way: dict[int, list[float]] = {row.id: [] for row in count}
    for provider_id, claimed_at, status in held:
        age = max(0.0, (now - claimed_at).total_seconds())
        in_flight[provider_id].append(age)
        if status in Attempt.OPEN:
            under_way[provider_id].append(age)
    measured = durations.measure(count, under_way, now=now)
    median: list[SlotGroup] = []
    slow: list[SlotGroup] = []
    for row in count:
        its = measured.by_provider[row.id]
        number = _slot_count(row, its.slot_seconds)
        unlucky = its.slow + (its.median if its.failing > _FAILING_OFTEN else 0.0)
        groups = partial(_slot_groups, row, its.median, number=number, opens_in=opens[row.id], unlucky=unlucky)
        median += groups(its.slot_seconds, in_flight[row.id])
        slow += groups(its.slot_seconds * its.doubt, in_flight[row.id])
    total = sum(groups.number for groups in median)
    if total:
        overall = (sum(one.number * getattr(one, name) for one in median) / total for name in ("film", "slow"))
        found = durations.guessed(*overall)
    else:
        found = durations.guessed(*durations.OUR_GUESS)
    return Forecast(now, is_blocked, found, median, slow, measured.collecting)


def _opens_in(row: ProviderConfig, *, now: datetime) -> float:
    """Return in how many seconds a provider may get jobs, as far as its row tells."""
    opens_at = row.blocked_until(now=now) or now
    if row.is_out_of_budget(now=now):
        opens_at = max(opens_at, limits.day_start(now) + timedelta(days=1))
    return (opens_at - now).total_seconds()


def _slot_count(row: ProviderConfig, film: float) -> int:
    """Return how many slots of a provider its call limit can keep busy, with this many seconds for a film."""
    return max(1, min(row.max_concurrent, int(row.max_per_minute * film / 60)))


def _slot_groups(
    row: ProviderConfig,
    film: float,
    slot_seconds: float,
    in_flight: Sequence[float],
    *,
    number: int,
    opens_in: float,
    unlucky: float,
) -> list[SlotGroup]:
    left = sorted(max(film - age, film * _OVERDUE) for age in in_flight)[-number:]
    period = max(slot_seconds, 60 * number / row.max_per_minute)
    # Rounded to the half second, so that a provider with many slots is a few groups; free slots are one.
    groups = Counter(max(opens_in, round(seconds * 2) / 2) for seconds in left)
    if number > len(left):
        groups[max(opens_in, 0.0)] += number - len(left)
    return [SlotGroup(times, seconds, film, period, unlucky) for seconds, times in sorted(groups.items())]


def promise(turn_key: str, *, now: datetime, photo_cost: int = 1) -> Promise:
    """Return the forecast for a job that is accepted now and gets its turn under this key (`jobs.queue_order`)."""
    turn_at = queue_order.next_turn(turn_key, now=now, photo_cost=photo_cost)
    position = queue_index.position_of(priority=0, turn_at=turn_at)
    return Promise(position, *range_at(current_forecast(), position, now=now))


def range_at(forecast: Forecast, position: int, *, now: datetime) -> tuple[int, int]:
    """Return (p50, p90) in whole seconds for a new job at this queue position."""
    return _whole(*_queue_range(forecast, position, end=settings.JOB_DEADLINE.total_seconds(), now=now))


def waiting(*, limit: int) -> int:
    """Return how many jobs wait in the queue, counting no further than `limit`."""
    return len(Job.objects.in_queue().order_by().values_list("id", flat=True)[:limit])


class Waiting(Protocol):
    """What an estimate needs of a job: its row, or as much of it as a snapshot reads."""

    @property
    def id(self) -> UUID: ...

    @property
    def lane(self) -> str: ...

    @property
    def stage(self) -> str: ...

    @property
    def progress(self) -> float: ...

    @property
    def priority(self) -> int: ...

    @property
    def turn_at(self) -> datetime: ...

    @property
    def deadline_at(self) -> datetime: ...

    @property
    def reason_code(self) -> str: ...

    @property
    def is_final(self) -> bool: ...


def positions(jobs: Iterable[Waiting]) -> dict[UUID, int]:
    """Return how many jobs are ahead of each of these; 0 for a job that no longer waits."""
    return {
        job.id: queue_index.position_of(priority=job.priority, turn_at=job.turn_at) if job.lane in QUEUE_LANES else 0
        for job in jobs
    }


def waits_for_opening(job: Waiting) -> bool:
    """Return whether the job waits in the queue while no provider is open.

    Not while its present reason names a busy provider that will open again: that tells its owner more.
    """
    if job.lane not in QUEUE_LANES or not current_forecast().is_blocked:
        return False
    return job.reason_code != "provider_busy" or not current_forecast().slots


def remaining(job: Waiting, *, position: int, now: datetime) -> dict[str, int]:
    """Return `{"p50", "p90"}`: whole seconds from now until the film, at least 0."""
    if job.is_final:
        return {"p50": 0, "p90": 0}
    forecast = current_forecast()
    its = forecast.overall
    if job.stage in (Job.Stage.COLLECTING, Job.Stage.READY):
        median, slow = forecast.collecting[0], forecast.collecting[1] + 1.0
    elif job.lane in QUEUE_LANES and job.stage in (Job.Stage.ACCEPTED, Job.Stage.PREPARING, Job.Stage.WAITING_FOR_SLOT):
        end = (job.deadline_at - now).total_seconds()
        median, slow = _queue_range(forecast, position, end=end, now=now)
    else:
        done = max(0.0, (job.progress - 0.2) / 0.72)
        median = its.median * (1 - done) + forecast.collecting[0]
        slow = its.slow * (1 - done) + forecast.collecting[1]
    p50, p90 = _whole(median, slow)
    return {"p50": p50, "p90": p90}


def _whole(median: float, slow: float) -> tuple[int, int]:
    """Return a range in whole seconds, at least one second wide."""
    p50 = max(1, round(median))
    return p50, max(2, math.ceil(slow), p50 + 1)


def _queue_range(forecast: Forecast, position: int, *, end: float, now: datetime) -> tuple[float, float]:
    """Return (median, slow) seconds for the job at this position, whose deadline is `end` seconds away."""
    before, after = _PREPARING_SECONDS, forecast.collecting
    found = forecast.wait(position, now=now)
    if found and not forecast.is_blocked:
        return found[0] + before + after[0], found[1] + before + after[1]
    # No provider is open: not before the first one opens, and not beyond the job's deadline.
    end = max(0.0, end - 1.0)
    median, slow = found or (max(forecast.overall.median, end / 2), end)
    median, slow = min(median, end / 2 if median >= end else median), min(slow, end)
    return median + before + after[0], min(end + 1.0, slow + before + after[1])
