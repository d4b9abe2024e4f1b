"""How many people come, second by second: calm, a ramp, the spike held, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """An evening. Rates are people a second, the rest is seconds."""

    peak: float
    calm: float = 50 / 3600
    calm_seconds: float = 10.0
    ramp_seconds: float = 20.0
    hold_seconds: float = 180.0
    back_seconds: float = 20.0

    @property
    def seconds(self) -> float:
        return self.calm_seconds + self.ramp_seconds + self.hold_seconds + self.back_seconds

    def rate_at(self, second: float) -> float:
        """Return how many people come a second at that time."""
        second -= self.calm_seconds
        if second < 0:
            return self.calm
        if second < self.ramp_seconds:
            return self.calm + (self.peak - self.calm) * second / self.ramp_seconds
        second -= self.ramp_seconds
        if second < self.hold_seconds:
            return self.peak
        second -= self.hold_seconds
        if second < self.back_seconds:
            return self.peak + (self.calm - self.peak) * second / self.back_seconds
        return 0.0

    def arrivals(self) -> Iterator[float]:
        """Yield when each person comes, in seconds from the start."""
        step, waiting, second = 0.005, 0.0, 0.0
        while second < self.seconds:
            waiting += self.rate_at(second) * step
            while waiting >= 1:
                waiting -= 1
                yield second
            second += step
