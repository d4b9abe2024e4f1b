"""Rows beside the jobs: staff's notes and audit trail, heartbeats of processes, the load, how models start."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.db import models

from providers.models import ProviderConfig

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StartTimes(models.Model):
    """Measured start times of one provider's model, cold and warm. Written by `jobs.routing.cold_starts`."""

    provider = models.ForeignKey(ProviderConfig, models.CASCADE, related_name="start_times")
    model = models.CharField(max_length=200, blank=True)
    cold_count = models.PositiveIntegerField(default=0)
    warm_count = models.PositiveIntegerField(default=0)
    samples = models.JSONField(default=dict, help_text="The newest seconds until the first sign and until the film.")
    worked_at = models.DateTimeField(null=True, blank=True, help_text="Last sign of work.")

    class Meta:
        verbose_name_plural = "start times"
        constraints = [models.UniqueConstraint(name="start_times_once", fields=["provider", "model"])]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}".strip()


class Heartbeat(models.Model):
    """When a process last reported that it works, by host. RQ's own list of workers is empty after a FLUSHALL.

    A row is retired when its host is gone and another host has a process of that name (`jobs.queue.engine`).
    """

    name = models.CharField(max_length=60)
    # With defaults of the database's own, because processes of the release before write rows without them.
    host = models.CharField(max_length=40, blank=True, default="", db_default="")
    version = models.CharField(max_length=40, blank=True, default="", db_default="")
    keys = models.CharField(
        max_length=16, blank=True, default="", db_default="", help_text="`providers.keys.digest_of_own`"
    )
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(name="heartbeat_once", fields=["name", "host"])]

    def __str__(self) -> str:
        return f"{self.name} on {self.host}" if self.host else self.name


class LedgerInspection(models.Model):
    """What the ledger's inspection found, and how far the next one is: one row (see `jobs.ledger.continuous`)."""

    name = models.CharField(max_length=10, primary_key=True, default="ledger")
    due_at = models.DateTimeField(help_text="When the next part is inspected; the lease's end while one is.")
    walk_after = models.UUIDField(null=True, help_text="The inspection under way has read the jobs up to this id.")
    walk_found = models.JSONField(null=True, help_text="What it has found so far; empty when none is under way.")
    found = models.JSONField(null=True, help_text="What the last inspection of all jobs found.")
    recent = models.JSONField(null=True, help_text="What the newest look at open and just ended jobs found.")
    recent_at = models.DateTimeField(null=True)
    files_wanted = models.BooleanField(default=False, help_text="Staff want the files checked too, once.")
    files_found = models.JSONField(null=True)
    files_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class LoadState(models.Model):
    """How much waits in the whole cluster, and what is left out for it. One row, written by `jobs.overload.state`."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY, editable=False)
    measured_at = models.DateTimeField(default=EPOCH)
    measured_by = models.CharField(max_length=60, blank=True, default="", help_text="The reconcile process that does.")
    waiting = models.PositiveIntegerField(default=0, help_text="Jobs that wait for us or for a provider's free slot.")
    capacity = models.FloatField(null=True, blank=True, help_text="Jobs that leave a second; empty while unknown.")
    backlog_seconds = models.FloatField(default=0.0, help_text="How long a job that comes now would wait.")
    admitted_per_second = models.FloatField(
        null=True, blank=True, help_text="New jobs that each web process lets in; empty: all."
    )
    level = models.PositiveSmallIntegerField(default=0, help_text="Brownout level, by measurement.")
    forced_level = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Brownout level, by staff.")
    forced_until = models.DateTimeField(null=True, blank=True)
    forced_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        verbose_name = verbose_name_plural = "load"

    def __str__(self) -> str:
        return f"{self.waiting} waiting"


class StaffNote(models.Model):
    """What a staff member wrote about a job. Deleted when the job is erased (`jobs.notes`)."""

    job = models.ForeignKey("jobs.Job", models.CASCADE, related_name="notes")
    at = models.DateTimeField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    author_name = models.CharField(max_length=150, blank=True, default="", help_text="Stays when the user is gone.")
    text = models.TextField()

    def __str__(self) -> str:
        return f"{self.author_name} {self.at:%Y-%m-%d %H:%M}"


class AuditEntry(models.Model):
    """One action of a staff member: viewed a photo, changed a key, retried, canceled or erased. Append-only."""

    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    actor_name = models.CharField(max_length=150, blank=True, default="", help_text="Stays when the user is gone.")
    address = models.CharField(max_length=45, blank=True, default="", help_text="From where, as limits count it.")
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    data = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-at"]
        indexes = [
            models.Index(name="audit_at", fields=["at", "id"]),
            models.Index(name="audit_action", fields=["action", "at", "id"]),
            models.Index(name="audit_subject", fields=["subject", "at"]),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class ReadinessReport(models.Model):
    """What `selfiehero.readiness` measured, or is measuring: asked for on its page or by its command."""

    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150, blank=True, default="")
    host = models.CharField(max_length=40, blank=True, default="")
    rate = models.PositiveIntegerField(help_text="Films a minute that were wanted.")
    measured_at = models.DateTimeField(null=True, blank=True)
    lines = models.JSONField(default=list, help_text="Each with area, name, level, words, measured and mend.")

    class Meta:
        indexes = [models.Index(name="readiness_asked", fields=["asked_at"])]

    def __str__(self) -> str:
        return f"readiness for {self.rate} a minute"
