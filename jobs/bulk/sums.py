"""What became of the jobs that an operation made: written into its row now and then, because counting takes its time.

50,000 jobs are half a second's work, which no page of staff waits for. They are counted the less often the more they
are, until none is under way or a day after the end.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, Sum

from jobs.models import Attempt, BulkOperation, Job

from .actions import RETRY

EVERY, FOR_EACH = timedelta(seconds=10), timedelta(milliseconds=1)
FOLLOWED_FOR = timedelta(days=1)
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
    made = operation.items.filter(made__isnull=False).values("made")
    counts = Job.objects.filter(pk__in=made).aggregate(
        films=Count("pk", filter=Q(status=Job.Status.SUCCEEDED)),
        open=Count("pk", filter=Q(status__in=Job.OPEN)),
        failed=Count("pk", filter=Q(status=Job.Status.FAILED)),
    )
    cost = Attempt.objects.filter(job__in=made).aggregate(sum=Sum("cost"))["sum"]
    return counts | {"cost": float(cost or 0)}
