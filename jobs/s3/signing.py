"""Signs addresses of a bucket as of the beginning of a period, so that they stay the same within it.

botocore signs with the present second and has no parameter for another one. Its class for signed addresses is replaced
in its own table by one that takes the time from here; the address is valid from then on for as long as it says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache

_QUERY = "s3v4-query"
_signed_at: ContextVar[int | None] = ContextVar("signed_at", default=None)


@contextmanager
def signed_at(seconds: int) -> Iterator[None]:
    """Sign addresses in this context as of these seconds since 1970."""
    _install()
    token = _signed_at.set(seconds)
    try:
        yield
    finally:
        _signed_at.reset(token)


@lru_cache(maxsize=1)
def _install() -> None:
    # Only with a bucket: botocore costs every process 20 MB.
    from botocore import auth

    class SteadyQueryAuth(auth.S3SigV4QueryAuth):
        def add_auth(self, request: object) -> None:
            seconds = _signed_at.get()
            if seconds is None or self.credentials is None:
                super().add_auth(request)
                return
            moment = datetime.fromtimestamp(seconds, UTC)
            request.context["timestamp"] = moment.strftime(auth.SIGV4_TIMESTAMP)  # type: ignore[attr-defined]
            self._modify_request_before_signing(request)
            to_sign = self.string_to_sign(request, self.canonical_request(request))
            self._inject_signature_to_request(request, self.signature(to_sign, request))

    auth.AUTH_TYPE_MAPS[_QUERY] = SteadyQueryAuth
