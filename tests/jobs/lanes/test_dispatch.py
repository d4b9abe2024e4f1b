from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import services, storage
from jobs.lanes.dispatch import DispatchLane
from jobs.models import Attempt, Job, Lane
from jobs.queue import claims
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.lanes.attempts import newest_attempt, rate_limited_for
from tests.stub_provider import Refuse, Slow

pytestmark = pytest.mark.django_db


def test_a_submit_carries_the_photo_and_the_address_to_report_to(provider, stub, work):
    job = factories.make_waiting_job(hero_name="NOVA-7")
    work(Lane.DISPATCH)
    attempt = newest_attempt(job)
    request = stub.only.request
    assert stub.only.photo == storage.read(job.clean_key)
    assert (request["look"], request["hero_name"], request["seed"]) == ("neon-noir", "NOVA-7", str(job.id))
    assert request["reference"] == attempt.token
    assert stub.only.webhook_path == f"/webhooks/studio/{attempt.token}/"
    assert (attempt.status, attempt.prediction_id) == ("submitted", stub.only.id)
    assert attempt.poll_at > timezone.now()
    assert factories.reload(job).stage == "submitted"
    factories.is_consistent(job.id)


def test_many_at_once_and_never_more_than_the_limit(stub, work, db):
    factories.make_provider(stub.url, max_concurrent=5)
    for _ in range(8):
        factories.make_waiting_job()
    stub.next_submits(*[Slow(1.0)] * 5)
    work(Lane.DISPATCH)
    assert stub.submits() == 5
    assert stub.most_at_once == 5
    assert Job.objects.filter(lane=Lane.DISPATCH).count() == 3


def test_busy_parks_the_provider_and_counts_as_no_try(provider, stub, work):
    job = factories.make_waiting_job()
    stub.next_submits(Refuse(429, retry_after="7"))
    work(Lane.DISPATCH)
    job = factories.reload(job)
    assert (job.lane, job.stage, job.reason_code) == (Lane.DISPATCH, "waiting_for_slot", "provider_busy")
    assert 5 < rate_limited_for(provider) <= 7
    attempt = newest_attempt(job)
    assert (attempt.status, attempt.error_code, attempt.slot_held) == ("failed", "busy", False)
    assert ProviderConfig.objects.get().consecutive_failures == 0
    ProviderConfig.objects.update(rate_limited_until=None)
    work(Lane.DISPATCH)
    assert newest_attempt(job).status == "submitted"
    factories.is_consistent(job.id)


@pytest.mark.slow
def test_busy_twenty_times_is_still_no_failure(provider, stub, work):
    job = factories.make_waiting_job()
    for _ in range(20):
        stub.next_submits(Refuse(429))
        work(Lane.DISPATCH)
        ProviderConfig.objects.update(rate_limited_until=None)
    assert factories.reload(job).lane == Lane.DISPATCH
    work(Lane.DISPATCH)
    assert newest_attempt(job).status == "submitted"


def test_a_yes_in_the_same_moment_does_not_undo_a_request_to_wait(stub, work, db):
    provider = factories.make_provider(stub.url, max_concurrent=6)
    for _ in range(6):
        factories.make_waiting_job()
    stub.next_submits(Refuse(429, retry_after="30"))
    work(Lane.DISPATCH)
    assert Attempt.objects.filter(status="submitted").count() == 5
    assert rate_limited_for(provider) > 20


def test_a_finished_film_does_not_undo_a_request_to_wait(provider, stub, work, deliver):
    factories.make_waiting_job()
    work(Lane.DISPATCH)
    factories.make_waiting_job()
    stub.next_submits(Refuse(429, retry_after="30"))
    work(Lane.DISPATCH)
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    assert rate_limited_for(provider) > 20


@pytest.mark.parametrize("answer", [Refuse(503), Refuse(503, retry_after="20")], ids=str)
def test_a_provider_that_is_down_is_tried_again_later(answer, provider, stub, work):
    job = factories.make_waiting_job()
    stub.next_submits(answer)
    work(Lane.DISPATCH)
    job = factories.reload(job)
    assert (job.lane, job.reason_code) == (Lane.DISPATCH, "provider_moved")
    assert ProviderConfig.objects.get().consecutive_failures == 1
    assert (rate_limited_for(provider) > 15) == (answer.retry_after is not None)


def test_a_provider_that_cannot_be_reached_is_no_lost_answer(work, db):
    factories.make_provider("http://127.0.0.1:9")
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert (newest_attempt(job).status, newest_attempt(job).error_code) == ("failed", "provider_failed")
    assert factories.reload(job).lane == Lane.DISPATCH


def test_several_failures_in_a_row_open_the_breaker_and_a_good_probe_closes_it(provider, stub, work):
    job = factories.make_waiting_job()
    stub.next_submits(*[Refuse(503)] * 3)
    for _ in range(6):
        Job.objects.update(due_at=timezone.now())
        work(Lane.DISPATCH)
    row = ProviderConfig.objects.get()
    assert (stub.submits(), row.breaker_reason, row.rate_limited_until) == (3, "calls", None)
    assert "HTTP 503" in row.last_error
    ProviderConfig.objects.update(breaker_until=timezone.now())
    work(Lane.DISPATCH)
    row = ProviderConfig.objects.get()
    assert (row.breaker_until, row.breaker_reason, row.consecutive_failures, row.blocked_at) == (None, "", 0, None)
    assert newest_attempt(job).status == "submitted"


