"""Calls to vendors' APIs, and the errors that their statuses mean.

There is one `requests` session per thread, without proxies or netrc from the environment, redirects or automatic
retries. Each call has a deadline for the whole of it, because the timeout of `requests` is per read and a byte per
second would hold a thread forever; responses have a maximum size.
"""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests
import urllib3
from requests.adapters import HTTPAdapter

from providers import error_mapping, payloads
from providers.errors import AccountProblem, Busy, PredictionGone, ProviderError, Rejected, Unavailable, Unconfirmed

from . import addresses, deadlines

MAX_RESPONSE_BYTES = 2 * 2**20
RETRY_AFTER_LIMITS = (timedelta(seconds=1), timedelta(minutes=10))
USER_AGENT = "selfie-hero/1"

# Raised before anything was sent.
_NEVER_SENT = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)
_NEVER_CONNECTED = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "SSLCertVerificationError")
_local = threading.local()


class Response:
    """A complete HTTP response: status, headers with lower-case names, body (bytes, of limited size).

    `hidden` is the API key, which is removed from all texts: some vendors repeat it in their errors.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, *, hidden: str = "") -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body
        self._hidden = hidden

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raise ValueError when it is anything else."""
        return payloads.json_object(self.body)

    def excerpt(self) -> str:
        """Return the start of the body as text, for staff."""
        return self.without_secrets(self.body[:4000].decode("utf-8", "replace"))[:500]

    def without_secrets(self, text: str) -> str:
        """Return a text with the API key replaced by “…”."""
        return text.replace(self._hidden, "…") if self._hidden else text

    def with_status(self, status: int) -> Response:
        """Return the same response with another status."""
        return Response(status, self.headers, self.body, hidden=self._hidden)


def session(*, public_only: bool = False) -> requests.Session:
    """Return this thread's session; one to public addresses alone has connections of its own."""
    name = "public_session" if public_only else "session"
    existing = getattr(_local, name, None)
    if existing is None:
        existing = requests.Session()
        existing.trust_env = False
        existing.headers["User-Agent"] = USER_AGENT
        # No compression: a small response cannot expand into a large one.
        existing.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            adapter = _PublicAdapter if public_only else _DeadlineAdapter
            existing.mount(scheme, adapter(pool_connections=4, pool_maxsize=2, max_retries=0))
        setattr(_local, name, existing)
    return existing


def call(
    method: str,
    url: str,
    *,
    connect_seconds: float,
    read_seconds: float,
    headers: Mapping[str, str] | None = None,
    json_body: Any = None,
    content: bytes | None = None,
    files: Mapping[str, tuple[str, bytes, str]] | None = None,
    form: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    max_bytes: int = MAX_RESPONSE_BYTES,
    repeatable: bool = False,
    public_only: bool = True,
) -> Response:
    """Make one call and return the complete response, whatever its status.

    With `public_only` every address of the host has to be public, and the connection goes to one of those just judged;
    AccountProblem otherwise, and nothing is sent (`hosts` says when it may be False).

    The body is one of `json_body`, `content` (bytes) or `files` with `form` (multipart; name: (file name, bytes,
    type)). Raise Unavailable when the request cannot have reached the vendor, and Unconfirmed when it may have. With
    `repeatable` a lost response is Unavailable too.
    """
    body = {"json": json_body, "data": content if content is not None else form, "files": files}
    if public_only and not url.lower().startswith("https://"):
        raise AccountProblem("the provider's address is not https", code="settings")
    try:
        return _call(method, url, connect_seconds, read_seconds, headers, body, params, max_bytes, public_only)
    except addresses.NotPublic as error:
        raise AccountProblem(error.detail, code="settings") from error
    except Unconfirmed as error:
        if repeatable:
            raise Unavailable(error.detail) from error
        raise


def _call(
    method: str,
    url: str,
    connect_seconds: float,
    read_seconds: float,
    headers: Mapping[str, str] | None,
    body: Mapping[str, Any],
    params: Mapping[str, str] | None,
    max_bytes: int,
    public_only: bool,
) -> Response:
    deadline = deadlines.start(connect_seconds + read_seconds)
    try:
        response = session(public_only=public_only).request(
            method,
            url,
            params=params,
            headers=_encoded(headers),
            timeout=(connect_seconds, read_seconds),
            stream=True,
            allow_redirects=False,
            **body,
        )
    except requests.exceptions.ConnectTimeout as error:
        raise Unavailable(f"no connection within {connect_seconds:g} s") from error
    except requests.exceptions.ConnectionError as error:
        if _was_refused(error):
            raise Unavailable("connection refused") from error
        raise Unconfirmed(f"connection lost: {type(error).__name__}") from error
    except _NEVER_SENT as error:
        raise Unavailable("the provider's address or key is not valid") from error
    except requests.RequestException as error:
        raise Unconfirmed(f"no answer: {type(error).__name__}") from error
    with response:
        chunks: list[bytes] = []
        size = 0
        try:
            for chunk in deadlines.pieces(response.raw):
                size += len(chunk)
                chunks.append(chunk)
                if size > max_bytes:
                    raise Unconfirmed("the answer is too long")
                if time.monotonic() > deadline:
                    raise Unconfirmed("the answer came too slowly")
        except _BROKEN_OFF as error:
            raise Unconfirmed(f"the answer broke off: {type(error).__name__}") from error
        key = (headers or {}).get("Authorization", "").rpartition(" ")[2]
        return Response(response.status_code, response.headers, b"".join(chunks), hidden=key)


