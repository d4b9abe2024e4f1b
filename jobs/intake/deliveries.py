"""Webhook calls: verified byte for byte, stored, answered. `jobs.lanes.ingest` applies them.

Vendors echo the input and the model's logs, so a call may be long; its signature is checked over all of it. What is
longer than KEPT_BYTES is stored with its long texts cut, beside the length and digest of what came. When
the cut would lose what decides (the status, the film, a flag, the kind of error) it is stored whole.

Each is stored in its own transaction, so that the evidence survives whatever happens later. A repeated delivery is a
success, and so is one for an attempt that is not known yet: it may be faster than our own submit.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from jobs.models import Lane, WebhookDelivery, plain_sql
from jobs.queue import queues
from providers import payloads, registry
from providers.errors import BadSignature, StaleSignature, UnreadableSecret
from providers.models import ProviderConfig
from providers.types import ProviderEvent

logger = logging.getLogger(__name__)

MAX_BYTES = 2**20
KEPT_BYTES = 64 * 1024
Verdict = WebhookDelivery.Verdict
_IS_KNOWN = "SELECT 1 FROM jobs_attempt WHERE token = %s AND provider_id = %s LIMIT 1"
# Stored beside the headers with the signature, which the adapter names.
_KEPT_HEADERS = ("content-type", "user-agent")
# From which address it came, under a name that no header has.
SOURCE = "(from)"
# Forgeries are stored as evidence, but not so many that they could fill the disk.
_REJECTED_KEPT_PER_MINUTE = 30


@dataclass(frozen=True)
class RecordedDelivery:
    """The verdict on a delivery, and the HTTP status of the answer."""

    verdict: str
    status: int


def record(
    provider_slug: str, attempt_token: str, *, headers: Mapping[str, str], body: bytes, now: datetime, source: str = ""
) -> RecordedDelivery:
    """Verify and store one webhook call. `headers` has lower-case names, `source` is the sender's address.

    No input raises: an unknown provider or a wrong signature is 401, a body that is too long is 413. While our own
    secrets cannot be decrypted it is 503, so that the vendor sends it again.
    """
    if len(body) > MAX_BYTES:
        return RecordedDelivery("too_big", 413)
    attempt_token = _storable(attempt_token)[:64]
    provider = plain_sql.first(ProviderConfig, "slug = %s", _storable(provider_slug))
    if provider is None:
        return RecordedDelivery("unknown_provider", 401)
    adapter = registry.adapter_for(provider.adapter)
    kept = _kept(headers, adapter.webhook_headers) | ({SOURCE: source} if source else {})
    try:
        provider.check_readable("webhook_secrets")
        event_id = adapter.verify(provider.account(), headers, body, now=now)
    except UnreadableSecret:
        return RecordedDelivery("secret_unreadable", 503)
    except StaleSignature:
        _keep_rejected(provider_slug, attempt_token, Verdict.STALE, kept, body, now=now)
        return RecordedDelivery(Verdict.STALE, 401)
    except BadSignature:
        _doubt_secrets(provider, now=now)
        _keep_rejected(provider_slug, attempt_token, Verdict.FORGED, kept, body, now=now)
        return RecordedDelivery(Verdict.FORGED, 401)
    known = plain_sql.one(_IS_KNOWN, attempt_token, provider.id)
    delivery = WebhookDelivery(
        provider=provider_slug,
        attempt_token=attempt_token,
        event_id=_storable(event_id),
        verdict=Verdict.VALID if known else Verdict.UNKNOWN,
        headers=kept | _measured(body),
        body=payloads.shortened(body, most=KEPT_BYTES, reading=lambda one: _what_decides(adapter.parse(one))),
        received_at=now,
        due_at=now,
    )
    try:
        with transaction.atomic():
            plain_sql.insert(delivery)
            queues.nudge_after_commit(Lane.COLLECT)
    except IntegrityError:
        return RecordedDelivery(Verdict.DUPLICATE, 200)
    return RecordedDelivery(delivery.verdict, 202)


def _doubt_secrets(provider: ProviderConfig, *, now: datetime) -> None:
    """Have a provider's webhook secrets fetched again soon: it may have begun to sign with a new one."""
    asked_since = Q(secrets_doubted_at=None) | Q(secrets_doubted_at__lt=F("secrets_asked_at"))
    if provider.capabilities.can_learn_secrets:
        ProviderConfig.objects.filter(asked_since, id=provider.id).update(secrets_doubted_at=now)


def _kept(headers: Mapping[str, str], proofs: tuple[str, ...]) -> dict[str, str]:
    return {name: _storable(headers[name][:500]) for name in (*proofs, *_KEPT_HEADERS) if name in headers}


def _measured(body: bytes) -> dict[str, str]:
    """Return the length and digest of a body that is stored cut, under names that no header has; {} for others."""
    if len(body) <= KEPT_BYTES:
        return {}
    return {"(bytes)": str(len(body)), "(sha256)": hashlib.sha256(body).hexdigest()}


def _what_decides(event: ProviderEvent) -> ProviderEvent:
    """Return an event without what a cut body may lose: how far a prediction is, and the rest of an error's text."""
    return replace(event, progress=None, raw_error="")


def _storable(text: str) -> str:
    """Return a text without NUL characters, which PostgreSQL cannot store."""
    return text.replace("\x00", "")


class _Allowance:
    """Allows so many uses a minute in this process."""

    def __init__(self, limit: int) -> None:
        self._limit, self._used, self._since = limit, 0, 0.0
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            if time.monotonic() - self._since > 60:
                self._since, self._used = time.monotonic(), 0
            self._used += 1
            return self._used <= self._limit


_allowance = _Allowance(_REJECTED_KEPT_PER_MINUTE)


def _keep_rejected(
    provider_slug: str, attempt_token: str, verdict: str, kept: dict[str, str], body: bytes, *, now: datetime
) -> None:
    logger.warning("webhook_rejected provider=%s verdict=%s", provider_slug, verdict)
    if not _allowance.take():
        return
    WebhookDelivery.objects.create(
        provider=provider_slug,
        attempt_token=attempt_token,
        event_id=next((value for name, value in kept.items() if name not in (*_KEPT_HEADERS, SOURCE)), "")[:128],
        verdict=verdict,
        headers=kept,
        body=body[:4096],
        received_at=now,
    )
