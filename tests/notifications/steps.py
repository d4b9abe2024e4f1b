"""Steps that lead to a message: a browser subscribes, a film fails, what is written down becomes due."""

from django.db import transaction
from django.utils import timezone

from jobs import lifecycle
from notifications.models import Notification, PushSubscription
from tests import factories


def make_subscription(service, device, **values):
    fields = service.subscription(device)
    given = {"owner": factories.OWNER, "endpoint": fields["endpoint"], "endpoint_hash": fields["endpoint"][-20:]}
    return PushSubscription.objects.create(**given | fields["keys"] | {"created_at": timezone.now()} | values)


def fail(job, code="deadline"):
    with transaction.atomic():
        assert lifecycle.fail(job.id, code=code, now=timezone.now())


def make_due():
    Notification.objects.update(due_at=timezone.now())
