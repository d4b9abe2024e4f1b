"""The state machine of jobs and attempts: the only place that writes a status.

    job:      queued ──► processing ──► succeeded
                 │           │   ▲          (terminal is terminal)
                 │           ▼   │ back to the queue: next attempt
                 └──► failed | canceled

    attempt:  submitting ──► submitted ──► running ──► succeeded (one per job) | superseded
                  │  ▲            │            │
                  ▼  │            └────────────┴─────► failed | timed_out | canceled
              unconfirmed

Every change is one UPDATE guarded by the state it leaves, numbered with the job's next `seq`, stored as a JobEvent and
announced after the commit. A function returns whether it changed anything; False means that another process was
faster, which is never an error. Call all of them inside a transaction.

jobs        the transitions of jobs
attempts    the transitions of attempts, and what they mean for the job
batches     the usual transitions of many jobs at once
changes     the guarded UPDATE with its event, and the progress of each stage
statements  the same UPDATE for many rows in one statement
kinds       the kinds of job events, and the phase that each puts its job in
"""

from .attempts import (
    ANSWER_LOST,
    NEVER_SENT,
    RESULT_LOST,
    SubmitRecord,
    abandon_attempts,
    forget_attempts,
    hold_attempts,
    mark_attempt_failed,
    mark_attempt_succeeded,
    mark_attempt_timed_out,
    mark_cleanup_done,
    mark_lapsed,
    mark_result_lost,
    mark_unconfirmed,
    record_progress,
    record_submission,
    record_submissions,
)
from .batches import (
    CleanPhoto,
    FinishedPrediction,
    StoredFilm,
    mark_all_erased,
    mark_attempts_succeeded,
    mark_photos_ready,
    start_preparing_all,
    succeed_all,
)
from .changes import RENDERING_SPAN, STAGE_PROGRESS
from .jobs import (
    Reason,
    accept,
    cancel,
    change_order,
    collect_again,
    explain_range,
    fail,
    fail_photo,
    give_up_preview,
    mark_all_warming_up,
    mark_erased,
    mark_photo_ready,
    mark_preview_announced,
    record_preview,
    return_to_queue,
    start_preparing,
    succeed,
    take_for_attempts,
)

__all__ = [
    "ANSWER_LOST",
    "NEVER_SENT",
    "RENDERING_SPAN",
    "RESULT_LOST",
    "STAGE_PROGRESS",
    "CleanPhoto",
    "FinishedPrediction",
    "Reason",
    "StoredFilm",
    "SubmitRecord",
    "abandon_attempts",
    "accept",
    "cancel",
    "change_order",
    "collect_again",
    "explain_range",
    "fail",
    "fail_photo",
    "forget_attempts",
    "give_up_preview",
    "hold_attempts",
    "mark_all_erased",
    "mark_all_warming_up",
    "mark_attempt_failed",
    "mark_attempt_succeeded",
    "mark_attempt_timed_out",
    "mark_attempts_succeeded",
    "mark_cleanup_done",
    "mark_erased",
    "mark_lapsed",
    "mark_photo_ready",
    "mark_photos_ready",
    "mark_preview_announced",
    "mark_result_lost",
    "mark_unconfirmed",
    "record_preview",
    "record_progress",
    "record_submission",
    "record_submissions",
    "return_to_queue",
    "start_preparing",
    "start_preparing_all",
    "succeed",
    "succeed_all",
    "take_for_attempts",
]
