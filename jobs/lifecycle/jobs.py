"""The transitions of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from jobs import queue_order, signals
from jobs.models import QUEUE_LANES, Attempt, Job, JobEvent, Lane, Look, plain_sql

from .attempts import abandon_attempts, hold_attempts
from .changes import Stage, Status, change, change_all, change_rows
from .statements import is_supported


class Reason(NamedTuple):
    """Why the time range moved: a code of `jobs.messages.REASONS`, and the providers it moved from and to."""

    code: str = ""
    subject: str = ""
    target: str = ""


def accept(job: Job, *, now: datetime, data: Mapping[str, Any] | None = None) -> None:
    """Store a new job with its first event, at its owner's next turn.

    It is not announced: its sender gets the answer, and no page can be open for it yet.
    """
    job.status, job.stage, job.seq = Status.QUEUED, Stage.ACCEPTED, 1
    job.turn_key = job.turn_key or job.owner
    job.turn_at = queue_order.next_turn(job.turn_key, now=now, photo_cost=job.photo_cost)
    plain_sql.insert(job)
    data = {"look": job.look.slug, **(data or {})}
    plain_sql.insert(JobEvent(job_id=job.id, seq=1, kind="accepted", at=now, data=data))
    if job.email:
        signals.email_given.send(sender=None, job_id=job.id, owner=job.owner, email=job.email, now=now)


def start_preparing(job_id: UUID, *, lease_token: str, now: datetime) -> bool:
    """Record that a worker is cleaning the photo."""
    guard = Q(lane=Lane.PREPARE, lease_token=lease_token, stage=Stage.ACCEPTED)
    return change(job_id, guard, "preparing", now, stage=Stage.PREPARING)


def mark_photo_ready(job_id: UUID, *, lease_token: str, clean_key: str, now: datetime, has_face: bool = True) -> bool:
    """Record that the clean photo is stored, and queue the job for a provider."""
    return change(
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
        has_face=has_face,
    )


def fail_photo(job_id: UUID, *, lease_token: str, code: str, now: datetime) -> bool:
    """Fail a job whose photo cannot become a film, with the reason, and drop the photo's key."""
    return change(
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


@transaction.atomic(savepoint=False)
def take_for_attempts(attempts: Sequence[Attempt], *, reasons: Mapping[UUID, Reason], now: datetime) -> None:
    """Take jobs out of the queue and store the attempts made for them, in the transaction that has locked the jobs.

    `reasons` tells, by job id, why the time range moved, where the choice of the provider moved it.
    """
    events = {
        attempt.job_id: {"attempt": attempt.number, "provider": attempt.provider.slug}
        | ({"kind": attempt.kind} if attempt.kind != Attempt.Kind.FIRST else {})
        for attempt in attempts
        if attempt.job_id is not None
    }
    taken = _take(events, now=now)
    if len(taken) != len(attempts):
        raise RuntimeError("a job that was locked for its attempt has changed")
    Attempt.objects.bulk_create(attempts)
    by_reason: dict[Reason, list[UUID]] = {}
    for job_id, reason in reasons.items():
        by_reason.setdefault(reason, []).append(job_id)
    for reason, job_ids in by_reason.items():
        Job.objects.filter(id__in=job_ids).update(
            reason_code=reason.code, reason_subject=reason.subject, reason_target=reason.target
        )


def _take(events: Mapping[UUID, dict[str, Any]], *, now: datetime) -> set[UUID]:
    values: dict[str, Any] = {"status": Status.PROCESSING, "lane": "", "lease_token": ""}
    if not is_supported():
        guard = Q(lane=Lane.DISPATCH, due_at__lte=now, status__in=Job.OPEN)
        return change_all(events, guard, "dispatching", now, **values)
    return change_rows(
        "dispatching",
        {job_id: {"guard_due_at": now} for job_id in events},
        guard="t.lane = 'dispatch' AND t.due_at <= v.guard_due_at AND t.status IN ('queued', 'processing')",
        now=now,
        data=events,
        **values,
    )


def change_order(job_id: UUID, *, look: Look | None, hero_name: str | None, now: datetime) -> bool:
    """Give a job another look or name while it waits in line. Its history keeps the look, and no name."""
    values: dict[str, Any] = ({"look": look} if look else {}) | ({} if hero_name is None else {"hero_name": hero_name})
    data = {"look": look.slug} if look else {}
    return change(job_id, Q(status__in=Job.OPEN, lane__in=QUEUE_LANES), "changed", now, data, **values)


def explain_range(job_id: UUID, reason: Reason, *, data: dict[str, Any], now: datetime) -> bool:
    """Record that the time range of an open job has grown, from what was told to what holds now, and why."""
    return change(
        job_id,
        Q(status__in=Job.OPEN),
        "range",
        now,
        {**data, "reason": reason.code},
        reason_code=reason.code,
        reason_subject=reason.subject,
        reason_target=reason.target,
    )


def return_to_queue(
    job_id: UUID, *, due_at: datetime, now: datetime, reason_code: str = "", reason_subject: str = ""
) -> bool:
    """Put a job whose attempt failed back in the queue for its next attempt."""
    return change(
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
        reason_target="",
    )


def collect_again(job_id: UUID, *, now: datetime) -> bool:
    """Put a job with a finished film that is in no lane back in the collect lane."""
    return bool(
        Job.objects.filter(id=job_id, status__in=Job.OPEN, lane="", winner__isnull=False).update(
            lane=Lane.COLLECT, due_at=now, lease_token="", lane_tries=0
        )
    )


def mark_preview_announced(job_id: UUID, *, now: datetime) -> bool:
    """Put a job in the collect lane for its preview while its film is still being rendered."""
    return bool(
        Job.objects.filter(id=job_id, status__in=Job.OPEN, lane="", preview_key="", winner=None).update(
            lane=Lane.COLLECT, due_at=now, lease_token="", lane_tries=0
        )
    )


def record_preview(job_id: UUID, *, lease_token: str, preview_key: str, now: datetime) -> bool:
    """Record that the film's first picture is in our storage."""
    changed = change(
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


def give_up_preview(job_id: UUID, *, lease_token: str) -> bool:
    """Go on without a preview; the film brings its own poster."""
    guard = Q(lane=Lane.COLLECT, lease_token=lease_token, winner=None)
    return bool(Job.objects.filter(guard, id=job_id).update(lane="", lease_token="", lane_tries=0))


@transaction.atomic(savepoint=False)
def mark_all_warming_up(attempts: Mapping[UUID, int], *, now: datetime) -> int:
    """Record that models are probably starting cold, which their providers do not report; return for how many jobs.

    `attempts` has the number of the attempt by its job's id.
    """
    events = {
        job_id: {"attempt": number, "stage": Stage.WARMING_UP, "guessed": True} for job_id, number in attempts.items()
    }
    guard = Q(status=Status.PROCESSING, stage=Stage.SUBMITTED, winner=None)
    return len(change_all(events, guard, "progress", now, stage=Stage.WARMING_UP))


def succeed(
    job_id: UUID,
    *,
    lease_token: str,
    video_key: str,
    poster_key: str,
    video_bytes: int,
    video_seconds: float,
    now: datetime,
    video_size: tuple[int, int] = (0, 0),
    poster_size: tuple[int, int] = (0, 0),
) -> bool:
    """End a job whose film is in our storage."""
    return change(
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
        video_width=video_size[0],
        video_height=video_size[1],
        poster_width=poster_size[0],
        poster_height=poster_size[1],
        finished_at=now,
        first_frame_at=Coalesce(F("first_frame_at"), Value(now)),
        reason_code="",
        reason_subject="",
        reason_target="",
    )


@transaction.atomic(savepoint=False)
def fail(job_id: UUID, *, code: str, now: datetime, guard: Q | None = None) -> bool:
    """End a job that cannot become a film, with the reason its owner will read."""
    hold_attempts([job_id])
    changed = change(
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


@transaction.atomic(savepoint=False)
def cancel(job_id: UUID, *, now: datetime, by: str) -> bool:
    """End a job at somebody's request; its predictions are canceled at the providers later."""
    hold_attempts([job_id])
    changed = change(
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


def mark_erased(job_id: UUID, *, now: datetime) -> bool:
    """Clear everything about the person; the row stays as a tombstone."""
    return change(
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
        face="",
        turn_key="",
        hero_name="",
        email="",
        share_slug=None,
    )
