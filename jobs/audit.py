"""Rows beside the jobs: who was at work, who of the staff did what, how long models take to begin."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from providers.models import ProviderConfig


class StartTimes(models.Model):
    """What was learned of how fast a model starts, asleep and awake. Kept by `jobs.routing.cold_starts`."""

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
    """When a process of ours was last seen at work. RQ's own list is empty after a FLUSHALL."""

    name = models.CharField(max_length=60, primary_key=True)
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """Who of the staff looked at a photo, changed a key, tried again, canceled or erased. Append-only."""

    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=120)
    data = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"
        ordering = ["-at"]
        indexes = [models.Index(name="audit_at", fields=["-at"])]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
