"""Tickets: a signed link that opens one job on a device that has no cookie of its owner.

    url_for(job) ─► mail, QR code ─► /t/<ticket>/ ─► a signed cookie that names the job ─► /jobs/<id>/

Whoever holds a ticket is this one job's owner until it is erased, so it goes only where its owner wants it. A ticket
is 16 bytes of job, 4 of end and 16 of signature; nothing is stored for it, and nothing of it stays in an address bar.
The cookie keeps what was opened: `<job>.<end>` for each, newest first, signed as a whole.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.urls import reverse

from .models import Job

MOST_KEPT = 20
_SIGNATURE_BYTES = 16
_COOKIE_SALT = "jobs.magic_links"


@dataclass(frozen=True)
class MagicLink:
    """Which job it opens, and until when."""

    job_id: UUID
    ends_at: datetime


def url_for(job: Job, *, now: datetime, lasts: timedelta | None = None) -> str:
    """Return the path that opens this job to whoever follows it, until the job is erased or `lasts` is over."""
    ends_at = job.erase_at if lasts is None else min(job.erase_at, now + lasts)
    return reverse("ticket", args=[_sign(job.id, ends_at)])


def read(text: str, *, now: datetime) -> MagicLink | None:
    """Return what a ticket says; None when it is not ours or over."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        packed, signature = raw[:20], raw[20:]
        number, end = struct.unpack(">16sI", packed)
    except (ValueError, binascii.Error, struct.error):
        return None
    if not hmac.compare_digest(signature, _signature(packed)) or end <= now.timestamp():
        return None
    return MagicLink(UUID(bytes=number), datetime.fromtimestamp(end, UTC))


def opened(cookie: str, *, now: datetime) -> dict[UUID, datetime]:
    """Return the jobs that this cookie's browser has opened with tickets, each with its end."""
    if not cookie:
        return {}
    try:
        entries = signing.loads(cookie, salt=_COOKIE_SALT)
        ends = {UUID(hex=number): datetime.fromtimestamp(end, UTC) for number, end in entries}
    except (signing.BadSignature, ValueError, TypeError, OverflowError):
        return {}
    return {job_id: end for job_id, end in ends.items() if end > now}


def cookie_with(cookie: str, job_id: UUID, ends_at: datetime, *, now: datetime) -> str:
    """Return the cookie with this job in it, the oldest forgotten when there are many."""
    kept = {job_id: ends_at} | {other: end for other, end in opened(cookie, now=now).items() if other != job_id}
    return _packed(list(kept.items())[:MOST_KEPT])


def _packed(entries: Iterable[tuple[UUID, datetime]]) -> str:
    return signing.dumps([(job_id.hex, int(end.timestamp())) for job_id, end in entries], salt=_COOKIE_SALT)


def _sign(job_id: UUID, ends_at: datetime) -> str:
    packed = struct.pack(">16sI", job_id.bytes, int(ends_at.timestamp()))
    return base64.urlsafe_b64encode(packed + _signature(packed)).rstrip(b"=").decode()


def _signature(packed: bytes) -> bytes:
    return hmac.new(settings.SECRET_KEY.encode(), b"ticket:" + packed, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
