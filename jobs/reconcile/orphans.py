"""Orphans: rows that no other step of `jobs.reconcile.sweep` would touch again. They are logged as errors and repaired.

No step of the product leaves such a row behind (`tests/jobs/lifecycle/test_machine.py` tries to make it do so). Those
found here come from a restored backup, a manual change in the database or a bug, and their jobs must still end.

| orphan | repair |
| --- | --- |
| open job in no lane, without an open attempt | to the collect lane when its film is finished, else to the queue |
| open attempt of a job that has ended | given up, its provider told to stop |
| slot held by an attempt that has ended, with nothing left to tell its provider | freed |
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from jobs import lifecycle
from jobs.models import Attempt, Job, Lane
from jobs.queue import queues

logger = logging.getLogger(__name__)

BATCH = 100


def bring_back(*, now: datetime) -> int:
    """Repair all orphans; return how many there were."""
    return sum(kind(now=now) for kind in (_jobs_in_no_lane, _attempts_of_ended_jobs, _slots_of_ended_attempts))


def _jobs_in_no_lane(*, now: datetime) -> int:
    at_work = Attempt.objects.filter(job_id=OuterRef("id"), status__in=Attempt.OPEN)
    rows = Job.objects.is_open().filter(~Exists(at_work), lane="")

    def put_back(job_id: UUID) -> bool:
        with transaction.atomic():
            job = rows.select_for_update(of=("self",)).filter(id=job_id).first()
            if job is None:
                return False
            if job.winner_id is not None:
                return lifecycle.collect_again(job.id, now=now)
            queues.nudge_after_commit(Lane.DISPATCH)
            return lifecycle.return_to_queue(job.id, due_at=now, now=now)

    return _each(list(rows.values_list("id", flat=True)[:BATCH]), put_back, "job")


def _attempts_of_ended_jobs(*, now: datetime) -> int:
    rows = Attempt.objects.is_open().filter(job__status__in=Job.FINAL)

    def give_up(job_id: UUID) -> bool:
        with transaction.atomic():
            return bool(lifecycle.abandon_attempts(job_id, to=Attempt.Status.CANCELED, now=now))

    return _each(list(rows.values_list("job_id", flat=True).distinct()[:BATCH]), give_up, "attempts_of_job")


def _slots_of_ended_attempts(*, now: datetime) -> int:
    rows = Attempt.objects.holding_a_slot().exclude(status__in=Attempt.OPEN).filter(cleanup="")

    def free(attempt_id: int) -> bool:
        return bool(rows.filter(id=attempt_id).update(slot_held=False))

    return _each(list(rows.values_list("id", flat=True)[:BATCH]), free, "slot")


def _each(ids: list[Any], put_back: Callable[[Any], bool], kind: str) -> int:
    found = 0
    for row_id in ids:
        if put_back(row_id):
            found += 1
            logger.error("orphan_requeued kind=%s id=%s", kind, row_id)
    return found
