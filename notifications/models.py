"""Push subscriptions, and notifications to send. A notification is made in the transaction in which its job ends."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from jobs.models import Job


class PushSubscription(models.Model):
    """A browser to notify when a job of its owner ends; with a job, when that one ends only."""

    owner = models.CharField(max_length=80, help_text="As in jobs: u:<user id> or v:<digest of the visitor cookie>.")
    job = models.ForeignKey(
        Job, models.CASCADE, null=True, blank=True, help_text="Set when it was opened with a magic link."
    )
    endpoint = models.CharField(max_length=1000)
    endpoint_hash = models.CharField(max_length=64, unique=True)
    p256dh = models.CharField(max_length=100)
    auth = models.CharField(max_length=32)
    user_agent = models.CharField(max_length=120, blank=True, default="")
    created_at = models.DateTimeField()
    last_ok_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, help_text="Refusals since the last success.")

    class Meta:
        indexes = [
            models.Index(name="push_owner", fields=["owner", "created_at"]),
            models.Index(name="push_created", fields=["created_at", "id"]),
        ]

    def __str__(self) -> str:
        return f"push subscription {self.pk}"


class NotificationQuerySet(models.QuerySet["Notification"]):
    def is_open(self) -> NotificationQuerySet:
        """What is neither sent nor given up."""
        return self.filter(sent_at=None, given_up_at=None)

    def due(self, *, now: datetime) -> NotificationQuerySet:
        return self.is_open().filter(due_at__lte=now)


class Notification(models.Model):
    """One message to one browser or address: that a job has ended, or a link to confirm the address first."""

    class Channel(models.TextChoices):
        PUSH = "push"
        EMAIL = "email"
        # A mail too: the link that confirms an address before any other mail goes there.
        CONFIRM = "confirm"

    job = models.ForeignKey(Job, models.CASCADE, related_name="notifications")
    channel = models.CharField(max_length=7, choices=Channel.choices)
    recipient = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="A keyed digest of the address that is to be confirmed.",
    )
    subscription = models.ForeignKey(
        PushSubscription, models.CASCADE, null=True, blank=True, help_text="Mail goes to the job's own address."
    )
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="Next claim; a claim moves it to the lease's end.")
    lease_token = models.CharField(max_length=32, blank=True, default="")
    tries = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True, default="")

    objects = NotificationQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(name="notification_due", fields=["due_at"], condition=Q(sent_at=None, given_up_at=None)),
            # For staff: the order and the filters of the list.
            models.Index(name="notification_created", fields=["created_at", "id"]),
            models.Index(name="notification_channel", fields=["channel", "created_at", "id"]),
            models.Index(name="notification_sent", fields=["created_at", "id"], condition=Q(sent_at__isnull=False)),
            models.Index(
                name="notification_given_up", fields=["created_at", "id"], condition=Q(given_up_at__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(name="notification_push_once", fields=["job", "subscription"]),
            models.UniqueConstraint(name="notification_email_once", fields=["job"], condition=Q(channel="email")),
            models.UniqueConstraint(
                name="notification_confirm_once", fields=["job", "recipient"], condition=Q(channel="confirm")
            ),
            models.CheckConstraint(
                name="notification_recipient_iff_confirm", condition=Q(recipient="") ^ Q(channel="confirm")
            ),
            models.CheckConstraint(
                name="notification_subscription_iff_push", condition=Q(subscription=None) ^ Q(channel="push")
            ),
            models.CheckConstraint(name="notification_one_end", condition=Q(sent_at=None) | Q(given_up_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.pk} about {self.job_id}"


class ConfirmedAddress(models.Model):
    """An owner and a mailbox whose reader has agreed to mail about the owner's films."""

    owner = models.CharField(max_length=80)
    recipient = models.CharField(max_length=64, help_text="A keyed digest of the address.")
    confirmed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "confirmed addresses"
        constraints = [models.UniqueConstraint(name="confirmed_address_once", fields=["owner", "recipient"])]

    def __str__(self) -> str:
        return f"confirmed address {self.pk}"


class MailCount(models.Model):
    """How many mails went to one address in a day."""

    recipient = models.CharField(max_length=64, help_text="A keyed digest of the address.")
    day = models.DateField()
    count = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(name="mail_count_once", fields=["recipient", "day"])]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}"
