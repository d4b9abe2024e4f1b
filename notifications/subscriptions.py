"""Push subscriptions: kept under their endpoint's hash, at most ten for one owner."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from django.db import transaction

from .models import PushSubscription
from .push import Target, checked

MOST_PER_OWNER = 10


def subscribe(
    target: Target, *, owner: str, job_id: UUID | None = None, user_agent: str = "", now: datetime
) -> tuple[PushSubscription, bool]:
    """Keep a subscription and return it and whether it is new; an owner's oldest goes when there are too many.

    The same endpoint is the same browser, whoever uses it now. Raise BadSubscription for what cannot be pushed to.
    """
    target = checked(target)
    values = {
        "owner": owner,
        "job_id": job_id,
        "endpoint": target.endpoint,
        "p256dh": target.p256dh,
        "auth": target.auth,
        "user_agent": user_agent[:120],
        "failures": 0,
    }
    with transaction.atomic():
        row, is_new = PushSubscription.objects.update_or_create(
            endpoint_hash=_hash(target.endpoint), defaults=values, create_defaults=values | {"created_at": now}
        )
        rows = PushSubscription.objects.filter(owner=owner).exclude(id=row.id).order_by("-created_at", "-id")
        surplus = list(rows.values_list("id", flat=True)[MOST_PER_OWNER - 1 :])
        if surplus:
            PushSubscription.objects.filter(id__in=surplus).delete()
    return row, is_new


def unsubscribe(endpoint: str, *, owner: str) -> bool:
    """Forget an owner's browser; return whether there was one."""
    return bool(PushSubscription.objects.filter(endpoint_hash=_hash(endpoint), owner=owner).delete()[0])


def _hash(endpoint: str) -> str:
    return hashlib.sha256(endpoint.encode("utf-8", "replace")).hexdigest()
