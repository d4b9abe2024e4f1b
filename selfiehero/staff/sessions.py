"""How long a log-in lasts: an hour without a request, or eight hours in all, whichever comes first.

The times are in the session itself. Log-in gives a session a new key (Django), and so does the second step.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from jobs.identity import LOGGED_IN_AT, SEEN_AT, session_is_over

logger = logging.getLogger(__name__)

# Writing that somebody was here costs a write; this often is enough.
_SEEN_EVERY_SECONDS = 60


@receiver(user_logged_in)
def _start(sender: Any, request: HttpRequest, **_: Any) -> None:
    request.session[LOGGED_IN_AT] = request.session[SEEN_AT] = time.time()


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """End a log-in that is too old, before anybody asks who is there."""

    def respond(request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            _end_or_note(request)
        return get_response(request)

    return respond


def _end_or_note(request: HttpRequest) -> None:
    now, session = time.time(), request.session
    since, seen = session.setdefault(LOGGED_IN_AT, now), session.setdefault(SEEN_AT, now)
    idle, age = now - seen, now - since
    if session_is_over(session, now=now):
        logger.info("session_ended user=%s idle=%.0f age=%.0f", request.user.pk, idle, age)
        logout(request)
    elif idle > _SEEN_EVERY_SECONDS:
        session[SEEN_AT] = now
