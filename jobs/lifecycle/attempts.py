"""The transitions of attempts, and what they mean for the job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from jobs import queue_order
from jobs.models import Attempt, AttemptQuerySet, Job, Lane, LookVersion, WebhookDelivery

from .changes import RENDERING_SPAN, STAGE_PROGRESS, STAGES_BEFORE, Stage, Status, change, change_all, change_rows
from .statements import is_supported

# The error code of an attempt whose film was reported but could not be fetched: it cannot win again.
RESULT_LOST = "result_lost"
# The error codes of attempts without a prediction: the worker died before the submit, or a look-up found nothing.
NEVER_SENT, ANSWER_LOST = "never_sent", "answer_lost"
# So long before its claim an attempt without a call was "answered": outside of the minute that limits count.
NEVER_COUNTED = timedelta(minutes=1)


# Given up before their answer was known: a prediction that a late answer reports has to be stopped.
_WRITTEN_OFF = Q(status__in=Attempt.GIVEN_UP) | Q(
    status=Attempt.Status.FAILED, error_code__in=[NEVER_SENT, ANSWER_LOST]
)


_MOMENT = models.DateTimeField()


class SubmitRecord(NamedTuple):
    """A provider's answer to a submit: the prediction's id, and when to poll it for the first time."""

    attempt: Attempt
    prediction_id: str
    poll_at: datetime


def record_submission(
    attempt: Attempt, *, prediction_id: str, lease_token: str, poll_at: datetime, now: datetime
) -> bool:
    """Store the prediction id of an attempt. If a webhook was faster, the status that it wrote is kept."""
    if attempt.lease_token != lease_token:
        return False
    return bool(record_submissions([SubmitRecord(attempt, prediction_id, poll_at)], now=now))


@transaction.atomic(savepoint=False)
def record_submissions(answers: Sequence[SubmitRecord], *, now: datetime) -> set[int]:
    """Store many answers to submits at once; return the ids of the attempts that became `submitted`.

    The attempts are read and locked first, so that all answers can be written with one statement.
    """
    by_id = {answer.attempt.id: answer for answer in answers}
    rows = Attempt.objects.select_for_update().filter(id__in=list(by_id)).order_by("id")
    expected: list[SubmitRecord] = []
    late: list[SubmitRecord] = []
    for attempt_id, status, lease_token in rows.values_list("id", "status", "lease_token"):
        if lease_token == by_id[attempt_id].attempt.lease_token:
            (expected if status in _EXPECTS_ANSWER else late).append(by_id[attempt_id])
    _write_answers(expected, now=now)
    for answer in late:
        _write_late_answer(answer, now=now)
    moved = [answer.attempt for answer in expected]
    _say_submitted(
        {
            attempt.job_id: {"attempt": attempt.number, "provider": attempt.provider.slug}
            for attempt in moved
            if attempt.job_id
        },
        now=now,
    )
    return {attempt.id for attempt in moved}


def _say_submitted(events: Mapping[UUID, dict[str, Any]], *, now: datetime) -> None:
    if not is_supported():
        guard = Q(status=Status.PROCESSING, lane="", stage=Stage.WAITING_FOR_SLOT)
        change_all(events, guard, "submitted", now, stage=Stage.SUBMITTED)
        return
    change_rows(
        "submitted",
        {job_id: {} for job_id in events},
        guard="t.status = 'processing' AND t.lane = '' AND t.stage = 'waiting_for_slot'",
        now=now,
        data=events,
        stage=Stage.SUBMITTED,
    )


_EXPECTS_ANSWER = (Attempt.Status.SUBMITTING, Attempt.Status.UNCONFIRMED)
_WRITE_ANSWER = """
UPDATE jobs_attempt
SET status = 'submitted', prediction_id = COALESCE(prediction_id, %s), answered_at = COALESCE(answered_at, %s),
    submitted_at = %s, heard_at = %s, poll_at = %s, error_code = ''
