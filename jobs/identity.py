"""Who sends a request: a visitor by cookie, a user by session, a program by API token.

Owner strings are `v:<sha256 of the cookie>` and `u:<user id>`; '' means no owner. The cookie is a random value of
256 bits that is stored nowhere on the server, so a leaked database lets nobody in.

Cross-site requests are refused by their Origin and Sec-Fetch-Site headers instead of by a token in the form. That
protects visitors without a session too, and programs, which send neither header, need no extra request. The visitor
cookie is SameSite=Lax as well.

A browser that has opened a magic link (`jobs.magic_links`) may also see and change that one job.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Mapping
from datetime import datetime
from importlib import import_module
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, parse_cookie
from django.utils.crypto import constant_time_compare
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from . import magic_links

# Kept in a user's session (`selfiehero.staff.sessions`), in seconds since 1970.
LOGGED_IN_AT, SEEN_AT = "logged_in_at", "seen_at"
_TOKEN = re.compile(r"[0-9a-f]{40}")
_USUAL_PORTS = {"http": 80, "https": 443}
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")


class OwnerAuthentication(BaseAuthentication):
    """Sets `request.auth` to the owner string; a request without credentials is let through without one."""

    def authenticate(self, request: Request) -> tuple[object, str] | None:
        owner = owner_of(request._request)
        if owner is None:
            raise exceptions.AuthenticationFailed
        return (getattr(request._request, "user", None), owner) if owner else None

    def authenticate_header(self, request: Request) -> str:
        return "Token"


class SameOrigin(BasePermission):
    """Lets a browser act only from our own pages."""

    def has_permission(self, request: Request, view: object) -> bool:
        return request.method in SAFE_METHODS or is_same_origin(request._request)


def is_same_origin(request: HttpRequest) -> bool:
    """Return whether a changing request comes from our pages, or not from a browser."""
    site = request.headers.get("Sec-Fetch-Site", "")
    if site in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin", "")
    if not origin:
        return site == ""
    return _is_at(origin, request.get_host()) or origin in settings.CSRF_TRUSTED_ORIGINS


def _is_at(origin: str, host: str) -> bool:
    """Return whether an origin is a Host header's; some proxies write its usual port too (`$host:$server_port`)."""
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{host}")
        usual = _USUAL_PORTS.get(theirs.scheme)
        is_plain = bool(theirs.hostname) and "@" not in theirs.netloc
        return is_plain and (theirs.hostname, theirs.port or usual) == (ours.hostname, ours.port or usual)
    except ValueError:
        return False


def is_same_origin_handshake(headers: Mapping[str, str]) -> bool:
    """Return the same for a socket's handshake headers (lower-case names); its Host must be ours too."""
    request = HttpRequest()
    request.META = {"HTTP_HOST": ""} | {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items() if "_" not in name
    }
    try:
        request.get_host()
        return is_same_origin(request)
    except DisallowedHost:
        return False


def owner_of(request: HttpRequest) -> str | None:
    """Return the owner string of a request, '' without an owner, None for an unknown API token."""
    given = request.headers.get("Authorization", "")
    if given.startswith("Token "):
        return _owner_of_token(given.removeprefix("Token ").strip())
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        return f"u:{user.pk}"
    return _owner_of_cookie(request.COOKIES.get(settings.VISITOR_COOKIE_NAME, ""))


def opened_by(request: HttpRequest, *, now: datetime) -> frozenset[UUID]:
    """Return the ids of the jobs that this browser has opened with magic links."""
    cookie = request.COOKIES.get(settings.MAGIC_LINK_COOKIE_NAME, "")
    return magic_links.still_open(magic_links.opened(cookie, now=now))


def opened_by_headers(headers: Mapping[str, str], *, now: datetime) -> frozenset[UUID]:
    """Return the same for a socket's handshake headers (lower-case names)."""
    cookies = parse_cookie(headers.get("cookie", ""))
    cookie = cookies.get(settings.MAGIC_LINK_COOKIE_NAME, "")
    return magic_links.still_open(magic_links.opened(cookie, now=now))


def keep_magic_link(
    response: HttpResponse, request: HttpRequest, link: magic_links.MagicLink, *, now: datetime
) -> None:
    """Let this browser see the link's job from now on, by a cookie."""
    kept = request.COOKIES.get(settings.MAGIC_LINK_COOKIE_NAME, "")
    response.set_cookie(
        settings.MAGIC_LINK_COOKIE_NAME,
        magic_links.cookie_with(kept, link, now=now),
        max_age=settings.MAGIC_LINK_COOKIE_AGE,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def owner_of_headers(headers: Mapping[str, str]) -> str:
    """Return the owner string for a socket's handshake headers (lower-case names), '' without an owner."""
    given = headers.get("authorization", "")
    if given.startswith("Token "):
        return _owner_of_token(given.removeprefix("Token ").strip()) or ""
    # As Django reads the cookies of a request: others of the same host may be written in any way.
    cookies = parse_cookie(headers.get("cookie", ""))
    session = cookies.get(settings.SESSION_COOKIE_NAME)
    if session and (user_id := _user_of_session(session)):
        return f"u:{user_id}"
    return _owner_of_cookie(cookies.get(settings.VISITOR_COOKIE_NAME, ""))


def new_visitor() -> tuple[str, str]:
    """Return a fresh cookie value and the owner string it stands for."""
    value = secrets.token_urlsafe(32)
    return value, _owner_of_cookie(value)


def set_visitor_cookie(response: HttpResponse, value: str) -> None:
    """Set the visitor cookie: scripts cannot read it, and other sites' requests do not send it."""
    response.set_cookie(
        settings.VISITOR_COOKIE_NAME,
        value,
        max_age=settings.VISITOR_COOKIE_AGE,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _owner_of_cookie(value: str) -> str:
    if not _COOKIE_VALUE.fullmatch(value):
        return ""
    return "v:" + hashlib.sha256(value.encode()).hexdigest()


def _owner_of_token(key: str) -> str | None:
    if not _TOKEN.fullmatch(key):
        return None
    token = Token.objects.select_related("user").filter(key=key, user__is_active=True).first()
    return f"u:{token.user_id}" if token else None


def session_is_over(session: SessionBase, *, now: float) -> bool:
    """Tell whether a log-in is too old (SESSION_COOKIE_AGE), or nobody was there for too long (STAFF_SESSION_IDLE)."""
    idle, age = now - session.get(SEEN_AT, now), now - session.get(LOGGED_IN_AT, now)
    return idle > settings.STAFF_SESSION_IDLE.total_seconds() or age > settings.SESSION_COOKIE_AGE


def _user_of_session(key: str) -> str:
    """Return the id of the user whose session this is, as long as Django would let them in with it."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    user_id = session.get(SESSION_KEY)
    if not user_id or session_is_over(session, now=time.time()):
        return ""
    user = get_user_model()._default_manager.filter(pk=user_id, is_active=True).first()
    if user is None:
        return ""
    # A new password ends the sessions made with the old one.
    kept, hashes = session.get(HASH_SESSION_KEY, ""), [user.get_session_auth_hash()]
    hashes += user.get_session_auth_fallback_hash()
    return str(user.pk) if any(constant_time_compare(kept, each) for each in hashes) else ""
