"""A record of every call and charge, with which a test compares the product's view.

Every submission that arrives has an entry, whatever its outcome. Monotonic times are the system's clock, which other
processes on this machine share.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

EXCERPT = 300  # characters of an input that are kept
ZERO = Decimal(0)
FIELDS = (
    *("number", "at", "wall_at", "provider", "prediction_id", "reference", "status", "fault", "charged", "refunded"),
    *("state", "model", "input", "photo"),
)


@dataclass(slots=True)
class Entry:
    """One submission. `status` is the HTTP status of its response, None when there was none."""

    number: int
    provider: str
    at: float
    wall_at: float
    reference: str
    model: str = ""
    input: str = ""
    prediction_id: str = ""
    status: int | None = None
    fault: str = ""
    charged: Decimal = ZERO
    refunded: Decimal = ZERO
    state: str = ""
    photo: Mapping[str, Any] | None = None

    def as_json(self, fields: Iterable[str]) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in fields}
        return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class WebhookTry:
    """One try to send a webhook. `answer` is the receiver's status, or one word that says why there is none."""

    at: float
    provider: str
    prediction_id: str
    reference: str
    event: str
    event_id: str
    fault: str
    answer: int | str


class Ledger:
    """All entries since the last reset, and other counters."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.by_prediction: dict[str, Entry] = {}
        self.webhooks: list[WebhookTry] = []
        self.webhook_answers: Counter[tuple[str, str]] = Counter()
        self.webhooks_not_sent: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.downloads: Counter[str] = Counter()
        self.downloaded_bytes: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()
        self.uploaded_bytes: Counter[str] = Counter()

    def record_submission(self, provider: str, *, webhook: str, model: str, body: Mapping[str, Any]) -> Entry:
        """Add the entry of a submission that has just arrived."""
        entry = Entry(
            number=len(self.entries) + 1,
            provider=provider,
            at=time.monotonic(),
            wall_at=time.time(),
            reference=reference_in(webhook),
            model=model,
            input=excerpt(body),
        )
        self.entries.append(entry)
        return entry

    def charge(self, entry: Entry, prediction_id: str, price: Decimal) -> None:
        """Record that a prediction was made and charged for an entry."""
        entry.prediction_id, entry.charged = prediction_id, price
        self.by_prediction[prediction_id] = entry

    def record_end(self, prediction_id: str, state: str, *, refund: bool) -> None:
        entry = self.by_prediction.get(prediction_id)
        if entry is not None:
            entry.state = state
            entry.refunded = entry.charged if refund else ZERO

    def record_webhook(self, sent: WebhookTry) -> None:
        self.webhooks.append(sent)
        self.webhook_answers[sent.provider, str(sent.answer)] += 1

    def summary(self, provider: str, *, window: float) -> dict[str, Any]:
        """Return a provider's counters and maxima."""
        entries = [entry for entry in self.entries if entry.provider == provider]
        made = [entry for entry in entries if entry.prediction_id]
        kept = [entry for entry in made if entry.charged > entry.refunded]
        references = Counter(entry.reference for entry in kept if entry.reference)
        return {
            "submits": len(entries),
            "accepted": len(made),
            "refused": _of(self.refused, provider),
            "unanswered": sum(entry.status is None for entry in entries),
            "window": window,
            "most_submits_in_window": most_in_window((entry.at for entry in entries), window),
            "most_accepted_in_window": most_in_window((entry.at for entry in made), window),
            "first_submit_at": entries[0].at if entries else None,
            "last_submit_at": entries[-1].at if entries else None,
            "charged": str(sum((entry.charged for entry in made), ZERO)),
            "refunded": str(sum((entry.refunded for entry in made), ZERO)),
            "charged_more_than_once": {name: count for name, count in references.items() if count > 1},
            "calls": _of(self.calls, provider),
            "webhooks": _of(self.webhook_answers, provider),
            "webhooks_not_sent": _of(self.webhooks_not_sent, provider),
            "downloads": self.downloads[provider],
            "downloaded_bytes": self.downloaded_bytes[provider],
            "uploads": self.uploads[provider],
            "uploaded_bytes": self.uploaded_bytes[provider],
        }


def _of(counter: Counter[tuple[str, str]], provider: str) -> dict[str, int]:
    return {name: count for (owner, name), count in sorted(counter.items()) if owner == provider}


def most_in_window(times: Iterable[float], window: float) -> int:
    """Return the largest number of times (in ascending order) within any half-open window of this length."""
    ordered = list(times)
    most = first = 0
    for last, at in enumerate(ordered):
        while at - ordered[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def reference_in(webhook: str) -> str:
    """Return the last path segment of a webhook's URL, which holds the client's reference of the attempt."""
    return urlsplit(webhook).path.rstrip("/").rpartition("/")[2] if webhook else ""


def excerpt(body: Mapping[str, Any]) -> str:
    text = json.dumps({name: shortened(value) for name, value in body.items()}, ensure_ascii=False)
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1] + "…"


def shortened(value: Any, longest: int = 2048) -> Any:
    """Return a value with its long texts, such as inline photos, cut."""
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:64]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [shortened(one, longest) for one in value]
    if isinstance(value, Mapping):
        return {name: shortened(one, longest) for name, one in value.items()}
    return value
