"""Sums since midnight (UTC): counters that machines read. They start at 0 every day, which they take for a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from jobs.models import JobMinute, ProviderMinute

_JOBS = ("accepted", "succeeded", "failed", "canceled", "promised", "kept", "first_frames", "films")
_PROVIDER = ("refused", "succeeded", "failed", "cold", "cost", "submits", "films")


@dataclass
class Sums:
    """Counts by the name of their column, and histograms likewise. `cost` is in US dollars."""

    counts: Counter[str] = field(default_factory=Counter)
    histograms: dict[str, Counter[str]] = field(default_factory=dict)
    cost: Decimal = Decimal(0)

    def add(self, names: Sequence[str], values: Sequence[Any]) -> None:
        """Add the values of a row: numbers to the counts, histograms to the histograms."""
        for name, value in zip(names, values, strict=True):
            if isinstance(value, dict):
                self.histograms.setdefault(name, Counter()).update(value)
            elif isinstance(value, Decimal):
                self.cost += value
            else:
                self.counts[name] += value


def today(*, now: datetime) -> tuple[Sums, Mapping[int, Sums]]:
    """Return the sums of the day: of all jobs, and of each provider that worked, by its id. Two queries."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    jobs = Sums()
    providers: dict[int, Sums] = {}
    for row in JobMinute.objects.filter(minute__gte=midnight, minute__lte=now).order_by().values_list(*_JOBS):
        jobs.add(_JOBS, row)
    minutes = ProviderMinute.objects.filter(minute__gte=midnight, minute__lte=now).order_by()
    for provider_id, *its in minutes.values_list("provider_id", *_PROVIDER):
        providers.setdefault(provider_id, Sums()).add(_PROVIDER, its)
    return jobs, providers
