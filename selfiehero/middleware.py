"""What surrounds every request."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse

logger = logging.getLogger(__name__)

_AFTER_SECONDS = "5"


def database_unavailable(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 503 with Retry-After when the database does not: for a moment, nobody's mistake."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OperationalError | InterfaceError):
            return None
        logger.error("database_unavailable path=%s error=%s", request.path, type(exception).__name__)
        return busy_response(request)

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


def busy_response(request: HttpRequest) -> HttpResponse:
    """Return the 503 a browser or an API client can act on."""
    if request.path.startswith(("/api/", "/webhooks/")):
        response: HttpResponse = JsonResponse(
            {
                "type": "about:blank",
                "title": "Service unavailable",
                "status": 503,
                "code": "unavailable",
                "detail": "Selfie Hero catches its breath. Try again in a few seconds.",
            },
            status=503,
            content_type="application/problem+json",
        )
    else:
        from django.template.loader import render_to_string

        response = HttpResponse(render_to_string("pages/busy.html"), status=503)
    response["Retry-After"] = _AFTER_SECONDS
    return response
