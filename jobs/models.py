"""The rows. The database is the truth; what may change in them is in `jobs.lifecycle` and `jobs.queue.claims`."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL
from django.db.models.lookups import In, LessThanOrEqual

from providers.models import ProviderConfig

from .audit import AuditEntry, Heartbeat, StartTimes  # noqa: F401 - Django looks for all rows here


def literally(sql: str) -> RawSQL:
    """Return a condition with its values written out.

    SQLite uses a partial index only for a query that repeats the index's condition word for word, not with
    parameters; to PostgreSQL it makes no difference.
    """
    return RawSQL(sql, (), output_field=models.BooleanField())  # noqa: S611 - only texts of this file


class NotByIndex(models.Func):
    """The value itself, by which SQLite chooses no index: without statistics it takes the first that fits."""

    template, arity = "%(expressions)s", 1

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, Sequence[Any]]:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **context)


class Lane(models.TextChoices):
    """A kind of background work. A job waits in at most one lane; '' means it is nobody's turn."""

    PREPARE = "prepare"
    DISPATCH = "dispatch"
    COLLECT = "collect"


# Whoever is in one of these waits for a provider, or for what comes before one.
IN_LINE = (Lane.PREPARE, Lane.DISPATCH)


class Look(models.Model):
    """A hero style, edited by staff."""

    slug = models.SlugField(max_length=40, unique=True)
    title = models.CharField(max_length=60)
    note = models.CharField(max_length=80, blank=True, help_text="Three or four words under the title.")
    prompt = models.TextField()
    negative_prompt = models.TextField(blank=True)
    picture = models.CharField(max_length=120, help_text="Static path of the sample poster.")
    loop = models.CharField(max_length=120, blank=True, help_text="Static path of the silent sample film.")
    order = models.PositiveSmallIntegerField(default=100)
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["order", "slug"]

    def __str__(self) -> str:
        return self.title


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, owner: str, opened: Collection[uuid.UUID] = ()) -> JobQuerySet:
        """The owner's jobs, and those opened with a ticket; none when there is neither."""
        if opened:
            return self.filter(Q(owner=owner) | Q(id__in=opened)) if owner else self.filter(id__in=opened)
        return self.filter(owner=owner) if owner else self.none()

    def shared_as(self, share_slug: str) -> JobQuerySet:
        """The film with this public address, as long as its owner shares it."""
        return self.filter(share_slug=share_slug, status="succeeded", erased_at=None)

    def in_lane(self, lane: str) -> JobQuerySet:
        return self.filter(literally('NOT ("jobs_job"."lane" = \'\')'), lane=lane)

    def claimable(self, lane: str, *, now: datetime) -> JobQuerySet:
        """Rows of a lane that are due, in the order of the line (`jobs.queue_order`)."""
        due = LessThanOrEqual(NotByIndex(F("due_at")), now)
        return self.in_lane(lane).filter(due).order_by("-priority", "turn_at")

    def in_line(self) -> JobQuerySet:
        """Jobs that wait for a provider, or for what comes before one."""
        return self.filter(literally('NOT ("jobs_job"."lane" = \'\')'), lane__in=IN_LINE)

    def is_open(self) -> JobQuerySet:
        return self.filter(literally("\"jobs_job\".\"status\" IN ('queued', 'processing')"))


