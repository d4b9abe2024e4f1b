"""How fast models start, learned from every film, and whether one is awake.

For each provider and model the newest SAMPLES times are kept, of attempts that found it asleep (cold: no work
for longer than the provider's `warm_for`) and awake (warm): from the submit until the first sign of work, and until
the film. Percentiles are of those, so they follow when a vendor changes. For a vendor that shows no work
before the film, the film is the first sign.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from jobs.models import StartTimes
from providers.models import ProviderConfig

SAMPLES = 50
ENOUGH = 3
# Being asleep matters when it is learned to cost at least this much, and this many times as long.
NOTABLE_SECONDS, NOTABLE_TIMES = 2.0, 1.5
# Before anything was learned.
FIRST_GUESS = timedelta(seconds=10)
LEAST_PATIENCE = timedelta(seconds=2)
# `worked_at` is written no more often than this by one process.
WORK_NOTED_EVERY_SECONDS = 5.0

COLD_SIGN, COLD_FILM, WARM_SIGN, WARM_FILM = "cold_sign", "cold_film", "warm_sign", "warm_film"


@dataclass(frozen=True)
class Sighting:
    """A model was seen at work; with seconds where they are news."""

    provider_id: int
    at: datetime
    was_cold: bool = False
    to_sign: float | None = None
    to_film: float | None = None


@dataclass(frozen=True)
class Known:
    """What is known of one provider's present model."""

    samples: dict[str, list[float]]
    worked_at: datetime | None = None
    cold_count: int = 0
    warm_count: int = 0

    def percentile(self, kind: str, share: float) -> float | None:
        """Return the seconds within which that share of the newest starts (or films) came; None when unknown."""
        return percentile(self.samples.get(kind, ()), share)

    def is_awake(self, provider: ProviderConfig, *, now: datetime) -> bool:
        return self.worked_at is not None and now - self.worked_at < provider.warm_for

    def falls_asleep(self, provider: ProviderConfig) -> bool:
        """Whether it matters if the model is awake: learned, or said by the adapter until enough was learned."""
        cold, warm = self.samples.get(COLD_SIGN, ()), self.samples.get(WARM_SIGN, ())
        if len(cold) >= ENOUGH and len(warm) >= ENOUGH:
            cold_median, warm_median = percentile(cold, 0.5) or 0.0, percentile(warm, 0.5) or 0.0
            return cold_median >= warm_median + NOTABLE_SECONDS and cold_median >= warm_median * NOTABLE_TIMES
        return provider.capabilities.can_keep_warm

    def is_warm(self, provider: ProviderConfig, *, now: datetime) -> bool:
        """Whether a job sent now would start at once, as far as anybody can tell."""
        return not self.falls_asleep(provider) or self.is_awake(provider, now=now)

    def patience(self) -> timedelta:
        """Return after how much silence a submitted prediction is presumably waiting for its model to wake."""
        warm = self.samples.get(WARM_SIGN, ())
        if len(warm) < ENOUGH:
            return FIRST_GUESS
        return max(LEAST_PATIENCE, timedelta(seconds=percentile(warm, 0.9) or 0.0))


def percentile(seconds: Sequence[float], share: float) -> float | None:
    """Return the value below or at which that share of the numbers lies (nearest rank), None without any."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def known_of(providers: Collection[ProviderConfig]) -> dict[int, Known]:
    """Return what is known of each provider's present model."""
    rows: dict[int, list[StartTimes]] = {provider.id: [] for provider in providers}
    for row in StartTimes.objects.filter(provider__in=list(rows)):
        rows[row.provider_id].append(row)
    return {provider.id: known_from(rows[provider.id], provider.model) for provider in providers}


def known_from(rows: Iterable[StartTimes], model: str) -> Known:
    """Return what a provider's rows say of one of its models."""
    for row in rows:
        if row.model == model:
            return Known(row.samples, row.worked_at, row.cold_count, row.warm_count)
    return Known({})


_noted: dict[int, float] = {}
_lock = threading.Lock()


def write(seen: Iterable[Sighting]) -> None:
    """Learn from what was seen. One short transaction a provider, none when there is nothing new to say."""
    by_provider: dict[int, list[Sighting]] = {}
    for work in seen:
        by_provider.setdefault(work.provider_id, []).append(work)
    for provider_id, works in by_provider.items():
        if _is_news(provider_id, works):
            _write_one(provider_id, works)


def _is_news(provider_id: int, works: Sequence[Sighting]) -> bool:
    with _lock:
        stale = time.monotonic() - _noted.get(provider_id, float("-inf")) >= WORK_NOTED_EVERY_SECONDS
        if not stale and all(work.to_sign is None and work.to_film is None for work in works):
            return False
        _noted[provider_id] = time.monotonic()
        return True


def _write_one(provider_id: int, works: Sequence[Sighting]) -> None:
    model = ProviderConfig.objects.filter(id=provider_id).values_list("model", flat=True).first()
    if model is None:
        return
    rows = StartTimes.objects.filter(provider_id=provider_id, model=model)
    if not rows.exists():
        try:
            with transaction.atomic():
                StartTimes.objects.create(provider_id=provider_id, model=model)
        except IntegrityError:
            pass  # somebody else has just made it
    with transaction.atomic():
        row = rows.select_for_update().first()
        if row is not None:
            _learn(row, works)
            row.save(update_fields=["samples", "cold_count", "warm_count", "worked_at"])


def _learn(row: StartTimes, works: Sequence[Sighting]) -> None:
    for work in works:
        sign, film = (COLD_SIGN, COLD_FILM) if work.was_cold else (WARM_SIGN, WARM_FILM)
        for kind, seconds in ((sign, work.to_sign), (film, work.to_film)):
            if seconds is not None:
                row.samples[kind] = [*row.samples.get(kind, []), round(max(0.0, seconds), 2)][-SAMPLES:]
        if work.to_film is not None:
            row.cold_count += work.was_cold
            row.warm_count += not work.was_cold
        row.worked_at = max(row.worked_at or work.at, work.at)
