"""A circuit breaker before a server of our own infrastructure: one that is away costs one wait, not one for each use.

    closed ──failed──► open for `pause_seconds` ──► one caller tries ──answered──► closed
                              ▲                            │ failed
                              └────────────────────────────┘

What counts as a failure is for its user to say, who knows the errors of the client. The breakers of providers, which
staff see and all processes share, are rows instead: `jobs/routing/breaker.py`.
"""

from __future__ import annotations

import logging
import threading
import time


class CircuitOpen(Exception):
    """The server failed a moment ago and is not asked now."""


class CircuitBreaker:
    """Stands before everything in this process that speaks to one server; threads share it.

    `name` begins the two lines that an outage leaves in the log: `<name>_away` and `<name>_back`. While one caller
    tries after the pause nobody else does, for `try_seconds` at most, which is longer than any time-out of the client.
    """

    def __init__(
        self,
        name: str,
        logger: logging.Logger,
        *,
        pause_seconds: float,
        try_seconds: float,
        away_level: int = logging.WARNING,
    ) -> None:
        self.name, self.pause_seconds, self.try_seconds = name, pause_seconds, try_seconds
        self._logger, self._away_level = logger, away_level
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Know nothing of any failure."""
        self._open_until = 0.0
        self._away_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether a caller would be refused now."""
        return time.monotonic() < self._open_until

    def enter(self) -> None:
        """Return when the caller may ask, and owes a `failed` or an `answered`; raise CircuitOpen when it must not."""
        now = time.monotonic()
        with self._lock:
            if now < self._open_until:
                raise CircuitOpen(f"{self.name} failed a moment ago")
            if self._away_since is not None:
                self._open_until = now + self.try_seconds

    def failed(self, reason: str) -> None:
        """Ask nothing for the length of the pause."""
        now = time.monotonic()
        with self._lock:
            self._open_until = now + self.pause_seconds
            is_news, self._away_since = self._away_since is None, self._away_since or now
        if is_news:
            self._logger.log(self._away_level, "%s_away error=%s", self.name, reason)

    def answered(self) -> None:
        """Let everybody ask again."""
        if self._away_since is None:
            return
        with self._lock:
            since, self._away_since = self._away_since, None
            self._open_until = 0.0
        if since is not None:
            self._logger.warning("%s_back after_seconds=%.1f", self.name, time.monotonic() - since)
