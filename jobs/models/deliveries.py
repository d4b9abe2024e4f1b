"""Webhook calls as they arrived."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from .attempts import Attempt


class WebhookDelivery(models.Model):
    """One webhook POST, stored as it arrived."""

    class Verdict(models.TextChoices):
        VALID = "valid"
        FORGED = "forged"
        STALE = "stale"
        DUPLICATE = "duplicate"
        UNKNOWN = "unknown"

    provider = models.CharField(max_length=40)
    attempt_token = models.CharField(max_length=64)
    event_id = models.CharField(max_length=128, blank=True, default="")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=bytes)
    received_at = models.DateTimeField()
    attempt = models.ForeignKey(Attempt, models.SET_NULL, null=True, blank=True, related_name="deliveries")
    due_at = models.DateTimeField(null=True, blank=True, help_text="Next try to apply it; empty when done.")
    applied_at = models.DateTimeField(null=True, blank=True)
    apply_tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True, default="")
    is_progress = models.BooleanField(
        default=False, db_default=False, help_text="It was applied and told only how far its prediction was."
    )

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-received_at"]
        indexes = [
            models.Index(name="delivery_due", fields=["due_at"], condition=Q(due_at__isnull=False)),
            # For staff: the order and the filters of the list, and what it is searched by.
            models.Index(name="delivery_received", fields=["received_at", "id"]),
            models.Index(name="delivery_deciding", fields=["received_at", "id"], condition=Q(is_progress=False)),
            models.Index(name="delivery_verdict", fields=["verdict", "received_at", "id"]),
            models.Index(name="delivery_provider", fields=["provider", "received_at", "id"]),
            models.Index(name="delivery_event", fields=["event_id"], condition=~Q(event_id="")),
            # For the erasure of a job, and for the deliveries of one attempt.
            models.Index(name="delivery_attempt", fields=["attempt_token"]),
        ]
        constraints = [
            models.UniqueConstraint(
                name="delivery_once",
                fields=["provider", "attempt_token", "event_id"],
                condition=Q(verdict__in=["valid", "unknown"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"
