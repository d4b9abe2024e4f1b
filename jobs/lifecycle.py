"""The only place that writes a status.

    job:      queued ──► processing ──► succeeded
                 │           │   ▲          (terminal is terminal)
                 │           ▼   │ back to the line: next attempt
                 └──► failed | canceled

    attempt:  submitting ──► submitted ──► running ──► succeeded (one per job) | superseded
                  │  ▲            │            │
                  ▼  │            └────────────┴─────► failed | timed_out | canceled
              unconfirmed

Every change is one UPDATE guarded by the state it leaves, numbered with the job's next `seq`,
kept as a JobEvent and announced after the commit. A function returns whether it changed
anything; False means that somebody else was faster, which is never an error.
All of them are called inside a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from . import signals
from .models import Attempt, Job, JobEvent, Lane, next_seq

Status, Stage = Job.Status, Job.Stage

# Where each stage begins on the way from 0 to 1; the page draws its acts from the same numbers.
STAGE_PROGRESS = {
    Stage.ACCEPTED: 0.0,
    Stage.PREPARING: 0.03,
    Stage.WAITING_FOR_SLOT: 0.10,
    Stage.SUBMITTED: 0.20,
    Stage.WARMING_UP: 0.22,
    Stage.RENDERING: 0.24,
    Stage.COLLECTING: 0.92,
    Stage.READY: 1.0,
}
# News may come late or twice: from these stages they move a job on, from any other they are old.
_STAGES_BEFORE = {
    Stage.SUBMITTED: (Stage.WAITING_FOR_SLOT,),
    Stage.WARMING_UP: (Stage.WAITING_FOR_SLOT, Stage.SUBMITTED),
    Stage.RENDERING: (Stage.WAITING_FOR_SLOT, Stage.SUBMITTED, Stage.WARMING_UP),
}
RENDERING_SPAN = STAGE_PROGRESS[Stage.COLLECTING] - STAGE_PROGRESS[Stage.RENDERING]

# Of an attempt whose film was reported and could not be had: it does not win again.
RESULT_LOST = "result_lost"


# --- Jobs ---------------------------------------------------------------------------------------


def accept(job: Job, *, now: datetime) -> None:
    """Store a new job with its first event."""
    job.status, job.stage, job.seq = Status.QUEUED, Stage.ACCEPTED, 1
    job.save(force_insert=True)
    JobEvent.objects.create(job_id=job.id, seq=1, kind="accepted", at=now, data={"look": job.look.slug})
    signals.announce(job.id)


def start_preparing(job_id: UUID, *, lease_token: str, now: datetime) -> bool:
    """Say that a worker has the photo in its hands."""
    guard = Q(lane=Lane.PREPARE, lease_token=lease_token, stage=Stage.ACCEPTED)
    return _change(job_id, guard, "preparing", now, stage=Stage.PREPARING)


def photo_ready(job_id: UUID, *, lease_token: str, clean_key: str, now: datetime) -> bool:
    """The photo is clean and stored: stand in line for a provider."""
    return _change(
        job_id,
        Q(lane=Lane.PREPARE, lease_token=lease_token),
        "prepared",
        now,
        stage=Stage.WAITING_FOR_SLOT,
        lane=Lane.DISPATCH,
        due_at=now,
        lease_token="",
        lane_tries=0,
        raw_key="",
        clean_key=clean_key,
    )


def fail_photo(job_id: UUID, *, lease_token: str, code: str, now: datetime) -> bool:
    """The photo cannot become a film: say why, and let go of it."""
    return _change(
        job_id,
        Q(lane=Lane.PREPARE, lease_token=lease_token),
        "failed",
        now,
        {"code": code},
        status=Status.FAILED,
        failure_code=code,
        lane="",
        lease_token="",
        raw_key="",
        finished_at=now,
    )


def take_for_attempt(job: Job, attempt: Attempt, *, now: datetime) -> bool:
    """Take a job out of the line for the attempt made in the same transaction."""
    changed = _change(
        job.id,
        Q(lane=Lane.DISPATCH, due_at__lte=now, status__in=Job.OPEN),
        "dispatching",
        now,
        {"attempt": attempt.number, "provider": attempt.provider.slug},
        status=Status.PROCESSING,
        lane="",
        lease_token="",
    )
    if changed:
        attempt.save(force_insert=True)
    return changed


def return_to_line(
    job_id: UUID, *, due_at: datetime, now: datetime, reason_code: str = "", reason_subject: str = ""
) -> bool:
    """Put a job whose attempt came to nothing back in the line for the next one."""
    return _change(
        job_id,
        Q(status__in=Job.OPEN, lane="") | Q(status__in=Job.OPEN, lane=Lane.COLLECT),
        "waiting",
        now,
        {"reason": reason_code} if reason_code else {},
        stage=Stage.WAITING_FOR_SLOT,
        lane=Lane.DISPATCH,
        due_at=due_at,
        lease_token="",
        lane_tries=0,
        winner=None,
        reason_code=reason_code,
        reason_subject=reason_subject,
    )


def preview_announced(job_id: UUID, *, now: datetime) -> bool:
    """Send the job through the collect lane for its preview while the film is still being made."""
    return bool(
        Job.objects.filter(id=job_id, status__in=Job.OPEN, lane="", preview_key="", winner=None).update(
            lane=Lane.COLLECT, due_at=now, lease_token="", lane_tries=0
        )
    )


def preview_collected(job_id: UUID, *, lease_token: str, preview_key: str, now: datetime) -> bool:
    """The first picture of the film is in our storage."""
    changed = _change(
        job_id,
        Q(lane=Lane.COLLECT, lease_token=lease_token, winner=None),
        "preview",
        now,
        lane="",
        lease_token="",
        lane_tries=0,
        preview_key=preview_key,
    )
    if changed:
        Job.objects.filter(id=job_id, first_frame_at=None).update(first_frame_at=now)
    return changed


def preview_given_up(job_id: UUID, *, lease_token: str) -> bool:
    """Go on without a preview; the film brings its own poster."""
    guard = Q(lane=Lane.COLLECT, lease_token=lease_token, winner=None)
    return bool(Job.objects.filter(guard, id=job_id).update(lane="", lease_token="", lane_tries=0))


def succeed(
    job_id: UUID,
    *,
    lease_token: str,
    video_key: str,
    poster_key: str,
    video_bytes: int,
    video_seconds: float,
    now: datetime,
) -> bool:
    """The film is in our storage: the job is done."""
    return _change(
        job_id,
        Q(lane=Lane.COLLECT, lease_token=lease_token, winner__isnull=False, status__in=Job.OPEN),
        "succeeded",
        now,
        {"bytes": video_bytes, "seconds": round(video_seconds, 2)},
        status=Status.SUCCEEDED,
        stage=Stage.READY,
        progress=1.0,
        lane="",
        lease_token="",
        video_key=video_key,
        poster_key=poster_key,
        video_bytes=video_bytes,
        video_seconds=video_seconds,
        finished_at=now,
        first_frame_at=Coalesce(F("first_frame_at"), Value(now)),
        reason_code="",
        reason_subject="",
    )


def fail(job_id: UUID, *, code: str, now: datetime, guard: Q | None = None) -> bool:
    """End a job that cannot become a film, with the reason its owner will read."""
    changed = _change(
        job_id,
        Q(status__in=Job.OPEN) & (guard or Q()),
        "failed",
        now,
        {"code": code},
        status=Status.FAILED,
        failure_code=code,
        lane="",
        lease_token="",
        finished_at=now,
    )
    if changed:
        abandon_attempts(
            job_id, to=Attempt.Status.TIMED_OUT if code == "deadline" else Attempt.Status.CANCELED, now=now
        )
    return changed


def cancel(job_id: UUID, *, now: datetime, by: str) -> bool:
    """End a job because somebody no longer wants it; its predictions are told to stop."""
    changed = _change(
        job_id,
        Q(status__in=Job.OPEN),
        "canceled",
        now,
        {"by": by},
        status=Status.CANCELED,
        lane="",
        lease_token="",
        finished_at=now,
    )
    if changed:
        abandon_attempts(job_id, to=Attempt.Status.CANCELED, now=now)
    return changed


def erased(job_id: UUID, *, now: datetime) -> bool:
    """Forget everything about the person; the row stays as a tombstone."""
    return _change(
        job_id,
        Q(erased_at=None, status__in=Job.FINAL),
        "erased",
        now,
        erased_at=now,
        raw_key="",
        clean_key="",
        preview_key="",
        poster_key="",
        video_key="",
        photo_sha256="",
        hero_name="",
        email="",
        share_slug=None,
    )


# --- Attempts -----------------------------------------------------------------------------------


def submitted(attempt: Attempt, *, prediction_id: str, lease_token: str, poll_at: datetime, now: datetime) -> bool:
    """Store what the provider calls our prediction. A webhook that was faster keeps its status."""
    mine = Attempt.objects.filter(id=attempt.id, lease_token=lease_token)
    mine.filter(prediction_id=None).update(prediction_id=prediction_id)
    mine.filter(answered_at=None).update(answered_at=now)
    moved = mine.filter(status__in=[Attempt.Status.SUBMITTING, Attempt.Status.UNCONFIRMED]).update(
        status=Attempt.Status.SUBMITTED, submitted_at=now, heard_at=now, poll_at=poll_at
    )
    if moved:
        _change(
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
    return _change(
        attempt.job_id,
        Q(status=Status.PROCESSING, winner=None)
        & (Q(stage__in=_STAGES_BEFORE[Stage(stage)]) | Q(stage=stage, progress__lt=min(1.0, total)))
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
    wins = wins and _change(
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
    return bool(
        Attempt.objects.filter(id=attempt.id, status=Attempt.Status.SUCCEEDED).update(
            status=Attempt.Status.FAILED, error_code=RESULT_LOST, raw_error=raw_error[:4000]
        )
    )


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


# --- The one UPDATE -----------------------------------------------------------------------------


def _change(
    job_id: UUID,
    guard: Q,
    kind: str,
    now: datetime,
    data: dict[str, Any] | None = None,
    *,
    progress_at_least: float | None = None,
    **values: Any,
) -> bool:
    """Write a job's new state if it is still in the state `guard` describes, and its event with it."""
    if progress_at_least is None and "progress" not in values and "stage" in values:
        progress_at_least = STAGE_PROGRESS[Stage(values["stage"])]
    if progress_at_least is not None:
        values["progress"] = models.Case(
            models.When(progress__lt=progress_at_least, then=Value(min(1.0, progress_at_least))),
            default=F("progress"),
        )
    if not Job.objects.filter(guard, id=job_id).update(seq=next_seq(), **values):
        return False
    seq = Job.objects.values_list("seq", flat=True).get(id=job_id)
    JobEvent.objects.create(job_id=job_id, seq=seq, kind=kind, at=now, data=data or {})
    signals.announce(job_id)
    return True
