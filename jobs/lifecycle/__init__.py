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
    RESULT_LOST,
    abandon_attempts,
    attempt_failed,
    attempt_news,
    attempt_succeeded,
    attempt_timed_out,
    errand_done,
    owe_deletion,
    result_lost,
    submitted,
    unconfirmed,
)
from .changes import (
    RENDERING_SPAN,
    STAGE_PROGRESS,
)
from .jobs import (
    accept,
    cancel,
    erased,
    fail,
    fail_photo,
    photo_ready,
    preview_announced,
    preview_collected,
    preview_given_up,
    return_to_line,
    start_preparing,
    succeed,
    take_for_attempt,
)

__all__ = [
    "RENDERING_SPAN",
    "RESULT_LOST",
    "STAGE_PROGRESS",
    "abandon_attempts",
    "accept",
    "attempt_failed",
    "attempt_news",
    "attempt_succeeded",
    "attempt_timed_out",
    "cancel",
    "erased",
    "errand_done",
    "fail",
    "fail_photo",
    "owe_deletion",
    "photo_ready",
    "preview_announced",
    "preview_collected",
    "preview_given_up",
    "result_lost",
    "return_to_line",
    "start_preparing",
    "submitted",
    "succeed",
    "take_for_attempt",
    "unconfirmed",
]
