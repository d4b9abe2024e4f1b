"""What attempts say about their provider: about its health, and about how fast its model starts.

It is collected while jobs and attempts are written, and written afterwards (or before, when the next claim has to know
it) in transactions of its own: claims lock a provider first and jobs second, so a transaction that holds jobs must not
wait for a provider.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from jobs.models import Attempt

from . import breaker, cold_starts
from .breaker import HealthSignal


class HealthSignals:
    """Collects the signals of several attempts until `write`."""

    def __init__(self) -> None:
        self.observations: list[breaker.Observation] = []
        self.sightings: list[cold_starts.Sighting] = []

    def judge(
        self, attempt: Attempt, signal: HealthSignal, *, error: str = "", retry_after: timedelta | None = None
    ) -> None:
        """Add what an attempt says about its provider's health."""
        self.observations.append(
            breaker.Observation(attempt.provider_id, signal, attempt.claimed_at, retry_after=retry_after, error=error)
        )

    def working(self, attempt: Attempt, *, now: datetime) -> None:
        """Add that an attempt is being worked on, the first time with how long that took."""
        to_sign = _since_submit(attempt, now) if attempt.first_sign_at is None else None
        self.sightings.append(cold_starts.Sighting(attempt.provider_id, now, attempt.was_cold, to_sign=to_sign))

    def finished(self, attempt: Attempt, *, now: datetime) -> None:
        """Add that an attempt's film is finished."""
        took = _since_submit(attempt, now)
        to_sign = took if attempt.first_sign_at is None else None
        self.sightings.append(
            cold_starts.Sighting(attempt.provider_id, now, attempt.was_cold, to_sign=to_sign, to_film=took)
        )
        self.judge(attempt, HealthSignal.FINISHED)

    def write(self) -> None:
        """Write what was collected to the breakers and start times, and begin anew."""
        observations, sightings = self.observations, self.sightings
        self.observations, self.sightings = [], []
        breaker.write(observations)
        cold_starts.write(sightings)


def _since_submit(attempt: Attempt, now: datetime) -> float:
    return (now - (attempt.submitted_at or attempt.claimed_at)).total_seconds()
