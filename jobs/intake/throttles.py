"""Rate limits per owner and per address.

The counters are in Redis. While it is away all requests are let in, because accepting a job must not depend on Redis
(decision 0069).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import redis
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from jobs.client_address import client_network
from jobs.queue import queues
from jobs.queue.redis_breaker import breaker

_NO_VIEW: Any = None  # none of these throttles looks at the view


# The moments of what was let in are a sorted set, so a request costs one call and no list of all the others.
# KEYS: a set for each throttle that counts the request. ARGV: now, how many to let in, a name for them that no other
# request has, then seconds and limit of each throttle. Each decides by itself.
# Returns for each whether they were let in (all of them or none), how many are in the set then, and the oldest one.
_LET_IN = """
local now, more, told = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for at, set in ipairs(KEYS) do
  local seconds, most = tonumber(ARGV[2 * at + 2]), tonumber(ARGV[2 * at + 3])
  if redis.call('TYPE', set).ok ~= 'zset' then redis.call('DEL', set) end
  redis.call('ZREMRANGEBYSCORE', set, '-inf', now - seconds)
  redis.call('ZREMRANGEBYSCORE', set, now + 1, '+inf')
  local count, is_let_in = redis.call('ZCARD', set), 0
  if count + more <= most then
    for number = 1, more do redis.call('ZADD', set, ARGV[1], ARGV[3] .. number) end
    redis.call('PEXPIRE', set, seconds * 1000)
    count, is_let_in = count + more, 1
  end
  told[3 * at - 2], told[3 * at - 1] = is_let_in, count
  told[3 * at] = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2] or ''
end
return told
"""


class _FailOpenThrottle(SimpleRateThrottle):
    # Set by DRF from `rate`.
    duration: int
    num_requests: int
    _count, _oldest = 0, 0.0  # what is counted, and the oldest of it

    def allow_request(self, request: Request, view: APIView) -> bool:
        return self.charge(request, 1)

    def charge(self, request: Request, more: int) -> bool:
        """Count `more` requests; when they are too many, return False and count none."""
        return not _refusing([self], request, more)

    def wait(self) -> float | None:
        """Return after how many seconds the next request is worth trying."""
        left = self.duration - (self.now - self._oldest) if self._count else float(self.duration)
        free = self.num_requests - self._count + 1
        return left / free if free > 0 else None

    def _address(self, request: Request) -> str:
        return client_network(request)


def count(throttles: Sequence[_FailOpenThrottle], request: Any) -> None:
    """Count a request by all of these in one call; raise Throttled, with the longest wait, when one refuses it."""
    if refusing := _refusing(throttles, request, 1):
        raise Throttled(max((wait for each in refusing if (wait := each.wait()) is not None), default=None))


def _refusing(throttles: Sequence[_FailOpenThrottle], request: Any, more: int) -> list[_FailOpenThrottle]:
    """Count `more` requests by each of these that lets in all of them, and return the others."""
    keys = {key: each for each in throttles if (key := each.get_cache_key(request, _NO_VIEW)) is not None}
    if not keys or more <= 0:
        return []
    asked, now = list(keys.values()), throttles[0].timer()
    limits = [value for each in asked for value in (each.duration, each.num_requests)]
    for each in asked:
        each.now = now
    try:
        with breaker.guard():
            # Written out each time: Redis knows a script by its digest, and keeps it.
            told = queues.client().eval(_LET_IN, len(keys), *keys, repr(now), more, secrets.token_hex(8), *limits)
    except (redis.RedisError, OSError):
        return []
    refusing = []
    for each, is_let_in, counted, oldest in zip(asked, told[::3], told[1::3], told[2::3], strict=True):
        each._count, each._oldest = counted, float(oldest or now)
        if not is_let_in:
            refusing.append(each)
    return refusing


class UploadsPerOwner(_FailOpenThrottle):
    scope = "uploads"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return f"throttle:uploads:{request.auth}" if request.auth else None


class UploadsPerAddress(_FailOpenThrottle):
    scope = "uploads_address"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return f"throttle:uploads_address:{self._address(request)}"


class Reads(_FailOpenThrottle):
    scope = "reads"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return f"throttle:reads:{request.auth or self._address(request)}"


class ReportsPerAddress(_FailOpenThrottle):
    scope = "reports"
    rate = "10/hour"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return f"throttle:reports:{self._address(request)}"


def count_report(request: HttpRequest) -> None:
    """Count a report about a shared film; raise Throttled beyond the limit."""
    throttle = ReportsPerAddress()
    asked: Any = SimpleNamespace(auth="", META=request.META, headers=request.headers)
    if not throttle.allow_request(asked, _NO_VIEW):
        raise Throttled(throttle.wait())


class VerificationsPerAddress(_FailOpenThrottle):
    """Files that are looked at for labels: whoever may ask without end learns how to remove one."""

    scope = "verifications"
    rate = "30/min"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return f"throttle:verifications:{self._address(request)}"


def count_verification(request: HttpRequest) -> None:
    """Count a file whose labels are read; raise Throttled beyond the limit."""
    throttle = VerificationsPerAddress()
    asked: Any = SimpleNamespace(auth="", META=request.META, headers=request.headers)
    if not throttle.allow_request(asked, _NO_VIEW):
        raise Throttled(throttle.wait())


class Notify(_FailOpenThrottle):
    """E-mail addresses and push subscriptions."""

    scope = "notify"

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        return f"throttle:notify:{request.auth or self._address(request)}"


def charge_upload(request: Any, owner: str, photo_cost: int) -> None:
    """Count an upload that was counted once for each unit that opening its photo costs; raise Throttled for too many.

    A limit of 60 uploads is one of 60 ordinary photos, or of six that cost ten times as much (`photos.decode_cost`).
    """
    asked = SimpleNamespace(auth=owner, META=request.META, headers=request.headers)
    for throttle in (UploadsPerOwner(), UploadsPerAddress()):
        if not throttle.charge(asked, photo_cost - 1):  # type: ignore[arg-type]
            raise Throttled(throttle.wait())


def count_upload(request: HttpRequest, owner: str) -> None:
    """Count an upload by a page's form; raise Throttled beyond the limit."""
    asked: Any = SimpleNamespace(auth=owner, META=request.META, headers=request.headers)
    for throttle in (UploadsPerOwner(), UploadsPerAddress()):
        if not throttle.allow_request(asked, _NO_VIEW):
            raise Throttled(throttle.wait())
