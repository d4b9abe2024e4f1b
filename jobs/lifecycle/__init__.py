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

from .attempts import (
    ANSWER_LOST,
    NEVER_SENT,
    RESULT_LOST,
    Answer,
    abandon_attempts,
    attempt_failed,
    attempt_news,
    attempt_succeeded,
    attempt_timed_out,
    errand_done,
    hold_attempts,
    owe_deletion,
    result_lost,
    submitted,
    submitted_all,
    unconfirmed,
)
from .changes import RENDERING_SPAN, STAGE_PROGRESS
from .jobs import (
    Reason,
    accept,
    cancel,
    collect_again,
    erased,
    fail,
    fail_photo,
    photo_ready,
    preview_announced,
    preview_collected,
    preview_given_up,
    return_to_line,
    seems_to_warm_up,
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
    "Answer",
    "Reason",
    "abandon_attempts",
    "accept",
    "attempt_failed",
    "attempt_news",
    "attempt_succeeded",
    "attempt_timed_out",
    "cancel",
    "collect_again",
    "erased",
    "errand_done",
    "fail",
    "fail_photo",
    "hold_attempts",
    "owe_deletion",
    "photo_ready",
    "preview_announced",
    "preview_collected",
    "preview_given_up",
    "result_lost",
    "return_to_line",
    "seems_to_warm_up",
    "start_preparing",
    "submitted",
    "submitted_all",
    "succeed",
    "take_for_attempts",
    "unconfirmed",
]
