"""One prediction: its request and its state.

    queued ──► running ──► succeeded | failed | canceled
       ▲          │
       └──────────┘  its renderer died (once), or the studio was restarted

The API also has `starting`: among the first of the queue while no renderer is warm.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class QueueFull(Exception):
    """The queue is full; `retry_after` is the estimated time in seconds until it is not."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"full for {retry_after} s")
        self.retry_after = retry_after


class NotRendering(Exception):
    """The studio is stopping, or cannot start a renderer."""


class Status(StrEnum):
    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


FINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED})

# The error codes of failed predictions, and their messages in the API.
MESSAGES = {
    "no_face": "There is no face in the photo.",
    "unreadable_photo": "The photo cannot be read.",
    "render_failed": "The film could not be made.",
}


@dataclass
class Prediction:
    """A stored prediction. Times are ISO 8601 in UTC, as in the API."""

    reference: str
    look: str
    hero_name: str
    seed: str
    webhook: str
    photo_url: str
    origin: str
    faceless: str = ""
    watermark: str = field(default="", repr=False)
    id: str = field(default_factory=lambda: f"p_{secrets.token_hex(12)}")
    file_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    status: Status = Status.QUEUED
    progress: float = 0.0
    error_code: str = ""
    has_poster: bool = False
    has_film: bool = False
    render_seconds: float | None = None
    cpu_seconds: float | None = None
    created_at: str = field(default_factory=lambda: timestamp(datetime.now(UTC)))
    started_at: str | None = None
    finished_at: str | None = None
    expires_at: str | None = None
    start_count: int = 0
    crash_count: int = 0
    is_told: bool = False  # its final webhook was accepted, or it has no webhook

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def is_expired(self, *, now: datetime) -> bool:
        return self.expires_at is not None and datetime.fromisoformat(self.expires_at) <= now

    def order(self) -> dict[str, Any]:
        """Return what a renderer is told of it, beside the photo."""
        return {name: getattr(self, name) for name in ("look", "hero_name", "seed", "faceless", "watermark")}

    def record(self) -> dict[str, Any]:
        """Return the JSON that is stored."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Prediction:
        """Return a stored prediction. Raise TypeError or ValueError when the record is invalid."""
        return cls(**{**record, "status": Status(record.get("status", ""))})

    def view(self, *, status: Status, queue_position: int | None) -> dict[str, Any]:
        """Return its JSON in the API."""
        files = f"{self.origin}/files/{self.file_token}"
        error = {"code": self.error_code, "message": MESSAGES[self.error_code]} if self.error_code else None
        return {
            "id": self.id,
            "status": status,
            "reference": self.reference,
            "look": self.look,
            "progress": round(self.progress, 3),
            "queue_position": queue_position,
            "error": error,
            "poster": f"{files}/poster.jpg" if self.has_poster else None,
            "video": f"{files}/film.mp4" if self.has_film else None,
            "metrics": {"render_seconds": self.render_seconds, "cpu_seconds": self.cpu_seconds},
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "expires_at": self.expires_at,
        }


def timestamp(moment: datetime) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
