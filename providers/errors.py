"""What can go wrong between us and a provider, named by what to do next.

| error | what it means | what the caller does |
| --- | --- | --- |
| `Busy` | 429: the call was refused, nothing was made | park the provider for `retry_after`, the job waits on |
| `Unavailable` | refused or failed for sure before anything was made | same or next provider, later |
| `Unconfirmed` | the answer was lost: a prediction may exist | look it up before anything else is tried |
| `Rejected` | this photo or request will never work here | next provider, or fail with `code` |
| `AccountProblem` | key, billing, permission or settings | open the breaker, tell staff, next provider |
| `PredictionGone` | the vendor does not know this prediction (any more) | the attempt is lost, try again |
| `BadSignature`, `StaleSignature` | a webhook that is not theirs, or too old | 401, kept as evidence |
"""

from __future__ import annotations

from datetime import timedelta

# The reasons an attempt may fail for, in our words. Adapters map their vendor's words onto these.
FAILURE_CODES = frozenset(
    {
        "no_face",
        "photo_refused",
        "photo_unreadable",
        "provider_failed",
        "provider_timeout",
        "prediction_lost",
        "prediction_canceled",
        "request_refused",
    }
)


class ProviderError(Exception):
    """Any failure at a provider. `detail` is the vendor's own text, for staff only."""

    def __init__(
        self, detail: str = "", *, code: str = "provider_failed", retry_after: timedelta | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.retry_after = retry_after


class Busy(ProviderError):
    """The provider has no room now. Never a failure of the job."""


class Unavailable(ProviderError):
    """The provider did not take the request; trying again is safe."""


class Unconfirmed(ProviderError):
    """It is not known whether the provider took the request; trying again may pay twice."""


class Rejected(ProviderError):
    """The provider will never take this request."""


class AccountProblem(ProviderError):
    """Our key, our balance, our permissions or our settings are at fault, not the job.

    `code` says which: `billing` (no money, a locked account), `key` (refused), `settings`.
    """


class PredictionGone(ProviderError):
    """The provider has no such prediction."""


class BadSignature(ProviderError):
    """The webhook was not signed with any secret we know."""


class StaleSignature(BadSignature):
    """The webhook's signature is right but its time is outside the tolerance."""
