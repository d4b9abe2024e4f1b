"""How long it will take, from what was measured: never a promise, always a range.

A provider with `k` slots that needs `s` seconds a film frees a place every `s / k` seconds, so
somebody with `n` people ahead waits about `n * s / k` for a place and `s` for the film.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from providers.models import ProviderConfig

from . import line
from .models import IN_LINE, Attempt, Job

_SAMPLE = 60
_CACHE_SECONDS = 5.0
# Before anything was measured: a warm studio, and one that has to start.
_FIRST_GUESS = (8.0, 15.0)
_WORK_AROUND_SECONDS = 1.0  # preparing before and collecting after


@dataclass(frozen=True)
class Pace:
    """Seconds from submit to film, median and 90th percentile, and how many films are made at once."""

    median: float
    slow: float
    slots: int


_cached: tuple[float, Pace] | None = None


def measured_pace() -> Pace:
    """Return the present pace over all providers that are open, measured at most every few seconds."""
    global _cached
    if _cached and time.monotonic() - _cached[0] < _CACHE_SECONDS:
        return _cached[1]
    rows = Attempt.objects.filter(status=Attempt.Status.SUCCEEDED, submitted_at__isnull=False).order_by("-id")
    seconds = sorted(
        max(0.1, (finished - submitted).total_seconds())
        for submitted, finished in rows.values_list("submitted_at", "finished_at")[:_SAMPLE]
        if finished
    )
    median, slow = _FIRST_GUESS
    if seconds:
        median, slow = seconds[len(seconds) // 2], seconds[min(len(seconds) - 1, int(len(seconds) * 0.9))]
    pace = Pace(median, slow, _slots(median, now=timezone.now()))
    _cached = (time.monotonic(), pace)
    return pace


def _slots(median: float, *, now: datetime) -> int:
    """Return how many films are made at once where a film takes so long: five calls a minute fill no ten slots."""
    enabled = list(ProviderConfig.objects.in_order())
    open_now = [row for row in enabled if row.shut_until(now=now) is None and not row.is_out_of_budget(now=now)]
    # While all are shut the line moves as fast as it will when the first of them opens.
    filled = [min(row.max_concurrent, row.max_per_minute * median / 60) for row in open_now or enabled]
    return max(1, round(sum(filled)))


def positions(jobs: Iterable[Job]) -> dict[UUID, int]:
    """Return how many jobs stand in line before each of these; 0 for a job that no longer waits."""
    return {job.id: line.place_of(job) if job.lane in IN_LINE else 0 for job in jobs}


def remaining(job: Job, *, position: int, now: datetime) -> dict[str, int]:
    """Return `{"p50", "p90"}`: whole seconds from now until the film, at least 0."""
    if job.is_final:
        return {"p50": 0, "p90": 0}
    pace = measured_pace()
    if job.stage in (Job.Stage.ACCEPTED, Job.Stage.PREPARING, Job.Stage.WAITING_FOR_SLOT):
        rounds = math.ceil((position + 1) / pace.slots) - 1
        median = pace.median * (rounds + 1) + _WORK_AROUND_SECONDS
        slow = pace.slow * (rounds + 1) + _WORK_AROUND_SECONDS
    elif job.stage in (Job.Stage.COLLECTING, Job.Stage.READY):
        median, slow = 1.0, 3.0
    else:
        done = max(0.0, (job.progress - 0.2) / 0.72)
        median, slow = pace.median * (1 - done) + 0.5, pace.slow * (1 - done) + 1.5
    return {"p50": max(1, round(median)), "p90": max(2, round(slow), round(median) + 1)}
