"""How fast models start cold and warm, measured with every film, and whether a model is warm now.

A model is cold when it has not worked for longer than its provider's `warm_for`. For each provider and model the
newest SAMPLES durations are kept, of cold and of warm starts: from the submit to the first sign of work, and to the
film. Percentiles are computed from these, so they follow when a vendor changes. For a vendor that reports no progress
the film is the first sign of work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from jobs.models import StartTimes
from providers.models import ProviderConfig

SAMPLES = 50
ENOUGH = 3
# Cold starts matter when they are measured to take this much longer, in seconds and as a factor.
NOTABLE_SECONDS, NOTABLE_TIMES = 2.0, 1.5
# Before anything was measured.
FIRST_GUESS = timedelta(seconds=10)
LEAST_PATIENCE = timedelta(seconds=2)
# Each process writes `worked_at` at most this often.
WORK_NOTED_EVERY_SECONDS = 5.0
# Where there are SAMPLES already, each process writes more of them at most this often, and keeps them meanwhile. What
# it has not written when it ends is lost.
KEPT_SECONDS = 1.0

COLD_SIGN, COLD_FILM, WARM_SIGN, WARM_FILM = "cold_sign", "cold_film", "warm_sign", "warm_film"


@dataclass(frozen=True)
class Sighting:
    """A model was seen at work; with durations in seconds where they are new."""

    provider_id: int
    at: datetime
    was_cold: bool = False
    to_sign: float | None = None
    to_film: float | None = None


@dataclass(frozen=True)
class Known:
    """The measured start times of one provider's present model."""

    samples: dict[str, list[float]]
    worked_at: datetime | None = None
    cold_count: int = 0
    warm_count: int = 0

    def percentile(self, kind: str, share: float) -> float | None:
        """Return the seconds that this share of the newest samples stayed within; None without samples."""
        return percentile(self.samples.get(kind, ()), share)

    def is_awake(self, provider: ProviderConfig, *, now: datetime) -> bool:
        return self.worked_at is not None and now - self.worked_at < provider.warm_for

    def falls_asleep(self, provider: ProviderConfig) -> bool:
        """Return whether cold starts matter: by measurement, or until there is enough of it by the adapter's word."""
        cold, warm = self.samples.get(COLD_SIGN, ()), self.samples.get(WARM_SIGN, ())
        if len(cold) >= ENOUGH and len(warm) >= ENOUGH:
            cold_median, warm_median = percentile(cold, 0.5) or 0.0, percentile(warm, 0.5) or 0.0
            return cold_median >= warm_median + NOTABLE_SECONDS and cold_median >= warm_median * NOTABLE_TIMES
        return provider.capabilities.can_keep_warm

    def is_warm(self, provider: ProviderConfig, *, now: datetime) -> bool:
        """Return whether a job sent now would start at once, as far as is known."""
        return not self.falls_asleep(provider) or self.is_awake(provider, now=now)

    def patience(self) -> timedelta:
        """Return after how much silence a submitted prediction is assumed to wait for a cold model."""
        warm = self.samples.get(WARM_SIGN, ())
        if len(warm) < ENOUGH:
            return FIRST_GUESS
        return max(LEAST_PATIENCE, timedelta(seconds=percentile(warm, 0.9) or 0.0))


def percentile(seconds: Sequence[float], share: float) -> float | None:
    """Return the value that this share of the numbers does not exceed (nearest rank), None without numbers."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def known_of(providers: Iterable[ProviderConfig]) -> dict[int, Known]:
    """Return the measured start times of each provider's present model, by provider id."""
    providers = list(providers)
    rows: dict[int, list[StartTimes]] = {provider.id: [] for provider in providers}
    for row in StartTimes.objects.filter(provider__in=list(rows)):
        rows[row.provider_id].append(row)
    return {provider.id: known_from(rows[provider.id], provider.model) for provider in providers}


def known_from(rows: Iterable[StartTimes], model: str) -> Known:
    """Return the measured start times of one model from its provider's rows."""
    for row in rows:
        if row.model == model:
            return Known(row.samples, row.worked_at, row.cold_count, row.warm_count)
    return Known({})


_noted: dict[int, float] = {}
_lock = threading.Lock()


def write(seen: Iterable[Sighting]) -> None:
    """Add sightings to the samples: one short transaction per provider, none when nothing is new."""
    by_provider: dict[int, list[Sighting]] = {}
    for work in seen:
        by_provider.setdefault(work.provider_id, []).append(work)
    for provider_id, works in by_provider.items():
        if _is_news(provider_id, works) and (due := _kept.add(provider_id, works)):
            _kept.has_many[provider_id] = _write_one(provider_id, due)


class _Kept:
    """Sightings that are not written yet, by provider."""

    def __init__(self) -> None:
        self.has_many: dict[int, bool] = {}  # whether its row had SAMPLES when it was written last
        self._waiting: dict[int, list[Sighting]] = {}
        self._written_at: dict[int, float] = {}

    def add(self, provider_id: int, works: Sequence[Sighting]) -> list[Sighting]:
        """Add sightings; return all that are due to be written now, and forget them."""
        with _lock:
            waiting = self._waiting.setdefault(provider_id, [])
            waiting += works
            now = time.monotonic()
            is_early = now - self._written_at.get(provider_id, float("-inf")) < KEPT_SECONDS
            if is_early and self.has_many.get(provider_id):
                return []
            self._written_at[provider_id] = now
            return self._waiting.pop(provider_id)

    def clear(self) -> None:
        with _lock:
            for known in (self.has_many, self._waiting, self._written_at):
                known.clear()


_kept = _Kept()


def _is_news(provider_id: int, works: Sequence[Sighting]) -> bool:
    with _lock:
        stale = time.monotonic() - _noted.get(provider_id, float("-inf")) >= WORK_NOTED_EVERY_SECONDS
        if not stale and all(work.to_sign is None and work.to_film is None for work in works):
            return False
        _noted[provider_id] = time.monotonic()
        return True


def _write_one(provider_id: int, works: Sequence[Sighting]) -> bool:
    """Write sightings to the row of the provider's present model; return whether it has SAMPLES of a kind."""
    model = ProviderConfig.objects.filter(id=provider_id).values_list("model", flat=True).first()
    if model is None:
        return False
    rows = StartTimes.objects.filter(provider_id=provider_id, model=model)
    if not rows.exists():
        try:
            with transaction.atomic():
                StartTimes.objects.create(provider_id=provider_id, model=model)
        except IntegrityError:
            pass  # another process has just created it
    with transaction.atomic():
        row = rows.select_for_update().first()
        if row is not None:
            _learn(row, works)
            row.save(update_fields=["samples", "cold_count", "warm_count", "worked_at"])
    return row is not None and any(len(known) >= SAMPLES for known in row.samples.values())


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
