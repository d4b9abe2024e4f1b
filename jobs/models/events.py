"""The history of a job."""

from __future__ import annotations

from django.db import models
from django.db.models import F
from django.db.models.expressions import CombinedExpression

from .jobs import Job


class JobEvent(models.Model):
    """One entry in a job's history; append-only. `seq` counts 1, 2, 3… within the job."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=30)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(name="job_event_seq_once", fields=["job", "seq"])]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


def next_seq() -> CombinedExpression:
    """Return the expression for the number of a job's next event, for an UPDATE of the job."""
    return F("seq") + 1
