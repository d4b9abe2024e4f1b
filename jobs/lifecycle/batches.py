"""The usual steps of many jobs at once: the same guards, events and announcements as one by one, in few statements.

| step | one by one | guard, for each row |
| --- | --- | --- |
| a worker has the photo | `start_preparing` | in the prepare lane under this lease, stage accepted |
| the photo is clean | `mark_photo_ready` | in the prepare lane under this lease |
| a prediction has a film | `mark_attempt_succeeded` | attempt open; job open, no winner, no other success |
| the film is in our storage | `succeed` | in the collect lane under this lease, open, with a winner |
| everything is forgotten | `mark_erased` | ended, not erased, under this lease |

Whatever is unusual (late, given up, failed, erased, several attempts, a preview) goes one by one. A test plays random
rows through both and compares what is in the database afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from jobs.models import Attempt, Job, Lane

from .attempts import mark_attempt_succeeded
from .changes import Stage, Status, change_rows
from .jobs import mark_erased, mark_photo_ready, start_preparing, succeed
from .statements import is_supported, update_rows

_OPEN_JOB = "t.status IN ('queued', 'processing')"
_NO_OTHER_SUCCESS = "NOT EXISTS (SELECT 1 FROM jobs_attempt a WHERE a.job_id = t.id AND a.status = 'succeeded')"
_OPEN_ATTEMPT = "t.status IN ('submitting', 'unconfirmed', 'submitted', 'running')"


class CleanPhoto(NamedTuple):
    """A photo that a worker has made clean and stored, and the lease under which it did."""

    job_id: UUID
    lease_token: str
    clean_key: str
    has_face: bool


class StoredFilm(NamedTuple):
    """A film that a worker has copied into our storage, and the lease under which it did. Sizes are (width, height)."""

    job_id: UUID
    lease_token: str
    video_key: str
    poster_key: str
    video_bytes: int
    video_seconds: float
    video_size: tuple[int, int] = (0, 0)
    poster_size: tuple[int, int] = (0, 0)


class FinishedPrediction(NamedTuple):
    """What a provider reports of a prediction with a film, for an attempt that is open and its job's only one."""

    attempt_id: int
    job_id: UUID
    number: int
    provider: str
    prediction_id: str
    video_url: str
    cost: Decimal


def start_preparing_all(job_ids: Sequence[UUID], *, lease_token: str, now: datetime) -> set[UUID]:
    """Say of all these that a worker has their photos; return those that changed."""
    if not is_supported():
        return {job_id for job_id in job_ids if start_preparing(job_id, lease_token=lease_token, now=now)}
    return change_rows(
        "preparing",
        {job_id: {"guard_lease_token": lease_token} for job_id in job_ids},
        guard="t.lane = 'prepare' AND t.lease_token = v.guard_lease_token AND t.stage = 'accepted'",
        now=now,
        stage=Stage.PREPARING,
    )


def mark_photos_ready(photos: Sequence[CleanPhoto], *, now: datetime) -> set[CleanPhoto]:
    """All these photos are clean and stored: their jobs queue for a provider. Return those that changed."""
    if not is_supported() or _repeats(photos):
        return {photo for photo in photos if mark_photo_ready(**photo._asdict(), now=now)}
    changed = change_rows(
        "prepared",
        {
            photo.job_id: {
                "guard_lease_token": photo.lease_token,
                "clean_key": photo.clean_key,
                "has_face": photo.has_face,
            }
            for photo in photos
        },
        guard="t.lane = 'prepare' AND t.lease_token = v.guard_lease_token",
        now=now,
        stage=Stage.WAITING_FOR_SLOT,
        lane=Lane.DISPATCH,
        due_at=now,
        lease_token="",
        lane_tries=0,
        raw_key="",
    )
    return {photo for photo in photos if photo.job_id in changed}


