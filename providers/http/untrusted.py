"""A small request to a URL that is not a vendor's: a browser's push service, staff's webhook, our own public address.

| URL | allowed |
| --- | --- |
| https, port 443, a host name whose every address is public | yes |
| an IP address or `localhost` that staff listed (`hosts`), also http, also another port | yes |
| anything else | `Rejected`, and no connection is made |

`addresses` connects only to addresses that it has checked. Redirects are not followed, and at most MAX_RESPONSE_BYTES
of the response are kept.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from http.client import HTTPException

import urllib3

from providers.errors import Rejected, Unavailable

from . import deadlines, downloads
from .client import USER_AGENT, Response
from .hosts import DEFAULT_PORTS, Entry, Permit, Url

MAX_RESPONSE_BYTES = 4096
_BROKEN = (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError)


def check_address(text: str, *, trusted: Sequence[str] = ()) -> Permit:
    """Return the permit to send to a URL. Raise Rejected when it is not allowed. DNS is not asked."""
    try:
        url = Url.parse(text)
    except ValueError as error:
        raise Rejected("this is not an address that can be reached") from error
    for entry in _entries(trusted):
        if entry.matches(url.host) and entry.is_local and url.port == (entry.port or DEFAULT_PORTS[url.scheme]):
            return Permit(url, public_only=False, is_own=False)
    if url.scheme != "https" or url.port != DEFAULT_PORTS["https"]:
        raise Rejected("only https on its usual port is allowed")
    if "." not in url.host or url.host[-1].isdigit():
        raise Rejected("this host has no public name")
    return Permit(url, public_only=True, is_own=False)


def post(
    text: str,
    content: bytes,
    *,
    headers: Mapping[str, str],
    connect_seconds: float,
    total_seconds: float,
    trusted: Sequence[str] = (),
) -> Response:
    """Send a body and return the response, its body cut to MAX_RESPONSE_BYTES.

    Raise Rejected when the URL is not allowed, Unavailable when there was no response; the request may have arrived.
    """
    return _ask("POST", text, content, headers, connect_seconds, total_seconds, trusted)


def get(
    text: str, *, headers: Mapping[str, str], connect_seconds: float, total_seconds: float, trusted: Sequence[str] = ()
) -> Response:
    """Read a URL and return the response, its body cut to MAX_RESPONSE_BYTES. Raises what `post` raises."""
    return _ask("GET", text, None, headers, connect_seconds, total_seconds, trusted)


def upgrade(
    text: str, *, headers: Mapping[str, str], connect_seconds: float, total_seconds: float, trusted: Sequence[str] = ()
) -> Response:
    """Ask for a WebSocket and return the response to that, 101 when it was opened; it is closed again at once."""
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        **headers,
    }
    try:
        return _ask("GET", text, None, asked, connect_seconds, total_seconds, trusted)
    finally:
        # The connection speaks WebSocket now: no request may be sent over it.
        for public_only in (True, False):
            downloads.pools(public_only).clear()


def _ask(
    method: str,
    text: str,
    content: bytes | None,
    headers: Mapping[str, str],
    connect_seconds: float,
    total_seconds: float,
    trusted: Sequence[str],
) -> Response:
    permit = check_address(text, trusted=trusted)
    deadlines.start(total_seconds)
    url = permit.url
    pool = downloads.pools(permit.public_only).connection_from_host(url.host, port=url.port, scheme=url.scheme)
    try:
        response = pool.urlopen(
            method,
            url.target,
            body=content,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers},
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=connect_seconds),
            preload_content=False,
            decode_content=False,
        )
    except _BROKEN as error:
        raise Unavailable(f"not reachable: {type(error).__name__}") from error
    try:
        body = b""
        for piece in deadlines.pieces(response):
            body += piece
            if len(body) > MAX_RESPONSE_BYTES:
                break
    except _BROKEN:
        pass  # the status is known, and the body is optional
    finally:
        if not response.closed:
            response.close()
        response.release_conn()
    return Response(response.status, response.headers, body[:MAX_RESPONSE_BYTES])


def _entries(trusted: Sequence[str]) -> list[Entry]:
    entries = []
    for line in trusted:
        try:
            entries.append(Entry.parse(line))
        except ValueError:
            continue
    return entries
