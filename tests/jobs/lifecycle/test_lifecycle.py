from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Attempt, Job, JobEvent, Lane
from jobs.queue import claims
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]

ENDS = {
    "succeeded": lambda provider: factories.make_finished_job(provider),
    "failed": lambda provider: _ended(lifecycle.fail, code="deadline"),
    "canceled": lambda provider: _ended(lifecycle.cancel, by="owner"),
}


def _ended(end, **values):
    job = factories.make_waiting_job()
    assert end(job.id, now=timezone.now(), **values)
    return factories.reload(job)


def _seq(job):
    return Job.objects.values_list("seq", flat=True).get(id=job.id)


MOVES = {
    "start_preparing": lambda job, now: lifecycle.start_preparing(job.id, lease_token="", now=now),
    "mark_photo_ready": lambda job, now: lifecycle.mark_photo_ready(job.id, lease_token="", clean_key="x", now=now),
    "fail_photo": lambda job, now: lifecycle.fail_photo(job.id, lease_token="", code="no_face", now=now),
    "return_to_queue": lambda job, now: lifecycle.return_to_queue(job.id, due_at=now, now=now),
    "mark_preview_announced": lambda job, now: lifecycle.mark_preview_announced(job.id, now=now),
    "record_preview": lambda job, now: lifecycle.record_preview(job.id, lease_token="", preview_key="x", now=now),
    "give_up_preview": lambda job, now: lifecycle.give_up_preview(job.id, lease_token=""),
    "succeed": lambda job, now: lifecycle.succeed(
        job.id, lease_token="", video_key="x", poster_key="y", video_bytes=1, video_seconds=1.0, now=now
    ),
    "fail": lambda job, now: lifecycle.fail(job.id, code="deadline", now=now),
    "cancel": lambda job, now: lifecycle.cancel(job.id, now=now, by="owner"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("move", MOVES)
def test_terminal_is_terminal(end, move, provider):
    job = ENDS[end](provider)
    before = Job.objects.filter(id=job.id).values().get()
    assert MOVES[move](job, timezone.now()) is False
    assert Job.objects.filter(id=job.id).values().get() == before
    factories.is_consistent(job.id)


def test_every_change_is_an_event_with_the_next_number(provider):
    job = factories.make_finished_job(provider)
    kinds = list(job.events.values_list("seq", "kind"))
    expected = ["accepted", "prepared", "dispatching", "submitted", "rendered", "succeeded"]
    assert kinds == list(enumerate(expected, start=1))
    assert _seq(job) == len(expected)


def test_a_stale_lease_writes_nothing(db):
    job = factories.make_job()
    first = claims.claim_lane(Lane.PREPARE, limit=1, lease=timedelta(0))
    second = claims.claim_lane(Lane.PREPARE, limit=1, lease=timedelta(minutes=1))
    assert first.jobs[0].id == second.jobs[0].id == job.id
    now = timezone.now()
    assert not lifecycle.mark_photo_ready(job.id, lease_token=first.lease_token, clean_key="stale", now=now)
    assert lifecycle.mark_photo_ready(job.id, lease_token=second.lease_token, clean_key="fresh", now=now)
    assert factories.reload(job).clean_key == "fresh"


def test_progress_never_goes_back_when_a_job_returns_to_the_queue(provider):
    attempt = factories.make_submitted_attempt(provider)
    now = timezone.now()
    lifecycle.record_progress(attempt, stage="rendering", progress=0.5, prediction_id="", poll_at=now, now=now)
    reached = Job.objects.get(id=attempt.job_id).progress
    assert reached == pytest.approx(0.58)
    lifecycle.mark_attempt_failed(attempt, code="provider_failed", raw_error="", now=now)
    assert lifecycle.return_to_queue(attempt.job_id, due_at=now, now=now)
    job = Job.objects.get(id=attempt.job_id)
    assert (job.stage, job.progress) == ("waiting_for_slot", reached)


@pytest.mark.parametrize(
    ("first", "late"),
    [("warming_up", "submitted"), ("rendering", "warming_up"), ("rendering", "submitted")],
)
def test_older_news_do_not_move_the_stage_back(first, late, provider):
    attempt = factories.make_submitted_attempt(provider)
    now = timezone.now()
    lifecycle.record_progress(attempt, stage=first, progress=0.1, prediction_id="", poll_at=now, now=now)
    before = Job.objects.get(id=attempt.job_id)
    assert not lifecycle.record_progress(attempt, stage=late, progress=0.0, prediction_id="", poll_at=now, now=now)
    after = Job.objects.get(id=attempt.job_id)
    assert (after.stage, after.seq) == (before.stage, before.seq)
    attempt.refresh_from_db()
    assert attempt.progress == 0.1


def test_repeated_news_make_no_event(provider):
    attempt = factories.make_submitted_attempt(provider)
    now = timezone.now()
    for _ in range(3):
        lifecycle.record_progress(attempt, stage="rendering", progress=0.3, prediction_id="", poll_at=now, now=now)
    assert JobEvent.objects.filter(job_id=attempt.job_id, kind="progress").count() == 1


def test_the_second_success_is_superseded_and_to_be_deleted(provider):
    first = factories.make_submitted_attempt(provider)
    now = timezone.now()
    assert lifecycle.mark_attempt_timed_out(first, now=now)
    lifecycle.return_to_queue(first.job_id, due_at=now, now=now)
    second = factories.make_submitted_attempt(provider, job=first.job)
    assert lifecycle.mark_attempt_succeeded(second, prediction_id=second.prediction_id, video_url="http://x/2", now=now)
    assert not lifecycle.mark_attempt_succeeded(
        first, prediction_id=first.prediction_id, video_url="http://x/1", now=now
    )
    first.refresh_from_db()
    assert (first.status, first.cleanup, first.slot_held) == (Attempt.Status.SUPERSEDED, "delete", False)
    assert Job.objects.get(id=first.job_id).winner_id == second.id
    factories.is_consistent(first.job_id)


def test_a_late_success_wins_while_the_job_is_open(provider):
    first = factories.make_submitted_attempt(provider)
    now = timezone.now()
    lifecycle.mark_attempt_timed_out(first, now=now)
    lifecycle.return_to_queue(first.job_id, due_at=now, now=now)
    second = factories.make_submitted_attempt(provider, job=first.job)
    assert lifecycle.mark_attempt_succeeded(first, prediction_id=first.prediction_id, video_url="http://x/1", now=now)
    second.refresh_from_db()
    assert (second.status, second.cleanup) == (Attempt.Status.CANCELED, "cancel")
    factories.is_consistent(first.job_id)


def test_a_prediction_that_a_poll_could_not_find_may_still_succeed(provider):
    attempt = factories.make_submitted_attempt(provider)
    now = timezone.now()
    lifecycle.mark_attempt_failed(attempt, code="prediction_lost", raw_error="404", now=now)
    lifecycle.return_to_queue(attempt.job_id, due_at=now, now=now)
    assert lifecycle.mark_attempt_succeeded(
        attempt, prediction_id=attempt.prediction_id, video_url="http://x/1", now=now
    )
    factories.is_consistent(attempt.job_id)


def test_a_film_that_could_not_be_had_is_not_won_again(provider):
    job = factories.make_rendered_job(provider)
    now = timezone.now()
    assert lifecycle.mark_result_lost(job.winner, raw_error="gone", now=now)
    assert lifecycle.return_to_queue(job.id, due_at=now, now=now)
    winner = job.winner
    assert not lifecycle.mark_attempt_succeeded(
        winner, prediction_id=winner.prediction_id, video_url="http://x", now=now
    )
    assert factories.reload(job).winner_id is None
    factories.is_consistent(job.id)


def test_a_job_that_fails_for_want_of_its_film_has_no_winner(provider):
    job = factories.make_rendered_job(provider)
    now = timezone.now()
    assert lifecycle.mark_result_lost(job.winner, raw_error="gone", now=now)
    assert lifecycle.fail(job.id, code="film_unusable", now=now)
    assert factories.reload(job).winner_id is None


def test_giving_up_an_attempt_keeps_its_slot_until_the_provider_was_told(provider):
    attempt = factories.make_submitted_attempt(provider)
    lifecycle.cancel(attempt.job_id, now=timezone.now(), by="owner")
    attempt.refresh_from_db()
    assert (attempt.status, attempt.slot_held, attempt.cleanup) == ("canceled", True, "cancel")
    assert lifecycle.mark_cleanup_done([attempt.id], cleanup="delete") == 0
    assert lifecycle.mark_cleanup_done([attempt.id], cleanup="cancel") == 1
    attempt.refresh_from_db()
    assert (attempt.slot_held, attempt.cleanup) == (False, "")


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "values",
    [
        {"finished_at": LONG_AGO},
        {"status": "succeeded"},
        {"status": "failed", "finished_at": LONG_AGO, "lane": ""},
        {"status": "canceled", "finished_at": LONG_AGO},
        {"failure_code": "deadline"},
        {"progress": 1.1},
        {"progress": -0.1},
        {"status": "succeeded", "finished_at": LONG_AGO, "lane": ""},
    ],
    ids=str,
)
def test_the_database_keeps_the_rules_of_a_job(values, db):
    job = factories.make_job()
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(id=job.id).update(**values)


def test_the_database_keeps_the_rules_of_an_attempt(provider):
    attempt = factories.make_submitted_attempt(provider)
    other = factories.make_submitted_attempt(provider)
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.filter(id=other.id).update(prediction_id=attempt.prediction_id)
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.filter(id=other.id).update(job=attempt.job)
    Attempt.objects.filter(id=other.id).update(number=2)
    Attempt.objects.filter(id=other.id).update(job=attempt.job, status="succeeded")
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.filter(id=attempt.id).update(status="succeeded")


def test_two_events_never_share_a_number(db):
    job = factories.make_job()
    with pytest.raises(IntegrityError), transaction.atomic():
        JobEvent.objects.create(job=job, seq=1, kind="again", at=timezone.now())
