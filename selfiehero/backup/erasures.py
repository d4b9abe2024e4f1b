"""Erase again what was erased after a backup was made (`jobs.erasure_list`)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from jobs import erasure_list, services
from jobs.models import Job

_BATCH = 500


def replay(*, since: datetime, now: datetime) -> int:
    """Erase every job of the list that is not erased in this database; return how many there were.

    Raise OSError when storage does not answer. Doing it twice does nothing more.
    """
    count = 0
    for batch in _batches(erasure_list.since(since)):
        jobs = Job.objects.filter(id__in=batch, erased_at=None)
        for job_id in jobs.values_list("id", flat=True):
            services.erase_job(job_id, now=now, by="restore")
            count += 1
    return count


def _batches(found: Iterable[UUID]) -> Iterable[list[UUID]]:
    rest = iter(found)
    while batch := list(itertools.islice(rest, _BATCH)):
        yield batch
