"""What was promised and what was done about it: texts of consent, counts of erasures."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import models
from django.db.models import F
from django.db.models.functions import Greatest


class ErasureCountQuerySet(models.QuerySet["ErasureCount"]):
    def add(self, what: str, *, by: str, promised: Collection[datetime], now: datetime) -> None:
        """Count what was erased now, given the moments at which each was promised to be gone at the latest."""
        if not promised:
            return
        by = by if by in ErasureCount.BY else "retention"
        longest = max(timedelta(), *(now - at for at in promised)) if by == "retention" else timedelta()
        rows = self.filter(day=now.date(), what=what, by=by)
        more = {"count": F("count") + len(promised), "latest": Greatest(F("latest"), longest)}
        if rows.update(**more):
            return
        first = {"count": len(promised), "latest": longest}
        if not self.get_or_create(day=now.date(), what=what, by=by, defaults=first)[1]:
            rows.update(**more)


class ConsentText(models.Model):
    """A text that somebody agreed to. Written by `jobs.consent`; never changed or removed."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    version = models.CharField(max_length=20)
    language = models.CharField(max_length=10)
    age = models.PositiveSmallIntegerField(help_text="Years that whoever agreed has, or a parent agreed.")
    text = models.TextField()
    first_given_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.version} {self.language} {self.sha256[:8]}"


class ErasureCount(models.Model):
    """How much was erased on one day, at whose wish, and how late at most. It names nobody.

    `manage.py erasures` prints the rows.
    """

    PHOTOS, FILMS, REPORTS = "photos", "films", "reports"
    BY = ("owner", "staff", "retention")

    day = models.DateField()
    what = models.CharField(max_length=10, help_text="photos, films or reports.")
    by = models.CharField(max_length=10, help_text="retention, owner or staff.")
    count = models.PositiveIntegerField(default=0)
    latest = models.DurationField(help_text="The longest time between the promised moment and the erasure.")

    objects = ErasureCountQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(name="erasure_count_once", fields=["day", "what", "by"])]

    def __str__(self) -> str:
        return f"{self.count} {self.what} on {self.day} by {self.by}"
