"""The types that adapters and the rest of the product exchange, the same for every vendor.

An adapter translates them to and from its vendor's HTTP API; no vendor's term is used outside its adapter.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class PredictionStatus(StrEnum):
    """The status of a prediction at its vendor. A vendor's unknown status is UNKNOWN and changes nothing."""

    QUEUED = "queued"
    WARMING_UP = "warming_up"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


FINAL_PREDICTION_STATUSES = frozenset({PredictionStatus.SUCCEEDED, PredictionStatus.FAILED, PredictionStatus.CANCELED})


class PhotoTransport(StrEnum):
    """How a photo reaches a vendor: by our signed URL, by the vendor's upload, or inside the request."""

    URL = "url"
    UPLOAD = "upload"
    INLINE = "inline"


@dataclass(frozen=True)
class Account:
    """The credentials and settings with which an adapter calls one provider. Never log or store one."""

    slug: str
    base_url: str
    model: str = ""
    api_key: str = field(default="", repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    connect_seconds: float = 3.0
    read_seconds: float = 15.0
    result_hosts: tuple[str, ...] = ()
    # Names that may lie in a private network.
    private_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preset:
    """The limits that a vendor publishes for one of its account levels."""

    slug: str
    title: str
    max_concurrent: int
    max_per_minute: int


@dataclass(frozen=True)
class Watermark:
    """What the studio writes invisibly into a film and its poster: a key of 32 bytes and a number of 32 bits."""

    key: bytes = field(repr=False)
    number: int

    def __post_init__(self) -> None:
        if len(self.key) != 32 or not 0 <= self.number < 2**32:
            raise ValueError("a watermark has a key of 32 bytes and a number of 32 bits")

    def to_text(self) -> str:
        """Return it as 48 characters of base64. It holds the key: never log it."""
        return base64.b64encode(self.key + self.number.to_bytes(4, "big")).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Watermark:
        """Return the watermark of `to_text`. Raise ValueError for any other text."""
        data = base64.b64decode(text, validate=True)
        if len(data) != 36:
            raise ValueError("a watermark has 36 bytes")
        return cls(data[:32], int.from_bytes(data[32:], "big"))


@dataclass(frozen=True)
class SubmitRequest:
    """A prediction to be made. `reference` is the attempt's callback token, which is never used twice.

    Only the studio is told a watermark.
    """

    reference: str
    look: str
    prompt: str
    negative_prompt: str
    hero_name: str
    seed: str
    webhook_url: str
    photo_url: str = ""
    photo_bytes: bytes = field(default=b"", repr=False)
    watermark: Watermark | None = None


@dataclass(frozen=True)
class ProviderEvent:
    """The state of one prediction, as a webhook delivery or the response to a poll or submit reports it.

    `progress` is 0..1, or None when the vendor does not report it. URLs are the vendor's and expire.
    `error_code` is one of `providers.errors.FAILURE_CODES` when the status is FAILED, else ''.
    """

    prediction_id: str
    status: PredictionStatus
    progress: float | None = None
    queue_position: int | None = None
    preview_url: str = ""
    video_url: str = ""
    error_code: str = ""
    raw_error: str = ""
    cost: str | None = None
    reported_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        return self.status in FINAL_PREDICTION_STATUSES
