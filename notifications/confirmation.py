"""Addresses are confirmed before they are written to: whoever orders a film may write down somebody else's.

an address is given ─► one mail with a link and nothing else ─► its page ─► a button ─► the film's mail may go there

What is confirmed is an owner and a mailbox, so the same person is asked once and not for every film; somebody else who
writes down the same address is asked anew. Only a keyed digest of the mailbox is kept, until the owner's last job is
erased. The link has a button behind it because mail servers open links to look at them. It holds the job and the
beginning of the digest, signed, so it confirms the address it was sent to and no other that was given since.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from jobs import contact
from jobs.models import Job, JobEvent

from . import mail_limits
from .models import ConfirmedAddress, Notification

MOST_ADDRESSES = 3
_SALT = "notifications.confirmation"
_PACKED = ">16s8s"


def is_confirmed(owner: str, address: str) -> bool:
    """Return whether whoever reads this mailbox has agreed to mail about this owner's films."""
    return ConfirmedAddress.objects.filter(owner=owner, recipient=mail_limits.digest(address)).exists()


def on_email_given(*, job_id: UUID, owner: str, email: str, now: datetime, **kwargs: object) -> bool:
    """Receive `jobs.signals.email_given`: ask for the confirmation of a new address; return whether it is confirmed.

    The job's row is locked by the caller. Raise TooManyAddresses for one address too many; the same one is asked once.
    """
    if is_confirmed(owner, email):
        return True
    recipient, asked = mail_limits.digest(email), Notification.objects.filter(job=job_id, channel="confirm")
    if asked.filter(recipient=recipient).exists():
        return False
    if asked.count() >= MOST_ADDRESSES:
        raise contact.TooManyAddresses(
            _("Three addresses were given for this film already. One of them can be confirmed.")
        )
    Notification.objects.create(job_id=job_id, channel="confirm", recipient=recipient, created_at=now, due_at=now)
    return False


def url_for(job: Job) -> str:
    """Return the path of the page that confirms the job's present address."""
    packed = struct.pack(_PACKED, job.id.bytes, _beginning(job.email))
    return reverse("confirm_email", args=[_signer().sign(signing.b64_encode(packed).decode())])


def job_of(token: str) -> Job | None:
    """Return the job whose address a link confirms; None when the link is not ours or its address is gone."""
    try:
        number, beginning = struct.unpack(_PACKED, signing.b64_decode(_signer().unsign(token).encode()))
    except (signing.BadSignature, struct.error):
        return None
    job = Job.objects.select_related("look").filter(id=UUID(bytes=number), erased_at=None).exclude(email="").first()
    return job if job is not None and _beginning(job.email) == beginning else None


def confirm(job: Job, *, now: datetime) -> None:
    """Let mail about the owner's films go to the job's address, and write it about those that have ended meanwhile.

    A job that ends at the same time either sees the confirmation, or is seen here: both hold the job's row.
    """
    recipient = mail_limits.digest(job.email)
    with transaction.atomic():
        rows = Job.objects.select_for_update().filter(owner=job.owner, erased_at=None).exclude(email="").order_by("id")
        jobs = [row for row in rows if mail_limits.digest(row.email) == recipient]
        ConfirmedAddress.objects.get_or_create(owner=job.owner, recipient=recipient, defaults={"confirmed_at": now})
        for ended in jobs:
            if ended.is_final and not _was_canceled_by_its_owner(ended):
                Notification.objects.get_or_create(
                    job=ended, channel="email", defaults={"created_at": now, "due_at": now}
                )


def forget_owners(owners: Iterable[str]) -> None:
    """Remove what these owners have confirmed, unless they have a job that is not erased."""
    confirmed = ConfirmedAddress.objects.filter(owner__in=set(owners))
    if not (gone := set(confirmed.values_list("owner", flat=True))):
        return
    gone -= set(Job.objects.filter(owner__in=gone, erased_at=None).values_list("owner", flat=True))
    ConfirmedAddress.objects.filter(owner__in=gone).delete()


def _was_canceled_by_its_owner(job: Job) -> bool:
    if job.status != Job.Status.CANCELED:
        return False
    data = JobEvent.objects.filter(job=job, kind="canceled").values_list("data", flat=True).first() or {}
    return data.get("by") != "staff"


def _beginning(address: str) -> bytes:
    return bytes.fromhex(mail_limits.digest(address))[:8]


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT, sep=".")
