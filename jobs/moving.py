"""Changing a job that is under way: another provider for it or, while it waits in line, another look or name."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from django.db import transaction

from . import lifecycle, queue_order
from .models import Attempt, Job, Lane, Look
from .queue import queues

logger = logging.getLogger(__name__)

MOVED = "moved"


def change_order(job_id: UUID, *, look: Look | None = None, hero_name: str | None = None, now: datetime) -> bool:
    """Give a job in line another look or name; None keeps what it has, and it keeps its place.

    Return False, with nothing changed, once a provider has it or it has ended.
    """
    with transaction.atomic():
        changed = lifecycle.change_order(job_id, look=look, hero_name=hero_name, now=now)
    logger.info("job_changed job=%s changed=%s", job_id, changed)
    return changed


def move_job(job_id: UUID, *, now: datetime) -> str:
    """Give up a job's open attempts and put it first in its turn for another provider; return who had it.

    '' when no provider had it any more. The provider is told to stop later, and may still charge for its film; a film
    that comes all the same is not used once another has won. The job goes back to that provider only when no other
    open one can have it.
    """
    with transaction.atomic():
        under_way = Attempt.objects.filter(job_id=job_id, status__in=Attempt.OPEN).select_related("provider")
        # The order of locks of every other transition: the job's row first.
        job = Job.objects.select_for_update().filter(id=job_id, status__in=Job.OPEN, lane="", winner=None).first()
        attempts = list(under_way) if job else []
        if not attempts:
            return ""
        lifecycle.abandon_attempts(job_id, to=Attempt.Status.CANCELED, now=now)
        for attempt in attempts:
            queue_order.count_against(attempt, code=MOVED)
        lifecycle.return_to_queue(job_id, due_at=now, now=now)
        queues.nudge_after_commit(Lane.DISPATCH)
    logger.info("job_moved job=%s from=%s", job_id, attempts[-1].provider.slug)
    return attempts[-1].provider.slug
