"""A circuit breaker before Redis: a server that is down, hangs or is slow costs one wait, not one for each use.

Throttles, nudges and pushes share it, because one request may use all three and should wait at most once. An error
that the server answers at once (out of memory, say) does not open it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import redis
from django.conf import settings

from common.circuit_breaker import CircuitBreaker, CircuitOpen

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
# A request asks several times, so an answer this slow counts as a failure.
SLOW_SECONDS = 0.35
# Longer than any time-out of a client.
TRY_SECONDS = 5.0


class Blocked(redis.ConnectionError):
    """Redis failed a moment ago and is not asked now."""


class RedisBreaker(CircuitBreaker):
    """Stands before everything that speaks to one server in this process."""

    def __init__(self) -> None:
        super().__init__("redis", logger, pause_seconds=PAUSE_SECONDS, try_seconds=TRY_SECONDS)

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let the caller use Redis in this context; raise Blocked at once while it must not."""
        started = time.monotonic()
        try:
            self.enter()
        except CircuitOpen as error:
            raise Blocked(str(error)) from None
        try:
            yield
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self.failed(type(error).__name__)
            raise
        except BaseException:
            self.answered()  # it is there, and refuses; or the error is not of its making
            raise
        if time.monotonic() - started > SLOW_SECONDS:
            self.failed("slow")
        else:
            self.answered()


# Before the server of REDIS_URL.
breaker = RedisBreaker()


def breaker_for(url: str) -> RedisBreaker:
    """Return the breaker before a server: one that is away closes no other."""
    return breaker if url == settings.REDIS_URL else _another(url)


@lru_cache(maxsize=64)
def _another(url: str) -> RedisBreaker:
    return RedisBreaker()