def succeed_all(films: Sequence[StoredFilm], *, now: datetime) -> set[StoredFilm]:
    """All these films are in our storage: their jobs are done. Return those that changed."""
    if not is_supported() or _repeats(films):
        return {film for film in films if succeed(**film._asdict(), now=now)}
    data = {film.job_id: {"bytes": film.video_bytes, "seconds": round(film.video_seconds, 2)} for film in films}
    changed = change_rows(
        "succeeded",
        {
            film.job_id: {
                "guard_lease_token": film.lease_token,
                "video_key": film.video_key,
                "poster_key": film.poster_key,
                "video_bytes": film.video_bytes,
                "video_seconds": film.video_seconds,
                "video_width": film.video_size[0],
                "video_height": film.video_size[1],
                "poster_width": film.poster_size[0],
                "poster_height": film.poster_size[1],
                "first_frame_at": now,
            }
            for film in films
        },
        guard=f"t.lane = 'collect' AND t.lease_token = v.guard_lease_token AND t.winner_id IS NOT NULL AND {_OPEN_JOB}",
        now=now,
        data=data,
        keep_first=("first_frame_at",),
        status=Status.SUCCEEDED,
        stage=Stage.READY,
        lane="",
        lease_token="",
        finished_at=now,
        reason_code="",
        reason_subject="",
        reason_target="",
    )
    return {film for film in films if film.job_id in changed}


def mark_all_erased(job_ids: Sequence[UUID], *, lease_token: str, now: datetime) -> set[UUID]:
    """Forget everything about the people of these ended jobs, held under this lease; return those that changed."""
    if not is_supported():
        mine = Job.objects.filter(id__in=job_ids, lease_token=lease_token).values_list("id", flat=True)
        return {job_id for job_id in mine if mark_erased(job_id, now=now)}
    return change_rows(
        "erased",
        {job_id: {"guard_lease_token": lease_token} for job_id in job_ids},
        guard="t.lease_token = v.guard_lease_token AND t.erased_at IS NULL "
        "AND t.status IN ('succeeded', 'failed', 'canceled')",
        now=now,
        erased_at=now,
        lease_token="",
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


def mark_attempts_succeeded(
    predictions: Sequence[FinishedPrediction], attempts: Mapping[int, Attempt], *, now: datetime
) -> set[int]:
    """Book finished predictions of jobs that have no other open attempt; return the ids of the attempts that won.

    The caller has locked the attempts (`hold_attempts`), and `attempts` gives the row of one that has to be booked by
    itself: whichever did not win here is booked by `mark_attempt_succeeded`, which knows every case.
    """
    won: set[int] = set()
    if is_supported() and not _repeats(predictions):
        by_job = {prediction.job_id: prediction for prediction in predictions}
        taken = change_rows(
            "rendered",
            {job_id: {"winner_id": prediction.attempt_id} for job_id, prediction in by_job.items()},
            guard=f"{_OPEN_JOB} AND t.winner_id IS NULL AND {_NO_OTHER_SUCCESS}",
            now=now,
            data={job_id: {"attempt": each.number, "provider": each.provider} for job_id, each in by_job.items()},
            status=Status.PROCESSING,
            stage=Stage.COLLECTING,
            lane=Lane.COLLECT,
            due_at=now,
            lease_token="",
            lane_tries=0,
        )
        won = _book([by_job[job_id] for job_id in taken], now=now)
    for prediction in predictions:
        if prediction.attempt_id not in won and mark_attempt_succeeded(
            attempts[prediction.attempt_id],
            prediction_id=prediction.prediction_id,
            video_url=prediction.video_url,
            now=now,
            cost=prediction.cost,
        ):
            won.add(prediction.attempt_id)
    return won


def _repeats(items: Sequence[CleanPhoto] | Sequence[StoredFilm] | Sequence[FinishedPrediction]) -> bool:
    """Tell whether a job is there twice, as after a lapsed lease: the order matters then, and a statement has none."""
    return len({item.job_id for item in items}) < len(items)


def _book(predictions: Sequence[FinishedPrediction], *, now: datetime) -> set[int]:
    """Write the attempts that won. Raise RuntimeError when one is not open: the caller's lock was not held."""
    at = dict.fromkeys(("answered_at", "submitted_at", "first_sign_at", "first_frame_at"), now)
    found = update_rows(
        Attempt,
        {
            each.attempt_id: {
                "prediction_id": each.prediction_id or None,
                "video_url": each.video_url,
                "cost": each.cost,
                **at,
            }
            for each in predictions
        },
        guard=_OPEN_ATTEMPT,
        keep_first=("prediction_id", *at),
        common={
            "status": Attempt.Status.SUCCEEDED,
            "slot_held": False,
            "finished_at": now,
            "heard_at": now,
            "progress": 1.0,
            "error_code": "",
            "cleanup": "",
            "cleanup_at": None,
        },
    )
    if len(found) != len(predictions):
        raise RuntimeError("an attempt that was locked has changed")
    return {attempt_id for (attempt_id,) in found}
