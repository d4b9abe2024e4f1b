"""Rate limits per owner and per address.

The counters are in Redis. While it is away all requests are let in, because accepting a job must not depend on Redis
(decision 0069).
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import redis
from django.core.cache import cache
from django.http import HttpRequest
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from jobs.client_address import client_network
from jobs.queue.redis_breaker import breaker

_NO_VIEW: Any = None  # none of these throttles looks at the view


class _Histories:
    """The cache, read as what throttles keep in it: moments, newest first. Anything else is dropped."""

    def get(self, key: str, default: list[float]) -> list[float]:
        kept = cache.get(key, default)
        if isinstance(kept, list) and all(type(at) in (int, float) and 0 <= at <= time.time() + 1 for at in kept):
            return kept
        cache.delete(key)
        return default

    def set(self, key: str, value: list[float], timeout: float) -> None:
        cache.set(key, value, timeout)


class _FailOpenThrottle(SimpleRateThrottle):
    # Set by DRF from `rate`.
    duration: int
    num_requests: int

    cache = _Histories()  # type: ignore[assignment]  # DRF asks for `get` and `set` alone

    def allow_request(self, request: Request, view: APIView) -> bool:
        try:
            with breaker.guard():
                return super().allow_request(request, view)
        except (redis.RedisError, OSError):
            return True

    def charge(self, request: Request, more: int) -> bool:
        """Count `more` requests besides the one that was counted; when they are too many, return False and count none.

        As `allow_request` counts: a list of times under the same key.
        """
        key = self.get_cache_key(request, _NO_VIEW)
        if key is None or more <= 0:
            return True
        try:
            with breaker.guard():
                self.now = self.timer()
                self.history = [at for at in self.cache.get(key, []) if at > self.now - self.duration]
                if len(self.history) + more > self.num_requests:
                    return False
                self.cache.set(key, [self.now] * more + self.history, self.duration)
        except (redis.RedisError, OSError):
            return True
        return True

    def _address(self, request: Request) -> str:
        return client_network(request)


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
