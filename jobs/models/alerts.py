"""Alerts to people: what is wrong now or was, and each message about it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Alert(models.Model):
    """One thing that is wrong, from when it was first seen until it has been well for a while.

    Of each rule and subject there is one at a time: whichever reconcile process sees it makes the row, once.
    """

    class Rule(models.TextChoices):
        NO_PROVIDER = "no_provider"
        BREAKER_OPEN = "breaker_open"
        LAW_BROKEN = "law_broken"
        BACKLOG_OLD = "backlog_old"
        BUDGET_LOW = "budget_low"
        BUDGET_USED = "budget_used"
        ERASURES_OVERDUE = "erasures_overdue"
        HEARTBEAT_LOST = "heartbeat_lost"
        PART_AWAY = "part_away"
        FORGED_WEBHOOKS = "forged_webhooks"

    rule = models.CharField(max_length=20, choices=Rule.choices)
    subject = models.CharField(max_length=80, blank=True, default="", help_text="Which provider, process or part.")
    level = models.CharField(max_length=4, choices=[("warn", "warn"), ("bad", "bad")])
    words = models.CharField(max_length=300, help_text="What was measured, in a sentence.")
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it was so last.")
    told_at = models.DateTimeField(null=True, blank=True, help_text="When people were told; empty while it is young.")
    ended_at = models.DateTimeField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    taken_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)

    class Meta:
        ordering = ["-began_at"]
        indexes = [models.Index(name="alert_began", fields=["began_at", "id"])]
        constraints = [
            models.UniqueConstraint(name="alert_open_once", fields=["rule", "subject"], condition=Q(ended_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.get_rule_display()} {self.subject}".strip()


class AlertMessage(models.Model):
    """One message to one channel: that an alert began, that it is over, the report of a day, or a test. Sent once."""

    class Kind(models.TextChoices):
        BEGAN = "began"
        OVER = "over"
        REPORT = "report"
        TEST = "test"

    class Channel(models.TextChoices):
        EMAIL = "email"
        WEBHOOK = "webhook"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    channel = models.CharField(max_length=7, choices=Channel.choices)
    about = models.CharField(max_length=40, help_text="The alert's number, the day of a report, or the time of a test.")
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="Next try; while one is under way, the end of its lease.")
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                name="alert_message_due", fields=["due_at"], condition=Q(sent_at__isnull=True, given_up_at__isnull=True)
            ),
            models.Index(name="alert_message_created", fields=["created_at", "id"]),
        ]
        constraints = [models.UniqueConstraint(name="alert_message_once", fields=["kind", "channel", "about"])]

    def __str__(self) -> str:
        return self.subject
