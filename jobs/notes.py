"""What staff write about a job for the next who looks at it. It goes when the job is erased."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from .models import StaffNote

LONGEST = 1000


def add(job_id: UUID, text: str, *, author: Any, now: datetime) -> StaffNote | None:
    """Write a note, cut to LONGEST characters; None when there is nothing in it."""
    text = text.replace("\0", "").strip()[:LONGEST]
    if not text:
        return None
    return StaffNote.objects.create(job_id=job_id, at=now, author=author, author_name=author.get_username(), text=text)


def of(job_id: UUID) -> QuerySet[StaffNote]:
    """Return the notes on a job, the newest first."""
    return StaffNote.objects.filter(job=job_id).order_by("-at", "-id")


def on_jobs_erased(*, owners: Mapping[UUID, str], **_: Any) -> None:
    """Receive `jobs.signals.jobs_erased`: forget what was written about these jobs."""
    StaffNote.objects.filter(job__in=list(owners)).delete()
