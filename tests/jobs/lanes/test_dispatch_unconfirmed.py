"""Submits whose answer is lost or late: looked up, adopted, replaced, never paid twice."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job, Lane
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.lanes.attempts import newest_attempt
from tests.stub_provider import LOSE_ANSWER, LOSE_REQUEST, Garble, Hang, Refuse, Slow

pytestmark = pytest.mark.django_db


def test_a_lost_answer_is_looked_up_at_once_and_the_prediction_adopted(provider, stub, work):
    job = factories.make_waiting_job()
    stub.next_submits(LOSE_ANSWER)
    work(Lane.DISPATCH)
    attempt = newest_attempt(job)
    assert (attempt.status, attempt.prediction_id, attempt.slot_held) == ("submitted", stub.only.id, True)
    assert stub.count(f"GET /v1/predictions?reference={attempt.token}") == 1
    assert ProviderConfig.objects.get().consecutive_failures == 1, "an answer was lost all the same"
    factories.is_consistent(job.id)


def test_a_prediction_that_shows_only_later_is_found_after_the_lease(provider, stub, work, ask):
    job = factories.make_waiting_job()
    stub.next_submits(LOSE_ANSWER)
    stub.hide_from_listing = True
    work(Lane.DISPATCH)
    attempt = newest_attempt(job)
    assert (attempt.status, attempt.slot_held) == ("unconfirmed", True)
    stub.hide_from_listing = False
    ask()
    assert stub.count("GET *") == 1, "the connection broke off early: the POST could still arrive"
    ask(later=timedelta(seconds=30))
    attempt.refresh_from_db()
    assert (attempt.status, attempt.prediction_id) == ("running", stub.only.id)
    work(Lane.DISPATCH)
    assert stub.submits() == 1
    factories.is_consistent(job.id)


def test_a_lost_request_is_looked_up_and_sent_exactly_once_more(provider, stub, work, ask):
    job = factories.make_waiting_job()
    stub.next_submits(LOSE_REQUEST)
    work(Lane.DISPATCH)
    assert stub.submits() == 1
    for _ in range(3):
        ask(later=timedelta(seconds=30))
    assert factories.reload(job).reason_code == "answer_lost"
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    assert stub.submits() == 2
    assert newest_attempt(job).prediction_id == stub.only.id
    factories.is_consistent(job.id)


def test_while_the_look_up_fails_nothing_else_is_tried(provider, stub, work, ask):
    job = factories.make_waiting_job()
    factories.make_provider(stub.url, slug="other", order=200)
    stub.next_submits(LOSE_ANSWER)
    stub.next_calls(Refuse(500), Refuse(500), Garble("[]"), Refuse(503))
    work(Lane.DISPATCH)
    for _ in range(3):
        ask(later=timedelta(seconds=30))
        Attempt.objects.update(lease_until=timezone.now())
        work(Lane.DISPATCH)
    assert stub.submits() == 1
    assert newest_attempt(job).status == "unconfirmed"
    ask(later=timedelta(seconds=30))
    assert newest_attempt(job).status == "running"


@pytest.mark.parametrize(
    "answer", [Refuse(500), Refuse(502, body="<html>"), Refuse(302), Garble(), Garble("[]")], ids=str
)
def test_an_answer_that_says_nothing_for_sure_is_unconfirmed(answer, provider, stub, work):
    job = factories.make_waiting_job()
    stub.next_submits(answer)
    stub.hide_from_listing = True
    work(Lane.DISPATCH)
    assert newest_attempt(job).status == "unconfirmed"
    assert factories.reload(job).lane == ""


IMPATIENT = {"connect_timeout": timedelta(seconds=0.3), "submit_timeout": timedelta(seconds=0.3)}


def test_an_answer_that_is_too_slow_is_looked_up_and_adopted(stub, work, db):
    factories.make_provider(stub.url, **IMPATIENT)
    job = factories.make_waiting_job()
    stub.next_submits(Slow(1.0))
    work(Lane.DISPATCH)
    assert (newest_attempt(job).status, newest_attempt(job).prediction_id) == ("submitted", stub.only.id)


def test_a_provider_that_hangs_is_replaced_as_soon_as_its_time_is_up(stub, work, db):
    factories.make_provider(stub.url, slug="hangs", title="HangCloud", **IMPATIENT)
    other = factories.make_provider(stub.url, slug="other", title="OtherCloud", order=200)
    job = factories.make_waiting_job()
    stub.next_submits(Hang(1.0))
    work(Lane.DISPATCH)
    first, second = job.attempts.order_by("number")
    assert (first.status, first.error_code, first.slot_held) == ("failed", "answer_lost", False)
    assert (second.status, second.provider_id, second.kind) == ("submitted", other.id, "fallback")
    job = factories.reload(job)
    assert (job.reason_code, job.reason_subject, job.reason_target) == ("moved_lost", "HangCloud", "OtherCloud")
    factories.is_consistent(job.id)


def test_what_came_of_a_hanging_submit_after_all_is_stopped(stub, work, ask, db):
    factories.make_provider(stub.url, slug="hangs", **IMPATIENT)
    factories.make_provider(stub.url, slug="other", order=200)
    job = factories.make_waiting_job()
    stub.hide_from_listing = True
    stub.next_submits(Slow(1.0))
    work(Lane.DISPATCH)
    assert [attempt.status for attempt in job.attempts.all()] == ["failed", "submitted"]
    stub.hide_from_listing = False
    ask(later=timedelta(seconds=30))
    assert stub.predictions and not any(one.canceled for one in stub.predictions.values())
    ask(later=timedelta(seconds=61))
    late, replacement = stub.predictions.values()
    assert (late.canceled, replacement.canceled) == (1, 0)
    factories.is_consistent(job.id)


@pytest.mark.parametrize("accepts", [False, True])
def test_without_a_look_up_a_hanging_submit_is_replaced_only_at_staffs_risk(accepts, stub, work, monkeypatch, db):
    monkeypatch.setattr("providers.adapters.studio.StudioAdapter.can_look_up", False)
    factories.make_provider(stub.url, slug="hangs", accepts_double_payment_risk=accepts, **IMPATIENT)
    factories.make_provider(stub.url, slug="other", order=200)
    job = factories.make_waiting_job()
    stub.next_submits(Hang(1.0))
    work(Lane.DISPATCH)
    statuses = [(attempt.status, attempt.slot_held) for attempt in job.attempts.order_by("number")]
    replaced, waits = [("timed_out", True), ("submitted", True)], [("unconfirmed", True)]
    assert statuses == (replaced if accepts else waits)
    factories.is_consistent(job.id)
