"""What may become of an attempt, and what its news mean for its job."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from ..models import Attempt, Job, Lane
from .changes import RENDERING_SPAN, STAGE_PROGRESS, STAGES_BEFORE, Stage, Status, change

# Of an attempt whose film was reported and could not be had: it does not win again.
RESULT_LOST = "result_lost"


def submitted(attempt: Attempt, *, prediction_id: str, lease_token: str, poll_at: datetime, now: datetime) -> bool:
    """Store what the provider calls our prediction. A webhook that was faster keeps its status."""
    mine = Attempt.objects.filter(id=attempt.id, lease_token=lease_token)
    mine.filter(prediction_id=None).update(prediction_id=prediction_id)
    mine.filter(answered_at=None).update(answered_at=now)
    moved = mine.filter(status__in=[Attempt.Status.SUBMITTING, Attempt.Status.UNCONFIRMED]).update(
        status=Attempt.Status.SUBMITTED, submitted_at=now, heard_at=now, poll_at=poll_at
    )
    if moved:
        change(
            attempt.job_id,
            Q(status=Status.PROCESSING, lane="", stage=Stage.WAITING_FOR_SLOT),
            "submitted",
            now,
            {"attempt": attempt.number, "provider": attempt.provider.slug},
            stage=Stage.SUBMITTED,
        )
    else:
        # Given up while the submit was under way: what it made has to be stopped, or forgotten with its job.
        given_up = Q(status__in=Attempt.GIVEN_UP) | Q(status=Attempt.Status.FAILED, error_code="never_sent")
        is_erased = Job.objects.filter(id=attempt.job_id, erased_at__isnull=False).exists()
        mine.filter(given_up, errand="").update(
            errand=Attempt.Errand.DELETE if is_erased else Attempt.Errand.CANCEL, errand_at=now, errand_tries=0
        )
    return bool(moved)


def unconfirmed(attempt_id: int, *, lease_token: str) -> bool:
    """The answer to a submit was lost: keep the slot until it is known whether a prediction exists.

    The call counts against the provider's limit as if it arrived at the last moment, the lease's end.
    """
    return bool(
        Attempt.objects.filter(id=attempt_id, lease_token=lease_token, status=Attempt.Status.SUBMITTING).update(
            status=Attempt.Status.UNCONFIRMED, answered_at=F("lease_until")
        )
    )


def attempt_news(
    attempt: Attempt, *, stage: str, progress: float, prediction_id: str, poll_at: datetime, now: datetime
) -> bool:
    """Take over news of a running prediction: never backwards, never after the end."""
    changed = Attempt.objects.filter(id=attempt.id, status__in=Attempt.OPEN).update(
        status=Attempt.Status.RUNNING,
        prediction_id=Coalesce(F("prediction_id"), Value(prediction_id or None, output_field=models.CharField())),
        submitted_at=Coalesce(F("submitted_at"), Value(now)),
        answered_at=Coalesce(F("answered_at"), Value(now)),
        heard_at=now,
        poll_at=poll_at,
        progress=Greatest(F("progress"), Value(progress, output_field=models.FloatField())),
    )
    if not changed:
        return False
    floor = STAGE_PROGRESS[Stage(stage)]
    total = floor + RENDERING_SPAN * progress if stage == Stage.RENDERING else floor
    return change(
        attempt.job_id,
        Q(status=Status.PROCESSING, winner=None)
        & (Q(stage__in=STAGES_BEFORE[Stage(stage)]) | Q(stage=stage, progress__lt=min(1.0, total)))
        & ~Q(lane=Lane.DISPATCH),
        "progress",
        now,
        {"attempt": attempt.number, "stage": stage, "progress": round(progress, 3)},
        stage=stage,
        progress_at_least=total,
    )


def attempt_succeeded(attempt: Attempt, *, prediction_id: str, video_url: str, now: datetime) -> bool:
    """Book a finished prediction. The first one wins the job; a later one is superseded.

    Return whether this one won. A late success of an attempt that was given up still wins
    as long as the job is open.
    """
    late = [Attempt.Status.TIMED_OUT, Attempt.Status.FAILED, Attempt.Status.CANCELED]
    mine = Attempt.objects.filter(id=attempt.id, status__in=[*Attempt.OPEN, *late]).exclude(error_code=RESULT_LOST)
    if not mine.exists():
        return False
    wins = not Attempt.objects.filter(job_id=attempt.job_id, status=Attempt.Status.SUCCEEDED).exists()
    wins = wins and change(
        attempt.job_id,
        Q(status__in=Job.OPEN, winner=None),
        "rendered",
        now,
        {"attempt": attempt.number, "provider": attempt.provider.slug},
        status=Status.PROCESSING,
        stage=Stage.COLLECTING,
        lane=Lane.COLLECT,
        due_at=now,
        lease_token="",
        lane_tries=0,
        winner_id=attempt.id,
    )
    mine.update(
        status=Attempt.Status.SUCCEEDED if wins else Attempt.Status.SUPERSEDED,
        slot_held=False,
        prediction_id=Coalesce(F("prediction_id"), Value(prediction_id or None, output_field=models.CharField())),
        answered_at=Coalesce(F("answered_at"), Value(now)),
        submitted_at=Coalesce(F("submitted_at"), Value(now)),
        finished_at=now,
        heard_at=now,
        video_url=video_url if wins else "",
        progress=1.0,
        cost=attempt.provider.price,
        error_code="",
        errand="" if wins else Attempt.Errand.DELETE,
        errand_at=None if wins else now,
    )
    if wins:
        abandon_attempts(attempt.job_id, to=Attempt.Status.CANCELED, now=now, but=attempt.id)
    return wins


def attempt_failed(
    attempt: Attempt,
    *,
    code: str,
    raw_error: str,
    now: datetime,
    lease_token: str | None = None,
    prediction_id: str = "",
) -> bool:
    """End an attempt that brought no film and free its slot. The job is not touched."""
    guard = Q(status__in=Attempt.OPEN)
    if lease_token is not None:
        guard &= Q(lease_token=lease_token, status__in=[Attempt.Status.SUBMITTING, Attempt.Status.UNCONFIRMED])
    changed = Attempt.objects.filter(guard, id=attempt.id).update(
        status=Attempt.Status.FAILED,
        slot_held=False,
        prediction_id=Coalesce(F("prediction_id"), Value(prediction_id or None, output_field=models.CharField())),
        answered_at=Coalesce(F("answered_at"), Value(now)),
        finished_at=now,
        heard_at=now,
        error_code=code,
        raw_error=raw_error[:4000],
    )
    if not changed:
        # Given up before: now the provider has confirmed that nothing runs any more.
        Attempt.objects.filter(id=attempt.id, slot_held=True).exclude(status__in=Attempt.OPEN).update(slot_held=False)
    return bool(changed)


def attempt_timed_out(attempt: Attempt, *, now: datetime) -> bool:
    """Give an attempt up. It keeps its slot until the provider has been told to stop."""
    return bool(
        Attempt.objects.filter(id=attempt.id, status__in=Attempt.OPEN).update(
            status=Attempt.Status.TIMED_OUT,
            finished_at=now,
            answered_at=Coalesce(F("answered_at"), F("lease_until")),
            error_code="provider_timeout",
            errand=Attempt.Errand.CANCEL,
            errand_at=now,
        )
    )


def result_lost(attempt: Attempt, *, raw_error: str, now: datetime) -> bool:
    """A reported film cannot be had: the win is taken back so that another attempt may have it."""
    lost = Attempt.objects.filter(id=attempt.id, status=Attempt.Status.SUCCEEDED).update(
        status=Attempt.Status.FAILED, error_code=RESULT_LOST, raw_error=raw_error[:4000]
    )
    if lost:
        # Also when there is no other attempt: a job that failed has no winner.
        Job.objects.filter(id=attempt.job_id, winner=attempt.id).update(winner=None)
    return bool(lost)


def abandon_attempts(job_id: UUID, *, to: str, now: datetime, but: int | None = None) -> int:
    """Give up the open attempts of a job nobody waits for; each is owed a cancel call."""
    rows = Attempt.objects.filter(job_id=job_id, status__in=Attempt.OPEN).exclude(id=but)
    return rows.update(
        status=to,
        finished_at=now,
        # A POST under way may still arrive, until its lease ends.
        answered_at=Coalesce(F("answered_at"), F("lease_until")),
        errand=Attempt.Errand.CANCEL,
        errand_at=now,
    )


def owe_deletion(job_id: UUID, *, now: datetime) -> int:
    """Have every provider that may have seen this job's photo forget it.

    That includes submits whose answer never came; only a refused one surely left nothing there.
    """
    rows = Attempt.objects.filter(job_id=job_id).exclude(prediction_id=None, status=Attempt.Status.FAILED)
    return rows.update(errand=Attempt.Errand.DELETE, errand_at=now, errand_tries=0)


def errand_done(attempt_ids: Iterable[int], *, errand: str) -> int:
    """The provider has heard us: free the slot."""
    return Attempt.objects.filter(id__in=list(attempt_ids), errand=errand).update(
        errand="", errand_at=None, slot_held=False
    )