_BROKEN_OFF = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


def raise_for_status(
    response: Response, *, submitting: bool, explain: Callable[[Response], error_mapping.VendorError] | None = None
) -> None:
    """Raise the error of `providers.errors` that an HTTP status means. Do nothing for a status below 300.

    `explain` parses a vendor's error body; without it the detail is an excerpt of the body.
    """
    status = response.status
    if status < 300:
        return
    vendor_error = explain(response) if explain else error_mapping.VendorError(text=response.excerpt())
    detail = f"HTTP {status}: {response.without_secrets(vendor_error.text)[:500]}"
    text = response.body[:4000].decode("utf-8", "replace")
    if status == 429 and not error_mapping.is_about_empty_account(text):
        raise Busy(detail, retry_after=_wait(response))
    if status in (401, 402, 403, 429):
        is_billing = status in (402, 429) or (status == 403 and error_mapping.is_about_locked_account(text))
        raise AccountProblem(detail, code="billing" if is_billing else "key")
    if status in (404, 410) and not submitting:
        raise PredictionGone(detail)
    if status == 503 and not error_mapping.is_about_lost_upstream(text):
        raise Unavailable(detail, retry_after=_wait(response))
    if 400 <= status < 500 and status not in _CONNECTION_ENDED:
        raise Rejected(detail, code=vendor_error.code)
    if submitting:
        # After a 5xx or a redirect a prediction may or may not exist.
        raise Unconfirmed(detail)
    raise Unavailable(detail, retry_after=_wait(response))


# 408 and nginx's 499 mean that the connection ended, not that the request was rejected.
_CONNECTION_ENDED = frozenset({408, 499})


def _wait(response: Response) -> timedelta | None:
    return retry_after(response.headers, now=datetime.now(UTC), body=response.body)


def retry_after(headers: Mapping[str, str], *, now: datetime, body: bytes = b"") -> timedelta | None:
    """Return the wait that a vendor asks for, clamped to 1 s … 10 min, or None when it asks for none.

    It is read from the header Retry-After: whole seconds or an HTTP date (RFC 9110, 10.2.3), or an ISO 8601 date as
    Replicate's client accepts it. Without the header it is read from the body.
    """
    lowest, highest = RETRY_AFTER_LIMITS
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(highest, max(lowest, timedelta(seconds=min(int(value[:9]), 86400))))
    when = _date(value) if value else None
    if when is not None:
        return min(highest, max(lowest, when - now))
    seconds = error_mapping.requested_seconds(body)
    return None if seconds is None else min(highest, max(lowest, timedelta(seconds=seconds)))


def _date(value: str) -> datetime | None:
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        try:
            when = datetime.fromisoformat(value)
        except ValueError:
            return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when


def path_part(value: str) -> str:
    """Return a vendor's id, quoted as one segment of a path. Raise PredictionGone for '', '.' and '..'."""
    if value in ("", ".", ".."):
        raise PredictionGone("not an id")
    return quote(value, safe="")


def _encoded(headers: Mapping[str, str] | None) -> dict[str, bytes]:
    """Return headers as UTF-8 bytes, so that a key that is not Latin-1 is sent and rejected instead of raising here."""
    return {name: value.encode("utf-8", "surrogatepass") for name, value in (headers or {}).items()}


class _DeadlineAdapter(HTTPAdapter):
    pools = deadlines.POOLS

    def init_poolmanager(self, *arguments: Any, **choices: Any) -> None:
        super().init_poolmanager(*arguments, **choices)
        self.poolmanager.pool_classes_by_scheme = self.pools


class _PublicAdapter(_DeadlineAdapter):
    pools = deadlines.PUBLIC_POOLS


def _was_refused(error: BaseException) -> bool:
    """Tell whether the connection was not made, so that nothing can have been sent."""
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return False
        name = type(seen).__name__
        if name in _NEVER_CONNECTED or isinstance(seen, ConnectionRefusedError):
            return True
        reason = getattr(seen, "reason", None)
        if isinstance(reason, BaseException):
            seen = reason
        elif seen.args and isinstance(seen.args[0], BaseException):
            seen = seen.args[0]
        else:
            seen = seen.__cause__ or seen.__context__
    return False


__all__ = ["ProviderError", "Response", "call", "path_part", "raise_for_status", "retry_after", "session"]
