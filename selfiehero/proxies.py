"""Warns operators of a proxy that the settings know nothing of.

With TRUSTED_PROXIES=0 the X-Forwarded headers are ignored, so behind a proxy every visitor has the proxy's address: one
limit for all. A visitor can send the headers too, so this is a warning and changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)

FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host")
ADVICE = (
    "requests arrive with {headers} while TRUSTED_PROXIES is 0, so all visitors behind a proxy share one limit: set "
    "TRUSTED_PROXIES to the number of proxies in front (without any, a visitor sends these headers: nothing is wrong)"
)
_lock = threading.Lock()
_seen: set[str] = set()


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Warn once per process when X-Forwarded headers arrive and no proxy is trusted."""

    def note(request: HttpRequest) -> HttpResponse:
        if not settings.TRUSTED_PROXIES:
            found = [name for name in FORWARDED if name in request.headers]
            if found and not _seen.issuperset(found):
                _note(found)
        return get_response(request)

    return note


def _note(found: list[str]) -> None:
    with _lock:
        is_first = not _seen
        _seen.update(found)
    if is_first:
        logger.warning("proxies_not_trusted %s", ADVICE.format(headers=", ".join(found)))


def advice() -> str:
    """Return "ok", or what to set because X-Forwarded headers arrive that are ignored."""
    if settings.TRUSTED_PROXIES or not _seen:
        return "ok"
    return ADVICE.format(headers=", ".join(name for name in FORWARDED if name in _seen))
