"""Jobs: what people asked for. `jobs.lifecycle` says what may change in a row, `jobs.queue.claims` who may do it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.db.models.lookups import In, LessThanOrEqual

from .looks import Look
from .sql import NotByIndex, literally


class Lane(models.TextChoices):
    """A kind of background work. A job is in at most one lane; '' means that no worker has anything to do for it."""

    PREPARE = "prepare"
    DISPATCH = "dispatch"
    COLLECT = "collect"


# The lanes whose jobs wait for a provider: their order is the queue that people see their position in.
QUEUE_LANES = (Lane.PREPARE, Lane.DISPATCH)


# Ended jobs whose photo is still kept, for the index and for whoever looks for them.
HAS_ENDED_WITH_PHOTO = Q(finished_at__isnull=False) & (~Q(raw_key="") | ~Q(clean_key="") | ~Q(preview_key=""))


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, owner: str, opened: Collection[uuid.UUID] = ()) -> JobQuerySet:
        """The owner's jobs and those opened with a magic link; none when both are empty."""
        if opened:
            return self.filter(Q(owner=owner) | Q(id__in=opened)) if owner else self.filter(id__in=opened)
        return self.filter(owner=owner) if owner else self.none()

    def shared_as(self, share_slug: str) -> JobQuerySet:
        """The finished job with this public address, as long as its owner shares it; taken down by staff or not."""
        return self.filter(share_slug=share_slug, status="succeeded", erased_at=None)

    def in_lane(self, lane: str) -> JobQuerySet:
        return self.filter(literally('NOT ("jobs_job"."lane" = \'\')'), lane=lane)

    def claimable(self, lane: str, *, now: datetime) -> JobQuerySet:
        """Rows of a lane that are due, in queue order (`jobs.queue_order`)."""
        due = LessThanOrEqual(NotByIndex(F("due_at")), now)
        return self.in_lane(lane).filter(due).order_by("-priority", "turn_at")

    def in_queue(self) -> JobQuerySet:
        """Jobs that have no provider yet: their photo is to be prepared, or they wait for a free slot."""
        return self.filter(literally('NOT ("jobs_job"."lane" = \'\')'), lane__in=QUEUE_LANES)

    def to_erase(self, statuses: Collection[str], *, now: datetime) -> JobQuerySet:
        """Jobs in these statuses whose hour has come; SQLite would walk through all that have the status."""
        among = In(NotByIndex(F("status")), list(statuses))
        return self.filter(among, erase_at__lte=now, erased_at=None)

    def is_open(self) -> JobQuerySet:
        return self.filter(literally("\"jobs_job\".\"status\" IN ('queued', 'processing')"))


class Job(models.Model):
    """A film that a person asked for, from the accepted upload to its final state."""

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
    look = models.ForeignKey(Look, models.PROTECT, db_index=False)
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
    lane_tries = models.PositiveSmallIntegerField(default=0, help_text="Failed tries in the present lane.")
    priority = models.SmallIntegerField(default=0, help_text="Higher goes first, whenever it came.")
    turn_at = models.DateTimeField(help_text="Queue order within a priority, fair among owners.")
    turn_key = models.CharField(max_length=80, blank=True, default="", help_text="Under what its turn was given.")
    # Lists with a comma before, between and after each item, so that claims can filter by them without a join.
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
    face = models.CharField(
        max_length=24, blank=True, default="", db_default="", help_text="Whom of several the film is about: x,y."
    )
    photo_cost = models.PositiveSmallIntegerField(default=1, help_text="Of opening the photo, in 0.1 s of CPU.")
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
    consent_sha256 = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Of the text that was agreed to."
    )
    consent_language = models.CharField(max_length=10, blank=True, default="", db_default="")
    consent_age = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Years that the person said to have, or a parent agreed."
    )
    locale = models.CharField(max_length=10, blank=True, default="")
    email = models.EmailField(blank=True, default="")
    links_epoch = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Magic links of another epoch have been ended by the owner; 0 to 255."
    )
    share_slug = models.CharField(max_length=24, null=True, blank=True, unique=True)
    taken_down_at = models.DateTimeField(null=True, blank=True, help_text="When staff took it from the public.")

    # The forecast given at the upload, in seconds; `jobs.estimates.metrics` compares it with the real wait.
    promised_p50 = models.PositiveIntegerField(null=True, blank=True)
    promised_p90 = models.PositiveIntegerField(null=True, blank=True)

    created_at = models.DateTimeField()
    first_frame_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField()
    erase_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, blank=True)
    photo_erased_at = models.DateTimeField(null=True, blank=True)
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

    # How many jobs are ahead of it, where the code that loaded the row has counted them.
    position: int | None = None

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        permissions = [("view_faces", "Can see faces: posters, photos, films, e-mails and what vendors sent")]
        indexes = [
            # The first in queue order for claims, the second by due time for reconcile.
            models.Index(name="job_line_claim", fields=["lane", "-priority", "turn_at"], condition=~Q(lane="")),
            models.Index(name="job_claim", fields=["lane", "due_at"], condition=~Q(lane="")),
            models.Index(name="job_owner", fields=["owner", "-created_at"]),
            models.Index(
                name="job_turn", fields=["turn_key", "turn_at"], condition=Q(status__in=["queued", "processing"])
            ),
            models.Index(
                name="job_open_deadline", fields=["deadline_at"], condition=Q(status__in=["queued", "processing"])
            ),
            models.Index(name="job_ended", fields=["finished_at"], condition=Q(finished_at__isnull=False)),
            models.Index(name="job_retry_of", fields=["retry_of"], condition=Q(retry_of__isnull=False)),
            models.Index(name="job_photo", fields=["finished_at"], condition=HAS_ENDED_WITH_PHOTO),
            models.Index(name="job_erase", fields=["erase_at"], condition=Q(erased_at=None)),
            # For staff: the orders and filters of the list, and what it is searched by.
            models.Index(name="job_created", fields=["created_at", "id"]),
            models.Index(name="job_status", fields=["status", "created_at", "id"]),
            models.Index(name="job_look", fields=["look", "created_at", "id"]),
            models.Index(name="job_failure", fields=["failure_code", "created_at", "id"], condition=Q(status="failed")),
            models.Index(Upper("email"), name="job_email", condition=~Q(email="")),
            models.Index(Upper("hero_name"), name="job_hero_name", condition=~Q(hero_name="")),
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
            # No consent, no dispatch. Texts were not kept before the version of December 2026.
            models.CheckConstraint(
                name="job_consent_before_dispatch",
                condition=Q(lane="prepare")
                | Q(finished_at__isnull=False)
                | Q(consent_version="2026-11")
                | (~Q(consent_version="") & ~Q(consent_sha256="") & ~Q(consent_language="") & Q(consent_age__gt=0)),
            ),
            models.CheckConstraint(name="job_progress_is_a_share", condition=Q(progress__gte=0) & Q(progress__lte=1)),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_final(self) -> bool:
        return self.status in self.FINAL

    @property
    def look_slug(self) -> str:
        return self.look.slug
