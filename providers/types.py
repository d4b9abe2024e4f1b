"""The words in which every provider speaks to us, whatever it calls things itself.

An adapter turns these into its vendor's HTTP and back; nothing of a vendor's
vocabulary passes beyond its adapter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class PredictionStatus(StrEnum):
    """Where a prediction stands at its vendor. Unknown words stay UNKNOWN and change nothing."""

    QUEUED = "queued"
    WARMING_UP = "warming_up"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


FINAL_PREDICTION_STATUSES = frozenset({PredictionStatus.SUCCEEDED, PredictionStatus.FAILED, PredictionStatus.CANCELED})


class PhotoTransport(StrEnum):
    """How a photo reaches a vendor: by our signed address, by its upload flow, or inside the request."""

    URL = "url"
    UPLOAD = "upload"
    INLINE = "inline"


@dataclass(frozen=True)
class Account:
    """What an adapter needs to speak to one configured provider. Never logged, never stored."""

    slug: str
    base_url: str
    model: str = ""
    api_key: str = field(default="", repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    connect_seconds: float = 3.0
    read_seconds: float = 15.0
    result_hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preset:
    """Limits a vendor publishes for one of its account levels."""

    slug: str
    title: str
    max_concurrent: int
    max_per_minute: int


@dataclass(frozen=True)
class SubmitRequest:
    """One prediction to be made. `reference` is our attempt's callback token, unique for ever."""

    reference: str
    look: str
    prompt: str
    negative_prompt: str
    hero_name: str
    seed: str
    webhook_url: str
    photo_url: str = ""
    photo_bytes: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class ProviderEvent:
    """What a provider reports of one prediction: a delivery, a poll answer or a submit answer.

    `progress` is 0..1 or None when the vendor does not say. URLs are the vendor's own and expire.
    `error_code` is one of `providers.errors.FAILURE_CODES` when the status is FAILED.
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
