"""Magic links: a signed link that opens one job on a device without its owner's cookie.

    url_for(job) ─► mail, QR code ─► /t/<token>/ ─► a signed cookie that names the job ─► /jobs/<id>/

Whoever has the link may do what the job's owner may until the job is erased, so only the owner gets it. A token
is the job (16 bytes) and its end (4 bytes), signed by Django's Signer: 71 characters, nothing is stored for it, and
nothing of it stays in an address bar. Not by its TimestampSigner, which writes down when a link was made: a link ends
when its job is erased, whenever it was made. A new SECRET_KEY ends all links, and the cookies that they left.
The cookie keeps what was opened: `<job>.<end>` for each, newest first, signed as a whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.core import signing
from django.urls import reverse

from .models import Job

MOST_KEPT = 20
_LINK_SALT, _COOKIE_SALT = "jobs.magic_links.link", "jobs.magic_links"
_PACKED = ">16sI"


@dataclass(frozen=True)
class MagicLink:
    """Which job it opens, and until when."""

    job_id: UUID
    ends_at: datetime


def url_for(job: Job, *, now: datetime, lasts: timedelta | None = None) -> str:
    """Return the path that opens this job to whoever follows it, until the job is erased or `lasts` is over."""
    ends_at = job.erase_at if lasts is None else min(job.erase_at, now + lasts)
    return reverse("magic_link", args=[_sign(job.id, ends_at)])


def read(text: str, *, now: datetime) -> MagicLink | None:
    """Return the job and end that a link's token states; None when it is not ours or has expired."""
    try:
        number, end = struct.unpack(_PACKED, signing.b64_decode(_signer().unsign(text).encode()))
    except signing.BadSignature:
        return None
    if end <= now.timestamp():
        return None
    return MagicLink(UUID(bytes=number), datetime.fromtimestamp(end, UTC))


def opened(cookie: str, *, now: datetime) -> dict[UUID, datetime]:
    """Return the jobs that are open to the browser with this cookie, each with its end."""
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
    packed = struct.pack(_PACKED, job_id.bytes, int(ends_at.timestamp()))
    return _signer().sign(signing.b64_encode(packed).decode())


def _signer() -> signing.Signer:
    # A full stop is no letter of base64url, and mail programs take it for a part of the address.
    return signing.Signer(salt=_LINK_SALT, sep=".")
