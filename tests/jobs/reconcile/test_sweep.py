"""What brings everything back: leases, silence, deadlines, lost Redis."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from jobs import lifecycle, services
from jobs.lanes import polling
from jobs.models import Attempt, Job, Lane
from jobs.queue import queues
from jobs.reconcile import sweep
from providers import registry
from providers.adapters.studio import StudioAdapter
from providers.models import ProviderConfig
from tests import factories
from tests.stub_provider import LOSE_ANSWER, Refuse

pytestmark = pytest.mark.django_db
SOON = timedelta(seconds=30)


@pytest.fixture
def job(provider, stub, work):
    """A job whose prediction is under way (`stub.only`)."""
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    return job


def attempt_of(job):
    return Attempt.objects.filter(job=job).latest("number")


# --- Leases --------------------------------------------------------------------------------------


def test_a_worker_that_died_after_its_claim_is_found_out(provider, stub, ask, work):
    """Nothing was sent: the look-up finds nothing, and the job is dispatched exactly once more."""
    job = factories.make_waiting_job()
    attempt = factories.make_attempt(provider, job=job)
    ask()
    attempt.refresh_from_db()
    assert attempt.status == "submitting"
    ask(later=timedelta(seconds=8.5))
    attempt.refresh_from_db()
    assert attempt.status == "unconfirmed"
    assert attempt.answered_at > timezone.now(), "until then the POST could have arrived"
    for _ in range(3):
        ask(later=SOON)
    assert stub.count(f"GET /v1/predictions?reference={attempt.token}") == 1
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    ask(later=SOON)
    assert stub.submits() == 1
    assert attempt_of(job).number == 2
    factories.is_consistent(job.id)


def test_a_worker_that_died_after_its_post_pays_only_once(provider, stub, ask, work):
    from jobs.lanes.dispatch import DispatchLane

    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    lane.work(submission)
    ask(later=SOON)
    attempt = attempt_of(job)
    assert (attempt.status, attempt.prediction_id) == ("running", stub.only.id)
    stub.only.complete()
    Attempt.objects.update(poll_at=timezone.now())
    ask()
    work(Lane.DISPATCH, Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"
    assert stub.submits() == 1
    factories.is_consistent(job.id)


def test_a_worker_that_died_while_preparing_is_replaced(db, work, sandbox):
    from jobs.queue import claims

    job = factories.make_job()
    claims.claim_lane(Lane.PREPARE, limit=1, lease=timedelta(seconds=25))
    work(Lane.PREPARE)
    assert factories.reload(job).lane == Lane.PREPARE
    Job.objects.update(due_at=timezone.now())
    work(Lane.PREPARE)
    job = factories.reload(job)
    assert job.lane == Lane.DISPATCH
    assert factories.stored_files() == [job.clean_key]


def test_without_a_look_up_a_lost_answer_waits_for_its_deadline(provider, stub, work, ask, monkeypatch):
    monkeypatch.setattr("providers.adapters.studio.StudioAdapter.can_look_up", False)
    job = factories.make_waiting_job()
    stub.next_submits(LOSE_ANSWER)
    work(Lane.DISPATCH)
    ask(later=SOON)
    assert attempt_of(job).status == "unconfirmed"
    assert attempt_of(job).slot_held
    ask(later=timedelta(minutes=6))
    assert attempt_of(job).status == "timed_out"
    assert factories.reload(job).lane == Lane.DISPATCH


def test_staff_may_accept_to_pay_twice(provider, stub, work, ask, monkeypatch):
    monkeypatch.setattr("providers.adapters.studio.StudioAdapter.can_look_up", False)
    ProviderConfig.objects.update(accepts_double_payment_risk=True)
    job = factories.make_waiting_job()
    stub.next_submits(LOSE_ANSWER)
    work(Lane.DISPATCH)
    ask(later=SOON)
    assert factories.reload(job).lane == Lane.DISPATCH
    factories.is_consistent(job.id)


# --- Silence -------------------------------------------------------------------------------------


def test_a_silent_prediction_is_asked_after(job, stub, ask):
    ask()
    assert stub.count("GET *") == 0
    stub.only.run(0.5)
    ask(later=timedelta(seconds=21))
    assert factories.reload(job).stage == "rendering"
    assert attempt_of(job).poll_at > timezone.now() + timedelta(seconds=35)


def test_all_webhooks_may_be_lost(job, stub, ask, work):
    stub.only.complete()
    ask(later=timedelta(seconds=21))
    Job.objects.update(due_at=timezone.now())
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"


def test_a_poll_that_fails_is_repeated_and_nothing_else(job, stub, ask):
    stub.next_calls(Refuse(500), Refuse(429), LOSE_ANSWER)
    before = factories.reload(job).seq
    for seconds in (21, 32, 43):
        ask(later=timedelta(seconds=seconds))
    assert stub.count("GET *") == 3
    assert attempt_of(job).status == "submitted"
    assert factories.reload(job).seq == before
    assert ProviderConfig.objects.get().rate_limited_until is None


def test_a_prediction_the_provider_forgot_is_made_anew(job, stub, ask, work):
    stub.predictions.clear()
    ask(later=timedelta(seconds=21))
    assert attempt_of(job).error_code == "prediction_lost"
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    assert stub.submits() == 2
    factories.is_consistent(job.id)


def test_one_that_cannot_be_written_does_not_hold_up_others(provider, stub, work, ask, monkeypatch):
    jobs = [factories.make_waiting_job() for _ in range(3)]
    work(Lane.DISPATCH)
    for prediction in stub.predictions.values():
        prediction.complete()
    spoiled = attempt_of(jobs[0]).id
    original = lifecycle.mark_attempt_succeeded

    def succeed(attempt, **values):
        if attempt.id == spoiled:
            raise ValueError("spoiled")
        return original(attempt, **values)

    monkeypatch.setattr(lifecycle, "mark_attempt_succeeded", succeed)
    ask(later=timedelta(seconds=21))
    assert sorted(Job.objects.values_list("stage", flat=True)) == ["collecting", "collecting", "submitted"]


# --- Deadlines -----------------------------------------------------------------------------------


def test_an_attempt_past_its_deadline_is_replaced_and_told_to_stop(job, stub, ask, work):
    ask(later=timedelta(minutes=5, seconds=1))
    attempt = attempt_of(job)
    assert (attempt.status, attempt.error_code) == ("timed_out", "provider_timeout")
    assert factories.reload(job).reason_code == "provider_moved"
    ask(later=timedelta(minutes=5, seconds=30))
    assert stub.only.status == "canceled"
    attempt.refresh_from_db()
    assert (attempt.slot_held, attempt.cleanup) == (False, "")
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    assert stub.submits() == 2
    factories.is_consistent(job.id)


def test_a_film_that_comes_after_the_time_out_still_wins(job, stub, ask, work, deliver):
    first = stub.only
    late = timezone.now() + timedelta(minutes=5, seconds=1)
    polling.give_up_late_attempts(now=late)
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    assert stub.submits() == 2
    second = stub.last
    deliver(stub.delivery(first.complete()))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"
    ask(later=SOON)
    assert second.status == "canceled"
    deliver(stub.delivery(second.complete()))
    work(Lane.COLLECT)
    ask(later=SOON)
    assert second.deleted == 1
    assert [attempt.status for attempt in job.attempts.all()] == ["succeeded", "superseded"]
    factories.is_consistent(job.id)


def test_a_film_whose_provider_was_told_to_stop_is_superseded(job, stub, ask, work, deliver):
    first = stub.only
    ask(later=timedelta(minutes=5, seconds=1))
    assert first.status == "canceled"
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    second = stub.last
    deliver(stub.delivery(first.complete()))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "processing", "the film may have been deleted by our own call"
    deliver(stub.delivery(second.complete()))
    work(Lane.COLLECT)
    assert factories.reload(job).status == "succeeded"
    assert [attempt.status for attempt in job.attempts.all()] == ["superseded", "succeeded"]
    factories.is_consistent(job.id)


class WithoutLookUp(StudioAdapter):
    can_look_up = False


def test_a_lost_submit_without_look_up_keeps_slot_and_price_until_its_deadline(provider, stub, work, ask, monkeypatch):
    monkeypatch.setattr(registry, "adapter_for", lambda name: WithoutLookUp())
    ProviderConfig.objects.update(price=Decimal("0.30"))
    job = factories.make_waiting_job()
    stub.next_submits(LOSE_ANSWER)
    work(Lane.DISPATCH)
    services.cancel_job(job.id, now=timezone.now())
    ask(later=timedelta(minutes=1))
    attempt = job.attempts.get()
    assert (attempt.slot_held, attempt.cost, attempt.cleanup) == (True, Decimal("0.30"), "cancel")
    ask(later=timedelta(minutes=6))
    attempt.refresh_from_db()
    assert (attempt.slot_held, attempt.cost, attempt.cleanup) == (False, Decimal("0.30"), "")


@pytest.mark.parametrize("lane", [Lane.PREPARE, Lane.DISPATCH, "under way", Lane.COLLECT])
def test_every_job_ends_at_its_deadline(lane, provider, stub, work, ask, sandbox):
    if lane == Lane.PREPARE:
        job = factories.make_job()
    elif lane == Lane.DISPATCH:
        job = factories.make_waiting_job()
    elif lane == Lane.COLLECT:
        job = factories.make_rendered_job(provider)
    else:
        job = factories.make_waiting_job()
        work(Lane.DISPATCH)
    assert sweep.end_late_jobs(now=job.deadline_at - timedelta(seconds=1)) == 0
    assert sweep.end_late_jobs(now=job.deadline_at) == 1
    row = factories.reload(job)
    assert (row.status, row.failure_code) == ("failed", "deadline")
    work(Lane.PREPARE, Lane.DISPATCH, Lane.COLLECT)
    assert factories.reload(job).seq == row.seq
    ask(later=timedelta(minutes=31))
    if stub.predictions:
        assert stub.only.status == "canceled"
    factories.is_consistent(job.id)


# --- Provider cleanups -------------------------------------------------------------------------------------


def test_a_cancel_call_is_repeated_until_it_is_heard(job, stub, ask):
    services.cancel_job(job.id, now=timezone.now())
    stub.next_calls(Refuse(500), Refuse(429, retry_after="9"), LOSE_ANSWER)
    for seconds in range(0, 120, 12):
        ask(later=timedelta(seconds=seconds))
    assert stub.only.canceled == 1
    assert not attempt_of(job).slot_held


def test_a_cancel_call_that_is_never_heard_gives_the_slot_back(job, stub, ask):
    services.cancel_job(job.id, now=timezone.now())
    tries = polling.MAX_CLEANUP_TRIES["cancel"]
    stub.next_calls(*[Refuse(500)] * 50)
    for number in range(tries + 3):
        ask(later=timedelta(minutes=2 * number))
    assert stub.count("POST /v1/predictions/*") == tries
    assert not attempt_of(job).slot_held


def test_a_deletion_is_not_given_up_so_soon(job, stub, ask):
    services.erase_job(job.id, now=timezone.now())
    stub.next_calls(*[Refuse(500)] * 40)
    for number in range(45):
        ask(later=timedelta(minutes=20 * number))
    assert stub.only.deleted == 1


def test_a_freed_slot_wakes_the_dispatch_lane(job, stub, ask, monkeypatch, django_capture_on_commit_callbacks):
    services.cancel_job(job.id, now=timezone.now())
    nudged = []
    monkeypatch.setattr(queues, "nudge", nudged.append)
    with django_capture_on_commit_callbacks(execute=True):
        ask()
    assert Lane.DISPATCH in nudged