def test_a_wrong_key_leaves_the_provider_alone_for_minutes(provider, stub, work):
    ProviderConfig.objects.filter(id=provider.id).update(api_key="wrong")
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    row = ProviderConfig.objects.get()
    assert (row.breaker_until - timezone.now()).total_seconds() > 500
    assert (row.breaker_reason, row.rate_limited_until) == ("account", None)
    assert factories.reload(job).lane == Lane.DISPATCH


def test_a_refused_request_goes_to_the_next_provider(provider, stub, work):
    other = factories.make_provider(stub.url, slug="other", order=200)
    job = factories.make_waiting_job()
    stub.next_submits(Refuse(422))
    work(Lane.DISPATCH)
    Job.objects.update(due_at=timezone.now())
    work(Lane.DISPATCH)
    assert [attempt.provider_id for attempt in job.attempts.all()] == [provider.id, other.id]
    assert newest_attempt(job).status == "submitted"


def test_after_so_many_tries_the_job_fails_with_a_sentence(provider, stub, work, settings):
    job = factories.make_waiting_job()
    stub.next_submits(*[Refuse(422)] * settings.MAX_ATTEMPTS)
    for _ in range(settings.MAX_ATTEMPTS + 2):
        Job.objects.filter(status__in=Job.OPEN).update(due_at=timezone.now())
        work(Lane.DISPATCH)
    job = factories.reload(job)
    assert (job.status, job.failure_code) == ("failed", "no_provider")
    assert stub.submits() == settings.MAX_ATTEMPTS
    factories.is_consistent(job.id)


def test_a_photo_that_cannot_be_read_is_not_the_providers_fault(provider, stub, work):
    job = factories.make_waiting_job()
    storage.delete([job.clean_key])
    for _ in range(4):
        Job.objects.filter(status__in=Job.OPEN).update(due_at=timezone.now())
        work(Lane.DISPATCH)
    assert ProviderConfig.objects.get().consecutive_failures == 0
    assert rate_limited_for(provider) == 0
    assert stub.submits() == 0
    other = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert newest_attempt(other).status == "submitted"


def test_no_submit_starts_so_late_that_it_could_outlive_its_lease(provider, stub, monkeypatch):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    started = submission.start_by
    monkeypatch.setattr("jobs.lanes.dispatch.time.monotonic", lambda: started + 0.01)
    lane.record([lane.work(submission)])
    assert stub.submits() == 0
    assert factories.reload(job).lane == Lane.DISPATCH
    assert ProviderConfig.objects.get().consecutive_failures == 0
    lease = claims.LEASE_MARGIN.total_seconds()
    assert lease / 2 < lease, "the latest start plus both timeouts ends before the lease"


def test_a_webhook_may_be_faster_than_the_submits_answer(provider, stub, work, deliver):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    outcome = lane.work(submission)
    deliver(stub.delivery(stub.only.run(0.3)))
    work(Lane.COLLECT)
    assert (newest_attempt(job).status, newest_attempt(job).prediction_id) == ("running", stub.only.id)
    seq = factories.reload(job).seq
    lane.record([outcome])
    assert newest_attempt(job).status == "running"
    assert factories.reload(job).stage == "rendering"
    assert factories.reload(job).seq == seq
    factories.is_consistent(job.id)


def test_a_film_may_be_finished_before_the_submits_answer(provider, stub, work, deliver):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    outcome = lane.work(submission)
    deliver(stub.delivery(stub.only.complete()))
    work(Lane.COLLECT)
    lane.record([outcome])
    assert factories.reload(job).status == "succeeded"
    factories.is_consistent(job.id)


def test_a_prediction_id_used_twice_spoils_no_other_submit(provider, stub, work, ask):
    first = factories.make_waiting_job()
    work(Lane.DISPATCH)
    jobs = [factories.make_waiting_job() for _ in range(2)]
    stub.at_submit = lambda prediction: setattr(prediction, "id", stub.reused.pop(0))
    stub.reused = [newest_attempt(first).prediction_id, "pre_new"]
    work(Lane.DISPATCH)
    statuses = sorted(newest_attempt(job).status for job in jobs)
    assert "submitted" in statuses
    ask(later=timedelta(seconds=30))
    for job in (first, *jobs):
        factories.is_consistent(job.id)


def test_a_crash_inside_an_adapter_is_unconfirmed(provider, stub, work, monkeypatch):
    job = factories.make_waiting_job()
    monkeypatch.setattr("providers.http.client.session", lambda: 1 / 0)
    work(Lane.DISPATCH)
    assert newest_attempt(job).status == "unconfirmed"
    factories.is_consistent(job.id)


def test_an_erased_photo_in_the_queue_is_never_sent(provider, stub, work):
    job = factories.make_waiting_job()
    services.erase_job(job.id, now=timezone.now())
    work(Lane.DISPATCH)
    assert stub.submits() == 0
