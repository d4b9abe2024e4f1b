"""The only place where the product speaks HTTP to the outside.

One `requests` session per thread, no proxies or netrc from the environment, no redirects,
no automatic retries, a deadline for the whole call (requests' own timeout is per read: a byte a
second would hold a thread for ever) and a cap on the size of the answer.
"""

from __future__ import annotations

import email.utils
import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from . import deadlines
from .errors import AccountProblem, Busy, PredictionGone, ProviderError, Rejected, Unavailable, Unconfirmed

MAX_ANSWER_BYTES = 2 * 2**20
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


class Answer:
    """A complete HTTP answer: status, lower-case headers, body (bytes, capped)."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object. Raise ValueError when it is anything else."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ValueError("not JSON") from error
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")
        return value

    def excerpt(self) -> str:
        """Return the start of the body as text, for staff."""
        return self.body[:500].decode("utf-8", "replace")


def session() -> requests.Session:
    """Return this thread's session."""
    existing = getattr(_local, "session", None)
    if existing is None:
        existing = requests.Session()
        existing.trust_env = False
        existing.headers["User-Agent"] = USER_AGENT
        # Nothing is inflated here: a small answer stays small.
        existing.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            existing.mount(scheme, _DeadlineAdapter(pool_connections=4, pool_maxsize=2, max_retries=0))
        _local.session = existing
    return existing


def call(
    method: str,
    url: str,
    *,
    connect_seconds: float,
    read_seconds: float,
    headers: Mapping[str, str] | None = None,
    json_body: Any = None,
    params: Mapping[str, str] | None = None,
) -> Answer:
    """Make one call and return its complete answer.

    Raise Unavailable when nothing can have reached the vendor, Unconfirmed when it may have.
    """
    deadline = deadlines.start(connect_seconds + read_seconds)
    try:
        response = session().request(
            method,
            url,
            json=json_body,
            params=params,
            headers=_encoded(headers),
            timeout=(connect_seconds, read_seconds),
            stream=True,
            allow_redirects=False,
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
                if size > MAX_ANSWER_BYTES:
                    raise Unconfirmed("the answer is too long")
                if time.monotonic() > deadline:
                    raise Unconfirmed("the answer came too slowly")
        except _BROKEN_OFF as error:
            raise Unconfirmed(f"the answer broke off: {type(error).__name__}") from error
        return Answer(response.status_code, response.headers, b"".join(chunks))


_BROKEN_OFF = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)


def raise_for_status(answer: Answer, *, submitting: bool) -> None:
    """Turn an HTTP status that is not a success into the error that says what to do next."""
    status, text = answer.status, answer.excerpt()
    if status < 300:
        return
    detail = f"HTTP {status}: {text}"
    if status == 429:
        raise Busy(detail, retry_after=retry_after(answer.headers, now=datetime.now(UTC)))
    if status in (401, 402, 403):
        raise AccountProblem(detail)
    if status in (404, 410) and not submitting:
        raise PredictionGone(detail)
    if status == 503:
        raise Unavailable(detail, retry_after=retry_after(answer.headers, now=datetime.now(UTC)))
    if 400 <= status < 500:
        raise Rejected(detail, code="request_refused")
    if submitting:
        # A 5xx or a redirect to a submit does not say whether a prediction was made.
        raise Unconfirmed(detail)
    raise Unavailable(detail)


def retry_after(headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """Return the wait a vendor asks for, clamped to 1 s … 10 min, or None when it does not say.

    RFC 9110, 10.2.3: whole seconds or an HTTP date.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    lowest, highest = RETRY_AFTER_LIMITS
    if value.isascii() and value.isdigit():
        return min(highest, max(lowest, timedelta(seconds=min(int(value[:9]), 86400))))
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(highest, max(lowest, when - now))


def _encoded(headers: Mapping[str, str] | None) -> dict[str, bytes]:
    """Return headers as bytes: a key that is not Latin-1 is the vendor's to refuse, not a crash of ours."""
    return {name: value.encode("utf-8", "surrogatepass") for name, value in (headers or {}).items()}


class _DeadlineAdapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **choices: Any) -> None:
        super().init_poolmanager(*arguments, **choices)
        self.poolmanager.pool_classes_by_scheme = deadlines.POOLS


def _was_refused(error: BaseException) -> bool:
    """Tell whether the connection was never made, so that nothing can have been sent."""
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


__all__ = ["Answer", "ProviderError", "call", "raise_for_status", "retry_after", "session"]
