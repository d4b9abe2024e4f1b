"""What became of the jobs that an operation made: written into its row now and then, because counting takes its time.

50,000 jobs are half a second's work, which no page of staff waits for. They are counted the less often the more they
are, until none is under way or a day after the end.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum

from jobs.models import Attempt, BulkOperation, Job

from .actions import RETRY

EVERY, FOR_EACH = timedelta(seconds=10), timedelta(milliseconds=1)
FOLLOWED_FOR = timedelta(days=1)
AT_ONCE = 1000
NOTHING: dict[str, Any] = {"films": 0, "open": 0, "failed": 0, "cost": 0.0}


def write_due(*, now: datetime) -> None:
    """Count again what is due, for each operation that makes jobs."""
    followed = Q(ended_at=None) | Q(ended_at__gt=now - FOLLOWED_FOR)
    for operation in BulkOperation.objects.filter(followed, action=RETRY.name, done__gt=0):
        if _is_due(operation, now=now):
            BulkOperation.objects.filter(pk=operation.pk).update(sums=_count(operation), summed_at=now)


def _is_due(operation: BulkOperation, *, now: datetime) -> bool:
    if operation.summed_at is None:
        return True
    if operation.ended_at is not None and operation.summed_at > operation.ended_at and not operation.sums["open"]:
        return False
    return now - operation.summed_at >= EVERY + operation.done * FOR_EACH


def _count(operation: BulkOperation) -> dict[str, Any]:
    """Count by the keys of so many jobs at a time.

    Given all of them as a subquery, PostgreSQL compared every job with every item while it had no statistics of the
    new rows: 50,000 were not counted after seven minutes.
    """
    counted: Counter[str] = Counter()
    cost, place = Decimal(0), -1
    rows = operation.items.filter(made__isnull=False).order_by("place")
    while found := list(rows.filter(place__gt=place).values_list("place", "made")[:AT_ONCE]):
        place, made = found[-1][0], [job_id for _, job_id in found if job_id is not None]
        by_status = Job.objects.filter(pk__in=made).order_by().values_list("status").annotate(number=Count("pk"))
        counted.update(dict(by_status))
        cost += Attempt.objects.filter(job__in=made).aggregate(sum=Sum("cost"))["sum"] or 0
    return {
        "films": counted[Job.Status.SUCCEEDED],
        "open": sum(counted[status] for status in Job.OPEN),
        "failed": counted[Job.Status.FAILED],
        "cost": float(cost),
    }
