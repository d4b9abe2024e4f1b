"""Magic links: a signed link that opens one job on a device without its owner's cookie.

    url_for(job) ─► mail, QR code ─► /t/<token>/ ─► a signed cookie that names the job ─► /jobs/<id>/

Whoever has the link may do what the job's owner may until the job is erased, so only the owner gets it. A token
is the job (16 bytes), its end (4) and the epoch of the job's links (1), signed by Django's Signer: 72 characters, and
nothing of it stays in an address bar. Not by its TimestampSigner, which writes down when a link was made: a link ends
when its job is erased, whenever it was made. Nothing is stored for a link. The owner ends all of a job's links by a new
epoch in its row (`end`), and with them what they opened. A new SECRET_KEY ends all links, and the
cookies that they left, unless the old one is a fallback.
The cookie keeps what was opened: job, end and epoch of each, newest first, signed as a whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.db.models import F
from django.urls import reverse

from .models import Job
from .signals import links_ended

MOST_KEPT = 20
_LINK_SALT, _COOKIE_SALT = "jobs.magic_links.link", "jobs.magic_links"
_PACKED = ">16sIB"
# As links were packed before they had an epoch.
_PACKED_BEFORE = ">16sI"
EPOCHS = 256


@dataclass(frozen=True)
class MagicLink:
    """Which job it opens, until when, and in which epoch of the job's links."""

    job_id: UUID
    ends_at: datetime
    epoch: int = 0


def url_for(job: Job, *, now: datetime, lasts: timedelta | None = None) -> str:
    """Return the path that opens this job to whoever follows it, until the job is erased or `lasts` is over."""
    ends_at = job.erase_at if lasts is None else min(job.erase_at, now + lasts)
    return reverse("magic_link", args=[_sign(job.id, ends_at, job.links_epoch)])


def read(text: str, *, now: datetime) -> MagicLink | None:
    """Return the job and end that a link's token states; None when it is not ours or has expired."""
    try:
        packed = signing.b64_decode(_signer().unsign(text).encode())
        if len(packed) == struct.calcsize(_PACKED_BEFORE):
            packed += b"\0"
        number, end, epoch = struct.unpack(_PACKED, packed)
    except signing.BadSignature:
        return None
    if end <= now.timestamp():
        return None
    return MagicLink(UUID(bytes=number), datetime.fromtimestamp(end, UTC), epoch)


def opened(cookie: str, *, now: datetime) -> dict[UUID, MagicLink]:
    """Return the links by which the browser with this cookie has opened jobs, by job; ended ones of an epoch too."""
    if not cookie:
        return {}
    try:
        entries = signing.loads(cookie, salt=_COOKIE_SALT)
        links = [
            MagicLink(UUID(hex=number), datetime.fromtimestamp(end, UTC), *epoch) for number, end, *epoch in entries
        ]
    except (signing.BadSignature, ValueError, TypeError, OverflowError):
        return {}
    return {link.job_id: link for link in links if link.ends_at > now}


def cookie_with(cookie: str, link: MagicLink, *, now: datetime) -> str:
    """Return the cookie with this link in it, the oldest forgotten when there are many."""
    kept = {link.job_id: link} | {
        job_id: old for job_id, old in opened(cookie, now=now).items() if job_id != link.job_id
    }
    return _packed(list(kept.values())[:MOST_KEPT])


def still_open(links: Mapping[UUID, MagicLink]) -> frozenset[UUID]:
    """Return the jobs whose links are those of the job's present epoch. One query, none without links."""
    if not links:
        return frozenset()
    epochs = dict(Job.objects.filter(id__in=list(links)).values_list("id", "links_epoch"))
    return frozenset(job_id for job_id, link in links.items() if epochs.get(job_id) == link.epoch)


def end(job_id: UUID) -> None:
    """End all links of a job, also those in mails, and close what they have opened; new ones can be made at once."""
    with transaction.atomic():
        Job.objects.filter(id=job_id).update(links_epoch=(F("links_epoch") + 1) % EPOCHS)
        transaction.on_commit(lambda: links_ended.send_robust(sender=None, job_id=job_id), robust=True)


def _packed(links: Iterable[MagicLink]) -> str:
    entries = [(link.job_id.hex, int(link.ends_at.timestamp()), link.epoch) for link in links]
    return signing.dumps(entries, salt=_COOKIE_SALT)


def _sign(job_id: UUID, ends_at: datetime, epoch: int) -> str:
    packed = struct.pack(_PACKED, job_id.bytes, int(ends_at.timestamp()), epoch)
    return _signer().sign(signing.b64_encode(packed).decode())


def _signer() -> signing.Signer:
    # A full stop is no letter of base64url, and mail programs take it for a part of the address.
    return signing.Signer(salt=_LINK_SALT, sep=".")
