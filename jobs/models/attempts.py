"""Attempts: the tries of a job at its providers."""

from __future__ import annotations

from collections.abc import Collection

from django.db import models
from django.db.models import F, Q
from django.db.models.lookups import In

from providers.models import ProviderConfig

from .jobs import Job
from .sql import NotByIndex, literally


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def holding_a_slot(self) -> AttemptQuerySet:
        """Attempts that count against their provider's concurrency limit."""
        return self.filter(slot_held=True)

    def among(self, provider_ids: Collection[int]) -> AttemptQuerySet:
        """Attempts at these providers, filtered from a small set that another index has found already."""
        return self.filter(In(NotByIndex(F("provider_id")), list(provider_ids)))

    def providers(self) -> list[int]:
        """Return the ids of their providers; SQLite would walk through the index of all attempts by provider."""
        return list(self.order_by().annotate(at=NotByIndex(F("provider_id"))).values_list("at", flat=True).distinct())

    def is_open(self) -> AttemptQuerySet:
        """Attempts that may still produce a film; each holds its slot."""
        return self.filter(slot_held=True, status__in=Attempt.OPEN)

    def under_way(self) -> AttemptQuerySet:
        """Attempts that their provider has accepted and not finished."""
        return self.filter(literally("\"jobs_attempt\".\"status\" IN ('submitted', 'running')"))

    def on_lease(self) -> AttemptQuerySet:
        """Attempts whose submit is under way, or whose result is unknown."""
        return self.filter(literally("\"jobs_attempt\".\"status\" IN ('submitting', 'unconfirmed')"))

    def ids_with_film(self, sha256s: Collection[str], *, url_sha256s: Collection[str]) -> list[int]:
        """Return the ids of attempts whose film has one of these digests, or came from an address with one of those.

        A union of two searches, each with its index: SQLite uses neither for both at once.
        """
        by_film = self.filter(literally('NOT ("jobs_attempt"."film_sha256" = \'\')'), film_sha256__in=sha256s)
        by_address = self.filter(
            literally('NOT ("jobs_attempt"."film_url_sha256" = \'\')'), film_url_sha256__in=url_sha256s
        )
        ids = (rows.order_by().values_list("id", flat=True) for rows in (by_film, by_address))
        return list(next(ids).union(next(ids)))

    def with_cleanup(self) -> AttemptQuerySet:
        return self.filter(literally('NOT ("jobs_attempt"."cleanup" = \'\')'))


class Attempt(models.Model):
    """One try of a job at one provider."""

    class Status(models.TextChoices):
        PENDING = "pending"
        SUBMITTING = "submitting"
        UNCONFIRMED = "unconfirmed"
        SUBMITTED = "submitted"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        TIMED_OUT = "timed_out"
        CANCELED = "canceled"
        SUPERSEDED = "superseded"

    class Kind(models.TextChoices):
        """Why this attempt was made: a retry asks the same provider again, a fallback the next one."""

        FIRST = "first"
        FALLBACK = "fallback"
        RETRY = "retry"
        KEEP_WARM = "keep_warm"

    # Error codes that do not count as a failure of the provider.
    NOT_ITS_FAULT = ("busy", "never_sent")

    OPEN = (Status.PENDING, Status.SUBMITTING, Status.UNCONFIRMED, Status.SUBMITTED, Status.RUNNING)

    # Its job no longer waits for it, but the provider may still be rendering.
    GIVEN_UP = (Status.TIMED_OUT, Status.CANCELED)

    class ProviderCleanup(models.TextChoices):
        """The call that is still owed to the provider for a prediction that is no longer wanted."""

        CANCEL = "cancel"
        DELETE = "delete"

    job = models.ForeignKey(
        Job, models.CASCADE, null=True, blank=True, related_name="attempts", help_text="Empty for a keep-warm call."
    )
    provider = models.ForeignKey(ProviderConfig, models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FIRST)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.SUBMITTING)
    slot_held = models.BooleanField(default=True, help_text="Counts against the provider's concurrency limit.")
    token = models.CharField(max_length=48, unique=True, help_text="Names this attempt in its webhook address.")
    prediction_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - NULL until it is known

    lease_token = models.CharField(max_length=32)
    lease_until = models.DateTimeField()
    claimed_at = models.DateTimeField()
    # Before `claimed_at` when there was no call at all (`NEVER_COUNTED` in `jobs/lifecycle/attempts.py`).
    answered_at = models.DateTimeField(
        null=True, blank=True, help_text="The last moment at which the provider can have counted the call."
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    heard_at = models.DateTimeField(null=True, blank=True, help_text="Last news, by webhook or poll.")
    poll_at = models.DateTimeField(null=True, blank=True)
    was_cold = models.BooleanField(default=False, help_text="The model had not worked for a while when it was asked.")
    first_sign_at = models.DateTimeField(null=True, blank=True, help_text="First news that it is being worked on.")
    first_frame_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField()

    progress = models.FloatField(default=0.0)
    preview_url = models.CharField(max_length=2000, blank=True, default="")
    video_url = models.CharField(max_length=2000, blank=True, default="")
    # SHA-256 of the film as it came and of the address it came from, to notice one that is somebody else's.
    film_sha256 = models.CharField(max_length=64, blank=True, default="")
    film_url_sha256 = models.CharField(max_length=64, blank=True, default="")
    error_code = models.CharField(max_length=40, blank=True, default="")
    raw_error = models.TextField(blank=True, default="")
    cost = models.DecimalField(
        max_digits=9, decimal_places=4, default=0, help_text="The price while it may still be charged, then what was."
    )

    cleanup = models.CharField(max_length=8, choices=ProviderCleanup.choices, blank=True, default="")
    cleanup_at = models.DateTimeField(null=True, blank=True)
    cleanup_tries = models.PositiveSmallIntegerField(default=0)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        indexes = [
            models.Index(name="attempt_slot", fields=["provider"], condition=Q(slot_held=True)),
            models.Index(name="attempt_window", fields=["provider", "answered_at"]),
            models.Index(name="attempt_day", fields=["provider", "claimed_at"]),
            models.Index(
                name="attempt_lease", fields=["lease_until"], condition=Q(status__in=["submitting", "unconfirmed"])
            ),
            models.Index(name="attempt_poll", fields=["poll_at"], condition=Q(status__in=["submitted", "running"])),
            # For the figures of a minute.
            models.Index(name="attempt_ended", fields=["finished_at"], condition=Q(finished_at__isnull=False)),
            models.Index(name="attempt_film", fields=["film_sha256"], condition=~Q(film_sha256="")),
            models.Index(name="attempt_film_url", fields=["film_url_sha256"], condition=~Q(film_url_sha256="")),
            models.Index(name="attempt_cleanup", fields=["cleanup_at"], condition=~Q(cleanup="")),
        ]
        constraints = [
            models.UniqueConstraint(name="attempt_number_once", fields=["job", "number"]),
            models.UniqueConstraint(name="attempt_prediction_once", fields=["provider", "prediction_id"]),
            models.UniqueConstraint(name="attempt_one_winner", fields=["job"], condition=Q(status="succeeded")),
            models.CheckConstraint(name="attempt_job_unless_keep_warm", condition=Q(job=None) ^ ~Q(kind="keep_warm")),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.number}" if self.job_id else f"keep warm {self.id}"
