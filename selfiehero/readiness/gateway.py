"""What stands between vendors, people and us: the public addresses are asked as they ask them."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings

from common import plain_json
from providers.errors import ProviderError
from providers.http import held_sockets, untrusted
from providers.http.client import Response
from providers.http.held_sockets import Held
from selfiehero.logs import HEADER

from . import probe
from .lines import AMBER, GREEN, RED, Line

Answer = TypeVar("Answer")
AREA = "What the evening breaks"
SLOW_SECONDS, SKEWED_SECONDS, ASK_SECONDS = 2.0, 30.0, 20.0
# A vendor's webhook with a long list of outputs; our own limit is a little above it.
LARGE_WEBHOOK = 900_000
# Longer than any answer of ours should take; a gateway that is more impatient cuts slow phones off.
SLOW_ANSWER = 5.0
# Longer than the minute after which gateways end what is idle, by their own settings.
IDLE_SECONDS = 65.0
_UNREACHABLE = "Let DNS, the gateway and its certificate lead here, also from this host."
_NO_SOCKET = "No socket is opened; pages poll every few seconds instead."
_UPGRADE = "nginx: proxy_http_version 1.1, the headers Upgrade and Connection for /ws/ (deploy/nginx)."
_BEFORE_US = "No redirect, log-in page or body limit may stand there; nginx: client_max_body_size (deploy/nginx)."


def webhooks() -> Iterator[Line]:
    """Send signed test deliveries through CALLBACK_URL, a small and a large one, and compare what arrived."""
    address = f"{settings.CALLBACK_URL}{probe.path_of()}"
    for name, size in (("Webhook reachability", 200), ("Large webhooks", LARGE_WEBHOOK)):
        # Spaces, an escape and a letter beyond ASCII: what a gateway that rewrites JSON would write otherwise.
        body = b'{ "id":"%s", "said": "\\u00e9 \xc3\xa9"}' % secrets.token_hex(size // 2).encode()
        yield _asked(name, address, partial(_post, address, body), partial(_delivered, name, address, body))


def _delivered(name: str, address: str, body: bytes, response: Response, took: float) -> Line:
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

    def judge(response: Response, took: float) -> Line:
        told = _told(response)
        if told is None:
            return _not_ours(name, address, response, "")
        came, trusted = int(told["proxies"]), int(told["trusted"])
        measured = f"{came} in X-Forwarded-For, TRUSTED_PROXIES={trusted}"
        if came == trusted:
            return Line(AREA, name, GREEN, "Limits count each visitor by their own address.", measured)
        words = "All visitors share one limit." if came > trusted else "Visitors can write their own address."
        return Line(AREA, name, AMBER if came > trusted else RED, words, measured, f"Set TRUSTED_PROXIES={came}.")

    yield _asked(name, address, partial(_post, address, b"{}"), judge)


def uploads() -> Iterator[Line]:
    """Post as much as the largest photo to PUBLIC_URL, without one: ours has to refuse it, and no gateway before it."""
    address, name = f"{settings.PUBLIC_URL}/api/v1/jobs/", "Uploads"
    size = settings.PHOTO_MAX_BYTES

    def judge(response: Response, took: float) -> Line:
        measured = f"{size / 1e6:.0f} MB, {response.status} after {took:.1f} s"
        if HEADER.lower() not in response.headers:
            return _not_ours(name, address, response, measured)
        if 400 <= response.status < 500 or response.status == 503:
            return Line(AREA, name, GREEN, "The largest photo reaches us.", measured)
        words = f"We answer {response.status} to what we should refuse."
        return Line(AREA, name, RED, words, measured, "The log of the web process says more.")

    yield _asked(name, address, partial(_post, address, b"x" * size), judge)


def slow_answers() -> Iterator[Line]:
    """Ask PUBLIC_URL for an answer that takes SLOW_ANSWER seconds."""
    address, name = f"{settings.PUBLIC_URL}{probe.path_of(wait=SLOW_ANSWER)}", "Gateway timeouts"

    def judge(response: Response, took: float) -> Line:
        measured = f"asked for {SLOW_ANSWER:.0f} s: {response.status} after {took:.1f} s"
        if _told(response) is not None:
            return Line(AREA, name, GREEN, "Slow answers are waited for.", measured)
        if response.status == 429 and HEADER.lower() in response.headers:
            return Line(AREA, name, AMBER, "Another report is being measured.", measured, "Measure again.")
        mend = "Raise the gateway's timeout; nginx: proxy_read_timeout (deploy/nginx)."
        return Line(AREA, name, RED, f"Slow answers are cut after {took:.0f} s.", measured, mend)

    yield _asked(name, address, partial(_post, address, b"{}"), judge)


def sockets() -> Iterator[Line]:
    """Ask PUBLIC_URL for a socket as a waiting page does, for a job that does not exist."""
    address, name = f"{settings.PUBLIC_URL}/ws/jobs/{uuid.uuid4()}/", "Sockets"

    def judge(response: Response, took: float) -> Line:
        measured = f"{response.status} after {took:.2f} s"
        if response.status == 101:
            return Line(AREA, name, GREEN, "Pages get their socket.", measured)
        return Line(AREA, name, RED, _NO_SOCKET, measured, _UPGRADE)

    yield _asked(name, address, partial(_upgrade, address), judge)


def idle_socket(*, seconds: float) -> Iterator[Line]:
    """Hold a socket at PUBLIC_URL open for so long, with nothing on it but pings, as a page waits; none for 0 s."""
    if not seconds:
        return
    address, name = f"{settings.PUBLIC_URL}{probe.socket_path()}", "Idle socket"

    def judge(held: Held, took: float) -> Line:
        if held.status != 101:
            return Line(AREA, name, RED, _NO_SOCKET, f"{held.status} after {took:.2f} s", _UPGRADE)
        if held.is_open:
            return Line(AREA, name, GREEN, "A socket that nothing is said on stays open.", f"open for {seconds:.0f} s")
        words = (
            f"A socket that nothing is said on is cut after {held.seconds:.0f} s: each page connects again and again."
        )
        mend = "Raise the gateway's idle time-out above 60 s; nginx: proxy_read_timeout of /ws/ (deploy/nginx)."
        return Line(AREA, name, AMBER, words, f"cut after {held.seconds:.1f} of {seconds:.0f} s", mend)

    hold = partial(
        held_sockets.hold, address, headers=_own_page(), seconds=seconds, connect_seconds=5.0, trusted=_own(address)
    )
    yield _asked(name, address, hold, judge)


def _post(address: str, body: bytes) -> Response:
    return untrusted.post(
        address,
        body,
        headers={"Content-Type": "application/json"},
        connect_seconds=5.0,
        total_seconds=ASK_SECONDS,
        trusted=_own(address),
    )


def _upgrade(address: str) -> Response:
    return untrusted.upgrade(
        address, headers=_own_page(), connect_seconds=5.0, total_seconds=ASK_SECONDS, trusted=_own(address)
    )


def _own(address: str) -> list[str]:
    """Return the hosts that may be called on this machine or by http: that of the address, which staff have set."""
    return [urlsplit(address).netloc]


def _own_page() -> dict[str, str]:
    return {"Origin": settings.PUBLIC_URL}


def _asked(name: str, address: str, ask: Callable[[], Answer], judge: Callable[[Answer, float], Line]) -> Line:
    """Ask, and return what `judge` says of the answer and the seconds until it, or the line of an address without."""
    started = time.monotonic()
    try:
        answer = ask()
    except ProviderError as error:
        words = f"{_short(address)} cannot be reached."
        return Line(AREA, name, RED, words, error.detail, _UNREACHABLE)
    return judge(answer, time.monotonic() - started)


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