WHERE id = %s
"""


def _write_answers(answers: Sequence[SubmitRecord], *, now: datetime) -> None:
    """Write with one prepared statement: the ORM would take as long for each row as the database."""
    moment = connection.ops.adapt_datetimefield_value
    at = moment(now)
    rows = [
        (answer.prediction_id, at, at, at, moment(answer.poll_at), answer.attempt.id)
        for answer in sorted(answers, key=lambda answer: answer.attempt.id)
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_WRITE_ANSWER, rows)


def _write_late_answer(answer: SubmitRecord, *, now: datetime) -> None:
    attempt = answer.attempt
    mine = Attempt.objects.filter(id=attempt.id)
    mine.filter(prediction_id=None).update(prediction_id=answer.prediction_id)
    mine.filter(answered_at=None).update(answered_at=now)
    is_erased = attempt.job_id and Job.objects.filter(id=attempt.job_id, erased_at__isnull=False).exists()
    mine.filter(_WRITTEN_OFF).exclude(cleanup=Attempt.ProviderCleanup.DELETE).update(
        cleanup=Attempt.ProviderCleanup.DELETE if is_erased else Attempt.ProviderCleanup.CANCEL,
        cleanup_at=now,
        cleanup_tries=0,
    )


def mark_unconfirmed(attempt_id: int, *, lease_token: str, raw_error: str = "") -> bool:
    """Record that the answer to a submit was lost. The slot is kept until it is known whether a prediction exists.

    The call counts against the provider's limit as if it arrived at the last possible moment, the lease's end.
    """
    return bool(
        Attempt.objects.filter(id=attempt_id, lease_token=lease_token, status=Attempt.Status.SUBMITTING).update(
            status=Attempt.Status.UNCONFIRMED,
            answered_at=F("lease_until"),
            error_code=ANSWER_LOST,
            raw_error=raw_error[:4000],
        )
    )


def mark_lapsed(submitting: AttemptQuerySet) -> int:
    """Record that the workers of these submits died during their POST; return how many still were submitting."""
    return submitting.filter(status=Attempt.Status.SUBMITTING).update(
        status=Attempt.Status.UNCONFIRMED, answered_at=F("lease_until")
    )


def record_progress(
    attempt: Attempt, *, stage: str, progress: float, prediction_id: str, poll_at: datetime, now: datetime
) -> bool:
    """Record the progress of a running prediction, in attempt and job. Progress never goes back."""
    changed = Attempt.objects.filter(id=attempt.id, status__in=Attempt.OPEN).update(
        status=Attempt.Status.RUNNING,
        prediction_id=Coalesce(F("prediction_id"), Value(prediction_id or None, output_field=models.CharField())),
        submitted_at=Coalesce(F("submitted_at"), Value(now)),
        answered_at=Coalesce(F("answered_at"), Value(now)),
        heard_at=now,
        poll_at=poll_at,
        error_code="",
        first_sign_at=Coalesce(F("first_sign_at"), Value(now if stage == Stage.RENDERING else None, _MOMENT)),
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


@transaction.atomic(savepoint=False)
def mark_attempt_succeeded(
    attempt: Attempt, *, prediction_id: str, video_url: str, now: datetime, cost: Decimal | None = None
) -> bool:
    """Record a finished prediction and return whether it won the job. The first one wins, a later one is superseded.

    A late success of an attempt that was given up still wins while the job is open, unless its provider was told to
    stop, which may have deleted the film. Either way it costs what the provider says, else its price.
    """
    late = [Attempt.Status.TIMED_OUT, Attempt.Status.FAILED, Attempt.Status.CANCELED]
    hold_attempts([attempt.job_id], ids=[attempt.id])
    mine = Attempt.objects.filter(id=attempt.id, status__in=[*Attempt.OPEN, *late]).exclude(error_code=RESULT_LOST)
    if not mine.exists():
        return False
    was_stopped = mine.filter(status__in=Attempt.GIVEN_UP, slot_held=False).exists()
    has_winner = (
        attempt.job_id is not None
        and Attempt.objects.filter(job_id=attempt.job_id, status=Attempt.Status.SUCCEEDED).exists()
    )
    wins = not (was_stopped or has_winner) and change(
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
    # The sample film of a look version belongs to no job, and is fetched all the same.
    is_sample = attempt.job_id is None and LookVersion.objects.waiting().filter(sample_token=attempt.token).exists()
    is_kept = wins or is_sample
    mine.update(
        status=Attempt.Status.SUCCEEDED if wins else Attempt.Status.SUPERSEDED,
        slot_held=False,
        prediction_id=Coalesce(F("prediction_id"), Value(prediction_id or None, output_field=models.CharField())),
        answered_at=Coalesce(F("answered_at"), Value(now)),
        submitted_at=Coalesce(F("submitted_at"), Value(now)),
        first_sign_at=Coalesce(F("first_sign_at"), Value(now)),
        first_frame_at=Coalesce(F("first_frame_at"), Value(now)),
        finished_at=now,
        heard_at=now,
        video_url=video_url if is_kept else "",
        progress=1.0,
        cost=attempt.provider.price if cost is None else cost,
        error_code="",
        cleanup="" if is_kept else Attempt.ProviderCleanup.DELETE,
        cleanup_at=None if is_kept else now,
    )
    if wins and attempt.job_id:
        abandon_attempts(attempt.job_id, to=Attempt.Status.CANCELED, now=now, but=attempt.id)
    return wins


def mark_attempt_failed(
    attempt: Attempt,
    *,
    code: str,
    raw_error: str,
    now: datetime,
    lease_token: str | None = None,
    prediction_id: str = "",
    cost: Decimal | None = None,
    sweep_at: datetime | None = None,
    was_called: bool = True,
) -> bool:
    """End an attempt without a film and free its slot. The job is not changed.

    It costs `cost`, or nothing without it. With `sweep_at` the provider is asked again at that time, and a prediction
    that exists after all is stopped. `was_called` is false where the caller knows that there was no call: then none
    counts for the provider's minute.
    """
    last_counted = now if was_called else attempt.claimed_at - NEVER_COUNTED
    guard = Q(status__in=Attempt.OPEN)
    if lease_token is not None:
        guard &= Q(lease_token=lease_token, status__in=[Attempt.Status.SUBMITTING, Attempt.Status.UNCONFIRMED])
    changed = Attempt.objects.filter(guard, id=attempt.id).update(
        status=Attempt.Status.FAILED,
        slot_held=False,
        prediction_id=Coalesce(F("prediction_id"), Value(prediction_id or None, output_field=models.CharField())),
        answered_at=Coalesce(F("answered_at"), Value(last_counted)),
        finished_at=now,
        heard_at=now,
        error_code=code,
        raw_error=raw_error[:4000],
        cost=cost or 0,
        **({"cleanup": Attempt.ProviderCleanup.CANCEL, "cleanup_at": sweep_at} if sweep_at else {}),
    )
    if changed:
        queue_order.count_against(attempt, code=code)
    else:
        # Given up earlier: now it is certain that nothing is running.
        ended = Attempt.objects.filter(id=attempt.id, status__in=Attempt.GIVEN_UP, slot_held=True)
        if not (prediction_id or sweep_at):  # nor ever was, so nobody has to be told to stop
            ended.filter(prediction_id=None, cleanup=Attempt.ProviderCleanup.CANCEL).update(cleanup="", cleanup_at=None)
        ended.update(slot_held=False, cost=cost or 0)
    return bool(changed)


def mark_attempt_timed_out(attempt: Attempt, *, now: datetime) -> bool:
    """Give an attempt up. It keeps its slot and its price until the provider has been told to stop."""
    changed = Attempt.objects.filter(id=attempt.id, status__in=Attempt.OPEN).update(
        status=Attempt.Status.TIMED_OUT,
        finished_at=now,
        answered_at=Coalesce(F("answered_at"), F("lease_until")),
        error_code="provider_timeout",
        cleanup=Attempt.ProviderCleanup.CANCEL,
        cleanup_at=now,
    )
    if changed:
        queue_order.count_against(attempt, code="provider_timeout")
    return bool(changed)


def mark_result_lost(attempt: Attempt, *, raw_error: str, now: datetime) -> bool:
    """Take the win back from an attempt whose film cannot be fetched, so that another attempt can win."""
    lost = Attempt.objects.filter(id=attempt.id, status=Attempt.Status.SUCCEEDED).update(
        status=Attempt.Status.FAILED, error_code=RESULT_LOST, raw_error=raw_error[:4000]
    )
    if lost and attempt.job_id:
        # Even when no other attempt follows: a failed job has no winner.
        Job.objects.filter(id=attempt.job_id, winner=attempt.id).update(winner=None)
        queue_order.count_against(attempt, code=RESULT_LOST)
    return bool(lost)


def abandon_attempts(job_id: UUID, *, to: str, now: datetime, but: int | None = None) -> int:
    """Give up the open attempts of a job that no longer needs them; each gets a cancel call later."""
    rows = Attempt.objects.filter(job_id=job_id, status__in=Attempt.OPEN)
    if but is not None:
        rows = rows.exclude(id=but)
    return rows.update(
        status=to,
        finished_at=now,
        # A POST under way may still arrive, until its lease ends.
        answered_at=Coalesce(F("answered_at"), F("lease_until")),
        cleanup=Attempt.ProviderCleanup.CANCEL,
        cleanup_at=now,
    )


def forget_attempts(job_ids: Collection[UUID], *, now: datetime) -> None:
    """Forget what attempts and deliveries of erased jobs hold of people, and have their providers told to forget it.

    Every provider that may have seen a photo is told, also where the answer to a submit never came; only a refused
    submit surely left nothing there.
    """
    attempts = Attempt.objects.filter(job_id__in=job_ids)
    attempts.update(preview_url="", video_url="", raw_error="", film_sha256="", film_url_sha256="")
    refused = Q(prediction_id=None, status=Attempt.Status.FAILED) & ~Q(error_code=ANSWER_LOST)
    attempts.exclude(refused).update(cleanup=Attempt.ProviderCleanup.DELETE, cleanup_at=now, cleanup_tries=0)
    # Also deliveries that were not applied yet; one that comes later is emptied when it is.
    tokens = list(attempts.order_by().values_list("token", flat=True))
    WebhookDelivery.objects.filter(attempt_token__in=tokens).update(body=b"", headers={})


def mark_cleanup_done(attempt_ids: Iterable[int], *, cleanup: str, was_nothing: bool = False) -> int:
    """End a cleanup and free the slot: the provider has confirmed, or all tries were used.

    The price stays booked, because a prediction may have been finished or charged before it was stopped. It is given
    back only when the provider certainly made nothing (`was_nothing`).
    """
    rows = Attempt.objects.filter(id__in=list(attempt_ids), cleanup=cleanup)
    if was_nothing:
        rows.filter(status__in=Attempt.GIVEN_UP, slot_held=True).update(cost=0)
    return rows.update(cleanup="", cleanup_at=None, slot_held=False)


def hold_attempts(job_ids: Iterable[UUID | None], *, ids: Iterable[int] = ()) -> None:
    """Lock the open attempts of these jobs, and the attempts with these ids, before any of the jobs.

    All code locks in this order, attempts by id and then jobs by id, so that there are no deadlocks. On SQLite the
    transaction is the lock, and nothing is read for it.
    """
    if not connection.features.has_select_for_update:
        return
    of_jobs = Q(job_id__in=[job_id for job_id in job_ids if job_id is not None], status__in=Attempt.OPEN)
    rows = Attempt.objects.select_for_update().filter(of_jobs | Q(id__in=list(ids))).order_by("id")
    list(rows.values_list("id", flat=True))
