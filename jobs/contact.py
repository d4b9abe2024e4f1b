"""The e-mail address of a job: where its end is told, once that was confirmed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from . import signals
from .models import Job


class AlreadyEnded(Exception):
    """The job has ended; the message is for people."""


class TooManyAddresses(Exception):
    """No further address is asked for this job; the message is for people."""


def remember_email(job_id: UUID, email: str, *, now: datetime) -> bool:
    """Store the address to notify when the job ends; return whether it is confirmed (`notifications.confirmation`).

    Raise AlreadyEnded or TooManyAddresses, and change nothing then.
    """
    with transaction.atomic():
        if not Job.objects.is_open().filter(id=job_id).update(email=email):
            raise AlreadyEnded(_("This film has ended already; its page says how."))
        owner = Job.objects.values_list("owner", flat=True).get(id=job_id)
        answers = signals.email_given.send(sender=None, job_id=job_id, owner=owner, email=email, now=now)
    return any(is_confirmed for _listener, is_confirmed in answers)


def forget_email(job_id: UUID) -> None:
    """Delete the e-mail address of a job."""
    Job.objects.filter(id=job_id).update(email="")
