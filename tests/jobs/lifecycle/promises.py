"""What holds for jobs and attempts at any time, and between two moments."""

from __future__ import annotations

import itertools
from collections import Counter

from jobs import lifecycle
from jobs.models import Attempt, Job, JobEvent, Lane

OPEN, FINAL = set(Job.OPEN), set(Job.FINAL)
ENDED = set(Attempt.Status.values) - set(Attempt.OPEN)
# What may still become of an attempt that has ended: a film that comes late, and one that cannot be had.
LATE = {
    *itertools.product(["failed", "timed_out", "canceled"], ["succeeded", "superseded"]),
    ("succeeded", "failed"),
}


def holds_for_a_job(job: Job, attempts: list[Attempt], events: list[JobEvent]) -> None:
    """What holds for a job at any time."""
    assert [event.seq for event in events] == list(range(1, job.seq + 1)), "seq counts the events, without a gap"
    kinds = Counter(event.kind for event in events)
    assert [kinds[status] for status in FINAL] == [int(job.status == status) for status in FINAL], "one end, told once"
    assert kinds["erased"] == int(job.erased_at is not None)
    won = [attempt.id for attempt in attempts if attempt.status == "succeeded"]
    assert len(won) <= 1, "at most one attempt succeeded"
    assert job.winner_id is None or [job.winner_id] == won, "the winner is the attempt that succeeded"
    is_open = [attempt for attempt in attempts if attempt.status in Attempt.OPEN]
    if job.status in OPEN:
        assert job.finished_at is None
        assert len(is_open) <= 1, "one attempt at a time"
        assert job.lane or is_open, "a worker will touch it"
        assert (job.winner_id is not None) == (job.stage == "collecting")
        if job.winner_id:
            assert (job.lane, job.stage) == (Lane.COLLECT, "collecting"), "a film is fetched, and nothing else happens"
            assert not is_open, "one film is enough"
        assert (job.lane == Lane.DISPATCH) <= (not is_open), "a job in the queue has no attempt"
    else:
        assert job.finished_at is not None
        assert job.lane == ""
        assert not is_open, "nothing runs for a job that has ended"
    if job.erased_at:
        assert job.status in FINAL
        about = (job.raw_key, job.clean_key, job.preview_key, job.poster_key, job.video_key)
        assert not any((*about, job.hero_name, job.email, job.photo_sha256)), "nothing is left of the person"
    else:
        assert (job.status == "succeeded") == bool(job.video_key), "a film is there if and only if it succeeded"
    assert 0 <= job.progress <= 1
    assert (job.progress == 1) == (job.status == "succeeded")
    assert (job.status == "failed") == bool(job.failure_code)


def holds_since(before: Job, now: Job) -> None:
    """What holds between a job's row and a later one."""
    assert now.progress >= before.progress, "progress never goes backwards"
    assert now.seq >= before.seq
    if before.status in FINAL:
        assert (now.status, now.finished_at, now.failure_code) == (
            *(before.status, before.finished_at, before.failure_code),
        ), "terminal is terminal"
        assert now.seq - before.seq == int(now.erased_at != before.erased_at), "after its end it can only be erased"
    if before.erased_at:
        assert now.erased_at == before.erased_at
    if before.first_frame_at:
        assert now.first_frame_at == before.first_frame_at
    if now.seq == before.seq:
        assert (now.status, now.stage, now.progress) == (before.status, before.stage, before.progress), "told by seq"


def holds_for_an_attempt(now: Attempt, before: Attempt | None) -> None:
    """What holds for an attempt, and between its row and a later one."""
    assert now.slot_held or now.status in ENDED, "who may be at work holds a slot"
    assert not (now.slot_held and now.status in ("failed", "succeeded", "superseded")), "a slot is held for nothing"
    assert not (now.slot_held and now.status in ENDED) or now.cleanup, "this slot would never be freed"
    assert (now.finished_at is None) == (now.status in Attempt.OPEN)
    if before is None:
        return
    assert now.progress >= before.progress
    assert before.prediction_id in (None, now.prediction_id)
    if before.status in ENDED and now.status != before.status:
        assert (before.status, now.status) in LATE
        assert before.error_code != lifecycle.RESULT_LOST, "a film that could not be had is not won again"
