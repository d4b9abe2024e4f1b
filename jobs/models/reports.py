"""Reports by people who saw a shared film that should not be public."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class FilmReport(models.Model):
    """One report of one shared film, until staff have decided. Deleted with the film (`jobs.takedowns`)."""

    class State(models.TextChoices):
        OPEN = "open"
        TAKEN_DOWN = "taken_down"
        DISMISSED = "dismissed"

    class Reason(models.TextChoices):
        ME = "me", "shows the person who reports, or somebody in their care"
        CHILD = "child", "shows a child"
        HARM = "harm", "mocks, threatens or undresses somebody"
        OTHER = "other", "something else"

    job = models.ForeignKey("jobs.Job", models.CASCADE, related_name="reports")
    reason = models.CharField(max_length=10, choices=Reason.choices)
    words = models.CharField(max_length=500, blank=True, default="")
    email = models.EmailField(blank=True, default="", help_text="For questions, if the person gave one.")
    reported_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)

    class Meta:
        ordering = ["-reported_at", "-id"]
        indexes = [
            models.Index(name="film_report_at", fields=["reported_at", "id"]),
            models.Index(name="film_report_open", fields=["reported_at"], condition=Q(state="open")),
        ]
        constraints = [
            models.CheckConstraint(
                name="film_report_settled_iff_not_open",
                condition=Q(state="open", settled_at=None) | (~Q(state="open") & Q(settled_at__isnull=False)),
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.reported_at:%Y-%m-%d %H:%M}"
