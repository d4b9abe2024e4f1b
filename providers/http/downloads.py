"""Downloads of results. Their URLs come from a vendor's JSON, so host, address, size and time are all checked.

| what happens | error | meaning |
| --- | --- | --- |
| 4xx except 408, 425 and 429 | `PredictionGone` | not at this URL (any more); the provider may have another |
| a host, port or scheme that is not allowed; an address that is not public | `Rejected` | must not be fetched |
| longer than allowed; more than three redirects | `Rejected` | unusable |
| 5xx, 408, 425, 429, an unexpected status | `Unavailable` | try again |
| no such name, no connection, an invalid certificate, too slow, cut off, not HTTP | `Unavailable` | try again |

`hosts` checks the URL and `addresses` the IP addresses, again for every redirect. Errors of `write` are passed on.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from http.client import HTTPException
from typing import cast
from urllib.parse import urljoin

import urllib3
from requests.certs import where  # type: ignore[attr-defined]  # typeshed does not know it

from providers.errors import PredictionGone, Rejected, Unavailable
from providers.types import Account

from . import deadlines
from .client import USER_AGENT
from .hosts import Permit, ResultHosts, Url

MOST_REDIRECTS = 3
# No compression: a small response cannot expand into a large one.
_FIXED_HEADERS = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LATER = frozenset({408, 425, 429})
# ValueError: a header that cannot be sent, or a redirect to an invalid URL.
_BROKEN = (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError)
_local = threading.local()


def download(
    url: str,
    write: Callable[[bytes], object],
    *,
    account: Account,
    headers: Mapping[str, str] | None = None,
    total_seconds: float,
    max_bytes: int,
) -> int:
    """Stream a result into `write` within `total_seconds`, and return its length in bytes.

    `headers` are sent only to the origin of the provider's base URL.
    """
    deadlines.start(total_seconds)
    allowed = ResultHosts(account)
    for _ in range(MOST_REDIRECTS + 1):
        permit = allowed.permit(url)
        response = _get(permit, headers if permit.is_own else None, account.connect_seconds)
        try:
            if response.status not in _REDIRECTS:
                _check_status(response.status)
                return _copy(response, write, max_bytes=max_bytes)
            url = _next(permit.url, response.headers.get("Location"))
        finally:
            if not response.closed:
                response.close()  # it was not read to its end, so the connection cannot be reused
            response.release_conn()
    raise Rejected("the result is redirected again and again")


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Return the TLS context. It is cached, because loading all authorities takes milliseconds.

    It trusts the authorities of `SSL_CERT_FILE` as well, because a gateway may have its certificate from the authority
    of a company. A file that cannot be read is passed over, as OpenSSL does it.
    """
    context = ssl.create_default_context(cafile=where())
    if own := os.environ.get("SSL_CERT_FILE"):
        with contextlib.suppress(OSError):
            context.load_verify_locations(cafile=own)
    return context


def _get(permit: Permit, headers: Mapping[str, str] | None, connect_seconds: float) -> urllib3.BaseHTTPResponse:
    """Request a result and return the response with its body unread."""
    url = permit.url
    sent = {name: value.encode("utf-8", "surrogatepass") for name, value in (headers or {}).items()}
    pool = pools(permit.public_only).connection_from_host(url.host, port=url.port, scheme=url.scheme)
    try:
        return pool.urlopen(
            "GET",
            url.target,
            headers=cast(Mapping[str, str], _FIXED_HEADERS | sent),  # bytes go as they are
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=connect_seconds),
            preload_content=False,
            decode_content=False,
        )
    except _BROKEN as error:
        raise Unavailable(f"result not reachable: {type(error).__name__}") from error


def _check_status(status: int) -> None:
    if status == 200:
        return
    if 400 <= status < 500 and status not in _LATER:
        raise PredictionGone(f"result answered {status}")
    raise Unavailable(f"result answered {status}")


def _next(url: Url, location: str | None) -> str:
    if not location:
        raise Unavailable("the result is redirected to nowhere")
    try:
        return urljoin(str(url), location)
    except ValueError as error:
        raise Rejected("the result is redirected to what is no address") from error


def _copy(response: urllib3.BaseHTTPResponse, write: Callable[[bytes], object], *, max_bytes: int) -> int:
    declared = response.headers.get("Content-Length", "")
    if declared.isdigit() and int(declared[:20]) > max_bytes:
        raise Rejected("the result is larger than allowed")
    size, pieces = 0, deadlines.pieces(response)
    while True:
        try:
            piece = next(pieces, None)
        except _BROKEN as error:
            raise Unavailable(f"the result broke off: {type(error).__name__}") from error
        if piece is None:
            return size
        size += len(piece)
        if size > max_bytes:
            raise Rejected("the result is larger than allowed")
        write(piece)


def pools(public_only: bool) -> urllib3.PoolManager:
    """Return this thread's connection pools: for public addresses only, or for any address.

    They are separate, so that a connection to a private address is never reused for a public-only download.
    """
    name = "public" if public_only else "trusted"
    existing = getattr(_local, name, None)
    if existing is None:
        existing = urllib3.PoolManager(num_pools=4, maxsize=1, ssl_context=tls_context())
        existing.pool_classes_by_scheme = deadlines.PUBLIC_POOLS if public_only else deadlines.POOLS
        setattr(_local, name, existing)
    return existing