class Job(models.Model):
    """What somebody asked for and watches."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        PROCESSING = "processing"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELED = "canceled"

    class Stage(models.TextChoices):
        ACCEPTED = "accepted"
        PREPARING = "preparing"
        WAITING_FOR_SLOT = "waiting_for_slot"
        SUBMITTED = "submitted"
        WARMING_UP = "warming_up"
        RENDERING = "rendering"
        COLLECTING = "collecting"
        READY = "ready"

    OPEN = (Status.QUEUED, Status.PROCESSING)
    FINAL = (Status.SUCCEEDED, Status.FAILED, Status.CANCELED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.CharField(max_length=80, help_text="u:<user id> or v:<digest of the visitor cookie>.")
    look = models.ForeignKey(Look, models.PROTECT)
    hero_name = models.CharField(max_length=24, blank=True)

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    stage = models.CharField(max_length=20, choices=Stage.choices, default=Stage.ACCEPTED)
    progress = models.FloatField(default=0.0, help_text="0 to 1, of the whole way.")
    failure_code = models.CharField(max_length=40, blank=True, default="")
    reason_code = models.CharField(max_length=40, blank=True, default="", help_text="Why the time range moved.")
    reason_subject = models.CharField(max_length=80, blank=True, default="")
    reason_target = models.CharField(max_length=80, blank=True, default="")
    seq = models.PositiveIntegerField(default=1, help_text="Number of the newest job event.")

    lane = models.CharField(max_length=10, choices=Lane.choices, blank=True, default=Lane.PREPARE)
    due_at = models.DateTimeField(help_text="Next claim; a claim moves it to the lease's end.")
    lease_token = models.CharField(max_length=32, blank=True, default="")
    lane_tries = models.PositiveSmallIntegerField(
        default=0, help_text="Tries in the present lane that came to nothing."
    )
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first, whenever it came.")
    turn_at = models.DateTimeField(help_text="Place in the line among the same priority, fair among owners.")
    # Lists with a comma before, between and after, so that one look at the row tells where it may go.
    failed_provider_ids = models.CharField(
        max_length=200, default=",", help_text="Ids of the providers that failed it."
    )
    refusing_content_rules = models.CharField(
        max_length=400, default=",", help_text="Content rules that refused its photo."
    )

    raw_key = models.CharField(max_length=120, blank=True, default="")
    clean_key = models.CharField(max_length=120, blank=True, default="")
    has_face = models.BooleanField(default=True)  # without one only providers that take such pictures get it
    photo_sha256 = models.CharField(max_length=64)
    photo_bytes = models.PositiveIntegerField(default=0)
    preview_key = models.CharField(max_length=120, blank=True, default="")
    poster_key = models.CharField(max_length=120, blank=True, default="")
    video_key = models.CharField(max_length=120, blank=True, default="")
    video_bytes = models.PositiveBigIntegerField(default=0)
    video_seconds = models.FloatField(null=True, blank=True)
    video_width = models.PositiveSmallIntegerField(default=0, help_text="In pixels, as it is shown; 0 is not known.")
    video_height = models.PositiveSmallIntegerField(default=0)
    poster_width = models.PositiveSmallIntegerField(default=0)
    poster_height = models.PositiveSmallIntegerField(default=0)

    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - NULL is not equal to NULL
    consent_version = models.CharField(max_length=20)
    consent_at = models.DateTimeField()
    locale = models.CharField(max_length=10, blank=True, default="")
    email = models.EmailField(blank=True, default="")
    share_slug = models.CharField(max_length=24, null=True, blank=True, unique=True)

    # What was said at the door, in seconds; the report card compares it with what became of it.
    promised_p50 = models.PositiveIntegerField(null=True, blank=True)
    promised_p90 = models.PositiveIntegerField(null=True, blank=True)

    created_at = models.DateTimeField()
    first_frame_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField()
    erase_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)
    winner = models.ForeignKey("Attempt", models.SET_NULL, null=True, blank=True, related_name="won_jobs")
    retry_of = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="retries",
        help_text="The first job of this photo, when staff tried it again; all of them are erased together.",
    )

    # How many go before it, for whoever has just counted them.
    place: int | None = None

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            # In the order of the line, and by lateness for reconcile.
            models.Index(name="job_line_claim", fields=["lane", "-priority", "turn_at"], condition=~Q(lane="")),
            models.Index(name="job_claim", fields=["lane", "due_at"], condition=~Q(lane="")),
            models.Index(name="job_owner", fields=["owner", "-created_at"]),
            models.Index(
                name="job_owner_turn", fields=["owner", "turn_at"], condition=Q(status__in=["queued", "processing"])
            ),
            models.Index(
                name="job_open_deadline", fields=["deadline_at"], condition=Q(status__in=["queued", "processing"])
            ),
            models.Index(name="job_ended", fields=["finished_at"], condition=Q(finished_at__isnull=False)),
            models.Index(name="job_retry_of", fields=["retry_of"], condition=Q(retry_of__isnull=False)),
            models.Index(name="job_erase", fields=["erase_at"], condition=Q(erased_at=None)),
        ]
        constraints = [
            models.UniqueConstraint(name="job_idempotency_key_once", fields=["owner", "idempotency_key"]),
            models.CheckConstraint(
                name="job_finished_at_iff_final",
                condition=Q(finished_at=None, status__in=["queued", "processing"])
                | Q(finished_at__isnull=False, status__in=["succeeded", "failed", "canceled"]),
            ),
            models.CheckConstraint(name="job_lane_only_while_open", condition=Q(lane="") | Q(finished_at=None)),
            models.CheckConstraint(name="job_failure_iff_failed", condition=Q(failure_code="") ^ Q(status="failed")),
            models.CheckConstraint(
                name="job_succeeded_has_video",
                condition=~Q(status="succeeded") | ~Q(video_key="") | Q(erased_at__isnull=False),
            ),
            models.CheckConstraint(name="job_progress_is_a_share", condition=Q(progress__gte=0) & Q(progress__lte=1)),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_final(self) -> bool:
        return self.status in self.FINAL


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def holding_a_slot(self) -> AttemptQuerySet:
        """Attempts that count against their provider's concurrency limit."""
        return self.filter(slot_held=True)

    def among(self, provider_ids: Collection[int]) -> AttemptQuerySet:
        """Attempts at these providers, of a small part of all that has an index of its own."""
        return self.filter(In(NotByIndex(F("provider_id")), list(provider_ids)))

    def is_open(self) -> AttemptQuerySet:
        """Attempts that may still bring a film; each holds its slot."""
        return self.filter(slot_held=True, status__in=Attempt.OPEN)

    def under_way(self) -> AttemptQuerySet:
        """Attempts that their provider has taken."""
        return self.filter(literally("\"jobs_attempt\".\"status\" IN ('submitted', 'running')"))

    def on_lease(self) -> AttemptQuerySet:
        """Attempts whose submit is under way or came to nobody knows what."""
        return self.filter(literally("\"jobs_attempt\".\"status\" IN ('submitting', 'unconfirmed')"))

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
        """What this try is to its job. The words are the README's: retry is the same provider again."""

        FIRST = "first"
        FALLBACK = "fallback"
        RETRY = "retry"
        KEEP_WARM = "keep_warm"

    # Error codes that say nothing against the provider.
    NOT_ITS_FAULT = ("busy", "never_sent")

    OPEN = (Status.PENDING, Status.SUBMITTING, Status.UNCONFIRMED, Status.SUBMITTED, Status.RUNNING)

    # Nobody waits for it any more, but its provider may still be at work.
    GIVEN_UP = (Status.TIMED_OUT, Status.CANCELED)

    class ProviderCleanup(models.TextChoices):
        """Something still to be told to the provider about a prediction nobody waits for."""

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


class JobEvent(models.Model):
    """A line in a job's own history; append-only. `seq` counts 1, 2, 3… within the job."""

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


class WebhookDelivery(models.Model):
    """One webhook POST, kept as it came."""

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

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-received_at"]
        indexes = [
            models.Index(name="delivery_due", fields=["due_at"], condition=Q(due_at__isnull=False)),
            models.Index(name="delivery_received", fields=["received_at"]),
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


def next_seq() -> F:
    """The expression that numbers the next job event."""
    return F("seq") + 1
