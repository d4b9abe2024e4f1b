"""Wrong passwords, counted by address and name, and refused before a password is hashed.

Hashing takes a quarter of a second of a core on purpose, so whoever may guess without limit takes the site down. The
counting is django-axes with its rows in the database, not in the cache: a lock-out has to survive an emptied Redis,
hold in all processes, and staff must be able to log in while Redis is away. A wrong password is rare enough for a row.

Five wrong ones for a name from an address (IPv6: a /64) lock that pair out; twenty for whatever names lock the address
out, so that nobody tries one password on every name. A name alone is never locked: anybody could lock staff out.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobs.client_address import client_network

FAILURES_PER_ADDRESS = 20


class Attempts(AxesDatabaseHandler):
    """Counts for each name at an address, and for the address."""

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        if "webauthn_credential" in (credentials or {}):
            return False  # nothing was typed, and nothing is hashed
        return super().is_locked(request, credentials) or self._failures_here(request) >= FAILURES_PER_ADDRESS

    def _failures_here(self, request: Any) -> int:
        since = request.axes_attempt_time - settings.AXES_COOLOFF_TIME
        attempts = AccessAttempt.objects.filter(ip_address=request.axes_ip_address, attempt_time__gte=since)
        return attempts.aggregate(count=Sum("failures_since_start"))["count"] or 0


def address_of(request: HttpRequest) -> str:
    """Return what axes writes down as the address of a request."""
    return client_network(request)


def refuse(
    request: HttpRequest, response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """Answer 429 to a log-in that came too often, with a sentence that says when to come back."""
    wait: timedelta = settings.AXES_COOLOFF_TIME
    minutes = math.ceil(wait.total_seconds() / 60)
    refused = render(request, "admin/locked_out.html", {"minutes": minutes, "title": "Log-in paused"}, status=429)
    refused["Retry-After"] = str(int(wait.total_seconds()))
    refused["Cache-Control"] = "private, no-store"
    return refused
