"""Notifications of a job's end: rows written by the transaction that ends it, and removed by the one that erases it.

| a job | notifies |
| --- | --- |
| succeeded, failed | its confirmed e-mail address, its owner's browsers, browsers that opened it with a magic link |
| canceled by staff | likewise |
| canceled by its owner, or by retention | no one: who did it knows |

About a job whose address is confirmed only after its end, `notifications.confirmation` writes it then.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from jobs.models import Job

from . import confirmation, email
from .models import ConfirmedAddress, Notification, PushSubscription

Channel = Notification.Channel


def on_job_ended(*, job_id: UUID, owner: str, email: str, status: str, by: str, now: datetime, **kwargs: Any) -> None:
    """Receive `jobs.signals.job_ended`: write what has to be sent."""
    if status == Job.Status.CANCELED and by != "staff":
        return
    rows = [
        Notification(job_id=job_id, channel=Channel.PUSH, subscription_id=subscription_id, created_at=now, due_at=now)
        for subscription_id in PushSubscription.objects.filter(Q(owner=owner) | Q(job=job_id)).values_list(
            "id", flat=True
        )
    ]
    if email and confirmation.is_confirmed(owner, email):
        rows.append(Notification(job_id=job_id, channel=Channel.EMAIL, created_at=now, due_at=now))
    if rows:
        Notification.objects.bulk_create(rows)


def on_owner_exported(*, owner: str, **kwargs: Any) -> dict[str, Any]:
    """Receive `jobs.signals.owner_exported`: return the devices that are notified, and the addresses confirmed."""
    devices = PushSubscription.objects.filter(owner=owner).values("endpoint", "user_agent", "created_at")
    confirmed = ConfirmedAddress.objects.filter(owner=owner).values("confirmed_at")
    return {"devices": list(devices), "confirmed_addresses": list(confirmed)}


def on_jobs_erased(*, owners: Mapping[UUID, str], **kwargs: Any) -> None:
    """Receive `jobs.signals.jobs_erased`: forget the messages, and with an owner's last job where to send any."""
    Notification.objects.filter(job__in=list(owners)).delete()
    email.forget_files(list(owners))
    confirmation.forget_owners(owners.values())
    PushSubscription.objects.filter(job__in=list(owners)).delete()
    subscribed = PushSubscription.objects.filter(owner__in=set(owners.values()), job=None)
    if not (ended := set(subscribed.values_list("owner", flat=True))):
        return
    ended -= set(Job.objects.filter(owner__in=ended, erased_at=None).values_list("owner", flat=True))
    PushSubscription.objects.filter(owner__in=ended, job=None).delete()
