"""Steps that lead to a message: a browser subscribes, a film fails, what is written down becomes due."""

from django.db import transaction
from django.utils import timezone

from jobs import lifecycle
from notifications import mail_limits
from notifications.models import ConfirmedAddress, Notification, PushSubscription
from tests import factories


def make_subscription(service, device, **values):
    fields = service.subscription(device)
    given = {"owner": factories.OWNER, "endpoint": fields["endpoint"], "endpoint_hash": fields["endpoint"][-20:]}
    return PushSubscription.objects.create(**given | fields["keys"] | {"created_at": timezone.now()} | values)


def confirmed(address="nova@city.example", *, owner=factories.OWNER):
    """Return an address whose reader has agreed to mail about this owner's films."""
    ConfirmedAddress.objects.get_or_create(
        owner=owner, recipient=mail_limits.digest(address), defaults={"confirmed_at": timezone.now()}
    )
    return address


def fail(job, code="deadline"):
    with transaction.atomic():
        assert lifecycle.fail(job.id, code=code, now=timezone.now())


def make_due():
    Notification.objects.update(due_at=timezone.now())
