"""Sums over the newest minutes: what pages, alerts and `/metrics` show.

The present minute is not over, so a rate is that of a minute that ends now: what the present minute has, and of the
minute before the part that is not yet 60 seconds ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from jobs.models import JobMinute, ProviderMinute

from . import histograms
from .arithmetic import MINUTE, start_of

# Spreads, shares and costs are those of so long.
WINDOW = timedelta(minutes=15)
# Refusals count as one series while no more minutes than this pass without any.
_GAP = timedelta(minutes=3)


@dataclass(frozen=True)
class Flow:
    """What goes on with jobs: rates a minute, gauges at `at`, and histograms and promises of the last WINDOW."""

    at: datetime | None = None
    accepted: float = 0.0
    succeeded: float = 0.0
    failed: float = 0.0
    canceled: float = 0.0
    waiting: int | None = None
    in_flight: int | None = None
    collecting: int | None = None
    first_frames: histograms.Histogram = field(default_factory=dict)
    films: histograms.Histogram = field(default_factory=dict)
    promised: int = 0
    kept: int = 0

    @property
    def left(self) -> float:
        """How many jobs a minute leave, with a film or without."""
        return self.succeeded + self.failed + self.canceled


@dataclass(frozen=True)
class ProviderFlow:
    """What goes on at one provider: refusals and films of a minute that ends now, since when, and sums of WINDOW."""

    refused: float = 0.0
    refused_since: datetime | None = None
    finished: float = 0.0
    succeeded: int = 0
    failed: int = 0
    cold: int = 0
    cost: Decimal = Decimal(0)
    submits: histograms.Histogram = field(default_factory=dict)
    films: histograms.Histogram = field(default_factory=dict)
    failed_since: datetime | None = None

    @property
    def success(self) -> float | None:
        """The share of attempts that made a film, None without any."""
        total = self.succeeded + self.failed
        return self.succeeded / total if total else None


def newest(*, now: datetime, length: timedelta) -> list[JobMinute]:
    """Return the minutes of so long, the oldest first. One query of as many small rows."""
    rows = JobMinute.objects.filter(minute__gt=now - length, minute__lte=now)
    return list(rows.order_by("minute"))


def flow(minutes: Sequence[JobMinute], *, now: datetime) -> Flow:
    """Return what goes on, by the newest minutes (the oldest first, WINDOW of them at least)."""
    if not minutes:
        return Flow()
    last = minutes[-1]
    recent = [row for row in minutes if row.minute > now - WINDOW]
    weights = _weights([row.minute for row in minutes[-2:]], last.written_at)
    rates = {
        name: sum(getattr(row, name) * weights.get(row.minute, 0.0) for row in minutes[-2:])
        for name in ("accepted", "succeeded", "failed", "canceled")
    }
    measured = next((row for row in reversed(minutes) if row.waiting is not None), last)
    return Flow(
        at=last.written_at,
        **rates,
        waiting=measured.waiting,
        in_flight=measured.in_flight,
        collecting=measured.collecting,
        first_frames=histograms.added(row.first_frames for row in recent),
        films=histograms.added(row.films for row in recent),
        promised=sum(row.promised for row in recent),
        kept=sum(row.kept for row in recent),
    )


def over(provider_ids: Sequence[int], *, at: datetime, length: timedelta) -> dict[int, ProviderFlow]:
    """Return what goes on at each provider at that time, looking back so long for when its trouble began."""
    rows = ProviderMinute.objects.filter(minute__gt=at - length, minute__lte=at, provider__in=list(provider_ids))
    by_provider: dict[int, list[ProviderMinute]] = {provider_id: [] for provider_id in provider_ids}
    for row in rows.order_by("minute"):
        by_provider[row.provider_id].append(row)
    return {provider_id: _provider_flow(its, at=at) for provider_id, its in by_provider.items()}


def _provider_flow(minutes: Sequence[ProviderMinute], *, at: datetime) -> ProviderFlow:
    recent = [row for row in minutes if row.minute > at - WINDOW]
    weights = _weights([start_of(at) - MINUTE, start_of(at)], at)
    return ProviderFlow(
        refused=sum(row.refused * weights.get(row.minute, 0.0) for row in recent),
        refused_since=_since([row.minute for row in minutes if row.refused], at=at),
        finished=sum(row.succeeded * weights.get(row.minute, 0.0) for row in recent),
        succeeded=sum(row.succeeded for row in recent),
        failed=sum(row.failed for row in recent),
        cold=sum(row.cold for row in recent),
        cost=sum((row.cost for row in recent), Decimal(0)),
        submits=histograms.added(row.submits for row in recent),
        films=histograms.added(row.films for row in recent),
        failed_since=_since([row.minute for row in minutes if row.failed], at=at),
    )


def _weights(minutes: Sequence[datetime], at: datetime) -> dict[datetime, float]:
    """Return which part of each of the two newest minutes lies within 60 seconds before `at`."""
    last = minutes[-1]
    share = min(1.0, max(0.0, (at - last) / MINUTE))
    weights = {last: 1.0}
    if len(minutes) > 1 and minutes[-2] == last - MINUTE:
        weights[minutes[-2]] = 1.0 - share
    return weights


def _since(minutes: Sequence[datetime], *, at: datetime) -> datetime | None:
    """Return when the series of minutes that reaches until now began."""
    since, after = None, at
    for minute in reversed(minutes):
        if after - minute > _GAP:
            break
        since = after = minute
    return since
