"""One action on many jobs, worked by reconcile at a rate that staff chose."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class BulkOperation(models.Model):
    """An action on the jobs that a filter found. Its jobs are its items; progress is counted in the row.

    running ⇄ paused → done, or stopped by staff from either.
    """

    class Action(models.TextChoices):
        RETRY = "retry_jobs", "Try again"
        MOVE = "move_jobs", "Send to another provider"
        CANCEL = "cancel_jobs", "Cancel"
        ERASE = "erase_jobs", "Erase"

    class Status(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"
        DONE = "done"
        STOPPED = "stopped"

    OPEN = (Status.RUNNING, Status.PAUSED)

    action = models.CharField(max_length=20, choices=Action.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    # Of the form that started it: one that is sent twice starts one operation.
    form_token = models.CharField(max_length=64, unique=True)
    query = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        help_text="The filter, as the job list has it; empty for a search, which may be for a person.",
    )
    words = models.CharField(max_length=300, help_text="The filter for people.")
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    creator_name = models.CharField(max_length=150, blank=True, default="", help_text="Stays when the user is gone.")
    address = models.CharField(max_length=45, blank=True, default="")
    rate = models.PositiveIntegerField(help_text="Jobs a minute.")
    line_limit = models.PositiveIntegerField(help_text="It pauses while more jobs than these wait.")
    most_cost = models.DecimalField(max_digits=12, decimal_places=2, default=0, help_text="US dollars, as forecast.")
    total = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0, help_text="As they were, because they no longer allowed it.")
    broken = models.PositiveIntegerField(default=0, help_text="As they were, because of an error, which the log has.")
    sums = models.JSONField(default=dict, help_text="What became of the jobs that it made (`jobs.bulk.sums`).")
    summed_at = models.DateTimeField(null=True, blank=True)
    paused_why = models.CharField(max_length=200, blank=True, default="", help_text="Which brake; empty for staff.")
    # Whoever moves it first works the next jobs.
    due_at = models.DateTimeField()
    # Up to when the rate has been used: what has passed since then is how many jobs are next.
    paced_from = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(name="bulk_created", fields=["created_at", "id"]),
            models.Index(name="bulk_due", fields=["due_at"], condition=Q(status="running")),
        ]
        constraints = [
            models.CheckConstraint(name="bulk_rate_positive", condition=Q(rate__gte=1)),
            models.CheckConstraint(
                name="bulk_ended_iff_final", condition=Q(ended_at=None) ^ Q(status__in=["done", "stopped"])
            ),
            models.CheckConstraint(
                name="bulk_counts_within_total", condition=Q(total__gte=F("done") + F("left") + F("broken"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.words}"

    @property
    def worked(self) -> int:
        """How many of its jobs were looked at."""
        return self.done + self.left + self.broken

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class BulkItem(models.Model):
    """One job of an operation, in its order."""

    class Outcome(models.TextChoices):
        WAITING = ""
        DONE = "done"
        LEFT = "left"
        BROKEN = "broken"

    operation = models.ForeignKey(BulkOperation, models.CASCADE, related_name="items", db_index=False)
    place = models.PositiveIntegerField()
    job_id = models.UUIDField()
    outcome = models.CharField(max_length=6, choices=Outcome.choices, blank=True, default="")
    # The job that a retry made.
    made = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ["place"]
        constraints = [models.UniqueConstraint(name="bulk_item_place_once", fields=["operation", "place"])]
        indexes = [models.Index(name="bulk_item_waiting", fields=["operation", "place"], condition=Q(outcome=""))]

    def __str__(self) -> str:
        return str(self.job_id)
