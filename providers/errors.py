"""The errors of a call to a provider. Each class stands for one reaction of the caller.

| error | meaning | what the caller does |
| --- | --- | --- |
| `Busy` | 429: the call was refused, nothing was made | call no more for `retry_after`; the job keeps waiting |
| `Unavailable` | failed, and certainly nothing was made | same or next provider, later |
| `Unconfirmed` | the response was lost: a prediction may exist | look it up before trying anything else |
| `Rejected` | this photo or request will never work here | next provider, or fail with `code` |
| `AccountProblem` | key, billing, permission or settings | open the breaker, notify staff, next provider |
| `PredictionGone` | the vendor does not have this prediction (any more) | the attempt is lost, try again |
| `UnreadableSecret` | our stored secret cannot be decrypted | send nothing for a while, show staff; never count it |
| `BadSignature`, `StaleSignature` | a forged or too old webhook | respond 401, keep it as evidence |
"""

from __future__ import annotations

from datetime import timedelta

# Why an attempt failed. Adapters map their vendor's codes and messages to these.
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
    """Any failed call. `detail` is the vendor's text, for staff only."""

    def __init__(
        self, detail: str = "", *, code: str = "provider_failed", retry_after: timedelta | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.retry_after = retry_after


class Busy(ProviderError):
    """The provider's limit is reached. The job waits; it does not fail."""


class Unavailable(ProviderError):
    """The provider did not accept the request; a retry is safe."""


class Unconfirmed(ProviderError):
    """The provider may have accepted the request; a retry could be charged twice."""


class Rejected(ProviderError):
    """The provider will never accept this request."""


class AccountProblem(ProviderError):
    """The cause is our account or configuration, and every other job would fail too.

    `code` is `billing` (no money, a locked account), `key` (not accepted) or `settings`.
    """


class UnreadableSecret(ProviderError):
    """A stored secret of the provider cannot be decrypted with our FIELD_KEYS. The fault is ours; nothing was sent."""


class PredictionGone(ProviderError):
    """The provider has no such prediction."""


class BadSignature(ProviderError):
    """The webhook is not signed with any of the known secrets."""


class StaleSignature(BadSignature):
    """The webhook's signature is valid, but its timestamp is outside the tolerance."""
