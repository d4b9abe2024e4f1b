"""The age of the backlog: how long a job that comes now would wait, from what left the queue while somebody waited.

A rate measured while nobody waited is what people asked for and says nothing of what we can do. So capacity is measured
only over a time during which the queue was never empty, over at least SHORTEST_SECONDS of it. Until then, and while a
provider outage lets nothing through, the capacity measured before counts, for FORGOTTEN_SECONDS.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

SHORTEST_SECONDS, LONGEST_SECONDS = 10.0, 300.0
# The window grows until so many jobs left in it, so that one film every twelve seconds is a rate and not noise.
ENOUGH = 20
FORGOTTEN_SECONDS = 900.0


class Backlog(NamedTuple):
    """What waits: how many jobs, how many leave a second (None while unknown), and how many seconds that is."""

    waiting: int
    capacity: float | None
    seconds: float


class _Sample(NamedTuple):
    at: float
    left: int


class BacklogMeter:
    """Measures one queue. All times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._pressed: deque[_Sample] = deque()  # since the queue was last empty
        self._capacity: float | None = None
        self._measured_at = self._left_at = 0.0

    def observe(self, *, at: float, waiting: int, left: int) -> Backlog:
        """Add that so many wait now and so many left since the last call; return the backlog."""
        if not waiting:
            self._pressed.clear()
            self._left_at = at
            return Backlog(0, self._known(at), 0.0)
        if not self._pressed:
            self._left_at = at
            left = 0  # they left before this time began
        self._pressed.append(_Sample(at, left))
        if left:
            self._left_at = at
        while self._pressed[0].at < at - LONGEST_SECONDS:
            self._pressed.popleft()
        # While nothing leaves at all, a provider is away: how long that lasts is counted instead.
        if left and (rate := self._rate(at)):
            self._capacity, self._measured_at = rate, at
        capacity = self._known(at)
        wait = waiting / capacity if capacity else 0.0
        return Backlog(waiting, capacity, max(wait, at - self._left_at))

    def _known(self, at: float) -> float | None:
        return self._capacity if at - self._measured_at <= FORGOTTEN_SECONDS else None

    def _rate(self, at: float) -> float:
        """Return how many leave a second, over the shortest time in which enough of them did; 0 while unknown."""
        left = 0
        since = at
        for sample in reversed(self._pressed):
            since = sample.at
            if left >= ENOUGH and at - since >= SHORTEST_SECONDS:
                break
            left += sample.left
        return left / (at - since) if at - since >= SHORTEST_SECONDS else 0.0
