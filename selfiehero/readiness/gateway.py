"""What stands between vendors, people and us: the public addresses are asked as they ask them."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from common import plain_json
from providers.errors import ProviderError
from providers.http import untrusted
from providers.http.client import Response
from selfiehero.logs import HEADER

from . import probe
from .lines import AMBER, GREEN, RED, Line

AREA = "What the evening breaks"
SLOW_SECONDS, SKEWED_SECONDS, ASK_SECONDS = 2.0, 30.0, 20.0
# A vendor's webhook with a long list of outputs; our own limit is a little above it.
LARGE_WEBHOOK = 900_000
# Longer than any answer of ours should take; a gateway that is more impatient cuts slow phones off.
SLOW_ANSWER = 5.0
_UNREACHABLE = "Let DNS, the gateway and its certificate lead here, also from this host."
_BEFORE_US = "No redirect, log-in page or body limit may stand there; nginx: client_max_body_size (deploy/nginx)."


def webhooks() -> Iterator[Line]:
    """Send signed test deliveries through CALLBACK_URL, a small and a large one, and compare what arrived."""
    address = f"{settings.CALLBACK_URL}{probe.path_of()}"
    for name, size in (("Webhook reachability", 200), ("Large webhooks", LARGE_WEBHOOK)):
        # Spaces, an escape and a letter beyond ASCII: what a gateway that rewrites JSON would write otherwise.
        body = b'{ "id":"%s", "said": "\\u00e9 \xc3\xa9"}' % secrets.token_hex(size // 2).encode()
        yield _delivered(name, address, body)


def _delivered(name: str, address: str, body: bytes) -> Line:
    response, took, failed = _ask(name, address, lambda: _post(address, body))
    if response is None:
        return failed
    measured = f"{len(body) / 1000:,.1f} kB, {response.status} after {took:.2f} s"
    told = _told(response)
    if told is None:
        return _not_ours(name, address, response, measured)
    if told["sha256"] != hashlib.sha256(body).hexdigest():
        words = f"{len(body):,} bytes were sent and {told['bytes']:,} others arrived: no signature would hold."
        return Line(AREA, name, RED, words, measured, "Let the gateway pass bodies on as they are.")
    skew = abs(told["at"] - time.time()) - took
    if skew > SKEWED_SECONDS:
        mend = "Run NTP on every host: signatures of vendors are refused when clocks differ by five minutes."
        return Line(AREA, name, AMBER, f"The clock of {told['host']} is {skew:.0f} s off.", measured, mend)
    if took > SLOW_SECONDS:
        return Line(AREA, name, AMBER, "It arrives, but slowly.", measured, "Look at the gateway and at WEB_THREADS.")
    return Line(AREA, name, GREEN, "A signed test delivery arrives unchanged.", measured)


def proxies() -> Iterator[Line]:
    """Compare TRUSTED_PROXIES with the headers that really come."""
    address, name = f"{settings.PUBLIC_URL}{probe.path_of()}", "Trusted proxies"
    response, _took, failed = _ask(name, address, lambda: _post(address, b"{}"))
    if response is None:
        yield failed
        return
    told = _told(response)
    if told is None:
        yield _not_ours(name, address, response, "")
        return
    came, trusted = int(told["proxies"]), int(told["trusted"])
    measured = f"{came} in X-Forwarded-For, TRUSTED_PROXIES={trusted}"
    if came == trusted:
        yield Line(AREA, name, GREEN, "Limits count each visitor by their own address.", measured)
    else:
        words = "All visitors share one limit." if came > trusted else "Visitors can write their own address."
        yield Line(AREA, name, AMBER if came > trusted else RED, words, measured, f"Set TRUSTED_PROXIES={came}.")


def uploads() -> Iterator[Line]:
    """Post as much as the largest photo to PUBLIC_URL, without one: ours has to refuse it, and no gateway before it."""
    address, name = f"{settings.PUBLIC_URL}/api/v1/jobs/", "Uploads"
    size = settings.PHOTO_MAX_BYTES
    response, took, failed = _ask(name, address, lambda: _post(address, b"x" * size))
    if response is None:
        yield failed
        return
    measured = f"{size / 1e6:.0f} MB, {response.status} after {took:.1f} s"
    if HEADER.lower() not in response.headers:
        yield _not_ours(name, address, response, measured)
    elif 400 <= response.status < 500 or response.status == 503:
        yield Line(AREA, name, GREEN, "The largest photo reaches us.", measured)
    else:
        words = f"We answer {response.status} to what we should refuse."
        yield Line(AREA, name, RED, words, measured, "The log of the web process says more.")


def slow_answers() -> Iterator[Line]:
    """Ask PUBLIC_URL for an answer that takes SLOW_ANSWER seconds."""
    address, name = f"{settings.PUBLIC_URL}{probe.path_of(wait=SLOW_ANSWER)}", "Gateway timeouts"
    response, took, failed = _ask(name, address, lambda: _post(address, b"{}"))
    if response is None:
        yield failed
        return
    measured = f"asked for {SLOW_ANSWER:.0f} s: {response.status} after {took:.1f} s"
    if _told(response) is not None:
        yield Line(AREA, name, GREEN, "Slow answers are waited for.", measured)
    elif response.status == 429 and HEADER.lower() in response.headers:
        yield Line(AREA, name, AMBER, "Another report is being measured.", measured, "Measure again.")
    else:
        mend = "Raise the gateway's timeout; nginx: proxy_read_timeout (deploy/nginx)."
        yield Line(AREA, name, RED, f"Slow answers are cut after {took:.0f} s.", measured, mend)


def sockets() -> Iterator[Line]:
    """Ask PUBLIC_URL for a socket as a waiting page does, for a job that does not exist."""
    address, name = f"{settings.PUBLIC_URL}/ws/jobs/{uuid.uuid4()}/", "Sockets"
    headers = {"Origin": settings.PUBLIC_URL}
    response, took, failed = _ask(name, address, lambda: _upgrade(address, headers))
    if response is None:
        yield failed
        return
    measured = f"{response.status} after {took:.2f} s"
    if response.status == 101:
        yield Line(AREA, name, GREEN, "Pages get their socket.", measured)
    else:
        mend = "nginx: proxy_http_version 1.1, the headers Upgrade and Connection for /ws/ (deploy/nginx)."
        yield Line(AREA, name, RED, "No socket is opened; pages poll every few seconds instead.", measured, mend)


def _post(address: str, body: bytes) -> Response:
    return untrusted.post(
        address,
        body,
        headers={"Content-Type": "application/json"},
        connect_seconds=5.0,
        total_seconds=ASK_SECONDS,
        trusted=[urlsplit(address).netloc],
    )


def _upgrade(address: str, headers: dict[str, str]) -> Response:
    trusted = [urlsplit(address).netloc]
    return untrusted.upgrade(address, headers=headers, connect_seconds=5.0, total_seconds=ASK_SECONDS, trusted=trusted)


def _ask(name: str, address: str, ask: Callable[[], Response]) -> tuple[Response | None, float, Line]:
    """Return the response and how many seconds it took, or the line that says why there is none."""
    failed = Line(AREA, name, RED, f"{_short(address)} cannot be reached.", mend=_UNREACHABLE)
    started = time.monotonic()
    try:
        return ask(), time.monotonic() - started, failed
    except ProviderError as error:
        return None, 0.0, Line(AREA, name, RED, failed.words, error.detail, _UNREACHABLE)


def _told(response: Response) -> dict[str, Any] | None:
    """Return what the probe tells, None when it was not the probe that answered."""
    try:
        told = plain_json.loads(response.body)
    except ValueError:
        return None
    return told if response.status == 200 and isinstance(told, dict) and "sha256" in told else None


def _not_ours(name: str, address: str, response: Response, measured: str) -> Line:
    if HEADER.lower() in response.headers:
        words = f"We answer {response.status} there, and should not."
        mend = "Give every host the same SECRET_KEY and release; the log of the web process says more."
        return Line(AREA, name, RED, words, measured, mend)
    words = f"Something before us answers {_short(address)} ({response.status})."
    return Line(AREA, name, RED, words, measured, _BEFORE_US)


def _short(address: str) -> str:
    """Return an address without a token that is in it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/{parts.path.split('/')[1]}/"
