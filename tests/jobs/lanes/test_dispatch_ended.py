"""A job is canceled or erased while its submit is under way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import services
from jobs.lanes.dispatch import DispatchLane
from jobs.lanes.submitting import NotSent, SubmitResult
from providers.errors import Rejected
from tests import factories
from tests.jobs.lanes.attempts import newest_attempt
from tests.stub_provider import LOSE_ANSWER

pytestmark = pytest.mark.django_db


def test_cancel_during_the_submit_stops_the_prediction(provider, stub, ask):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    outcome = lane.work(submission)
    services.cancel_job(job.id, now=timezone.now())
    ask()
    lane.record([outcome])
    ask(later=timedelta(seconds=11))
    assert stub.only.status == "canceled"
    attempt = newest_attempt(job)
    assert (attempt.slot_held, attempt.cleanup) == (False, "")
    factories.is_consistent(job.id)


def test_cancel_during_a_submit_whose_answer_is_lost_stops_the_prediction_too(provider, stub, ask):
    job = factories.make_waiting_job()
    stub.next_submits(LOSE_ANSWER)
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    outcome = lane.work(submission)
    services.cancel_job(job.id, now=timezone.now())
    lane.record([outcome])
    for seconds in (0, 30, 60):
        ask(later=timedelta(seconds=seconds))
    assert stub.only.canceled == 1
    assert (newest_attempt(job).slot_held, newest_attempt(job).cleanup) == (False, "")


@pytest.mark.parametrize("error", [NotSent("no time left"), Rejected("no such model")])
def test_nobody_is_told_to_stop_what_was_canceled_and_then_never_made(error, provider, stub, ask):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    services.cancel_job(job.id, now=timezone.now())
    assert newest_attempt(job).cleanup == "cancel"
    lane.record([SubmitResult(submission.attempt, error=error)])
    attempt = newest_attempt(job)
    assert (attempt.slot_held, attempt.cleanup, attempt.cleanup_at) == (False, "", None)
    ask(later=timedelta(seconds=60))
    factories.is_consistent(job.id)


def test_erase_during_the_submit_deletes_the_prediction(provider, stub, ask):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    outcome = lane.work(submission)
    services.erase_job(job.id, now=timezone.now())
    ask()
    lane.record([outcome])
    for seconds in (11, 30, 60):
        ask(later=timedelta(seconds=seconds))
    assert stub.only.deleted == 1
    assert factories.stored_files() == []
    assert not newest_attempt(job).slot_held


def test_erase_after_a_worker_died_in_the_submit_deletes_the_prediction(provider, stub, ask):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    lane.work(submission)  # and its outcome is never written
    services.erase_job(job.id, now=timezone.now())
    for seconds in (0, 30, 60):
        ask(later=timedelta(seconds=seconds))
    assert stub.only.deleted == 1
    assert not newest_attempt(job).slot_held
