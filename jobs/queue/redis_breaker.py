"""A circuit breaker before Redis: a server that is down, hangs or is slow costs one wait, not one for each use.

    open ──time-out, refused, slow──► blocked for a moment ──► one caller tries ──answered──► open
                                          ▲                         │ failed
                                          └─────────────────────────┘

Throttles, nudges and pushes share the gate, because one request may use all three and should wait at most once. An
error that the server answers at once (out of memory, say) does not block it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import redis

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
# A request asks several times, so an answer this slow counts as a failure.
SLOW_SECONDS = 0.35
# For how long one caller may try while all others stay blocked; longer than any time-out of a client.
TRY_SECONDS = 5.0


class Blocked(redis.ConnectionError):
    """Redis failed a moment ago and is not asked now."""


class Gate:
    """Stands before everything that speaks to Redis in this process; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Know nothing of any failure."""
        self._open_until = 0.0
        self._away_since: float | None = None

    @property
    def is_blocked(self) -> bool:
        return time.monotonic() < self._open_until

    @contextmanager
    def ask(self) -> Iterator[None]:
        """Let the caller use Redis in this context; raise Blocked at once while it must not."""
        started = time.monotonic()
        with self._lock:
            if started < self._open_until:
                raise Blocked("failed a moment ago")
            if self._away_since is not None:
                self._open_until = started + TRY_SECONDS
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self._block(type(error).__name__)
            raise
        except redis.RedisError:
            self._answered()  # it is there, and refuses
            raise
        except BaseException:
            self._answered()
            raise
        if time.monotonic() - started > SLOW_SECONDS:
            self._block("slow")
        else:
            self._answered()

    def _block(self, why: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._open_until = now + PAUSE_SECONDS
            is_news, self._away_since = self._away_since is None, self._away_since or now
        if is_news:
            logger.warning("redis_away error=%s", why)

    def _answered(self) -> None:
        if self._away_since is None:
            return
        with self._lock:
            since, self._away_since = self._away_since, None
            self._open_until = 0.0
        if since is not None:
            logger.warning("redis_back after_seconds=%.1f", time.monotonic() - since)


gate = Gate()
