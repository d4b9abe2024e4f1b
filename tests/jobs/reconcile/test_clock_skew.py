"""Times written by a clock ten minutes ahead do not hold jobs up for ten minutes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Attempt, Job, Lane, WebhookDelivery
from jobs.queue import claims, queues
from jobs.reconcile import clock_skew
from jobs.reconcile.sweep import Reconciler
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]

AHEAD = timedelta(minutes=10)


@pytest.fixture
def nudged(monkeypatch):
    lanes = []
    monkeypatch.setattr(queues, "nudge", lanes.append)
    return lanes


def bring_near():
    return clock_skew.bring_near(now=timezone.now())


def test_what_right_clocks_write_is_left_alone(provider, nudged):
    now = timezone.now()
    factories.make_job()
    claims.claim_lane(Lane.PREPARE, limit=1, lease=timedelta(seconds=30))
    factories.make_attempt(provider)
    attempt = factories.make_submitted_attempt(provider)
    lifecycle.mark_attempt_timed_out(attempt, now=now)
    Job.objects.filter(id=attempt.job_id).update(lane=Lane.DISPATCH, due_at=now + timedelta(minutes=1))
    waits = now + timedelta(hours=1)
    ProviderConfig.objects.update(blocked_at=now, rate_limited_until=waits, breaker_until=waits, breaker_reason="calls")
    before = [list(model.objects.values()) for model in (Job, Attempt, ProviderConfig)]
    nudged.clear()
    assert bring_near() == 0
    assert [list(model.objects.values()) for model in (Job, Attempt, ProviderConfig)] == before
    assert nudged == []


@pytest.mark.parametrize("lane", Lane.values)
def test_a_job_claimed_by_such_a_clock_is_free_at_once(lane, provider, nudged, django_capture_on_commit_callbacks):
    job = factories.make_job()
    Job.objects.update(lane=lane, due_at=timezone.now() + AHEAD, lease_token="ahead")
    with django_capture_on_commit_callbacks(execute=True):
        assert bring_near() == 1
    job = factories.reload(job)
    assert job.due_at <= timezone.now()
    assert nudged == [lane]
    assert not claims.holds(job.id, lane=lane, lease_token="ahead"), "its first worker writes in vain"
    assert bring_near() == 0


def test_a_submit_is_looked_up_after_the_longest_it_can_take(provider):
    attempt = factories.make_attempt(provider)
    Attempt.objects.update(lease_until=attempt.lease_until + AHEAD)
    assert bring_near() == 1
    attempt.refresh_from_db()
    assert attempt.lease_until <= timezone.now() + claims.lease_of(provider)
    assert attempt.lease_until > attempt.claimed_at + claims.lease_of(provider) - timedelta(seconds=1)


def test_a_prediction_is_given_up_when_its_provider_had_its_time(provider):
    attempt = factories.make_submitted_attempt(provider)
    Attempt.objects.update(deadline_at=attempt.deadline_at + AHEAD)
    assert bring_near() == 1
    attempt.refresh_from_db()
    assert attempt.deadline_at <= timezone.now() + provider.attempt_deadline


def test_a_prediction_heard_of_in_the_future_is_asked_after(provider):
    attempt = factories.make_submitted_attempt(provider)
    ahead = timezone.now() + AHEAD
    Attempt.objects.update(heard_at=ahead, poll_at=ahead, answered_at=ahead)
    assert bring_near() == 2
    attempt.refresh_from_db()
    assert max(attempt.heard_at, attempt.poll_at, attempt.answered_at) <= timezone.now()
    assert bring_near() == 0


def test_a_provider_is_told_to_stop_at_once(provider):
    attempt = factories.make_submitted_attempt(provider)
    lifecycle.mark_attempt_timed_out(attempt, now=timezone.now() + AHEAD)
    Attempt.objects.update(finished_at=timezone.now())
    assert bring_near() == 1
    attempt.refresh_from_db()
    assert attempt.cleanup_at <= timezone.now()


def test_a_cleanup_waits_no_longer_for_a_lost_answer_than_it_can_take(provider):
    attempt = factories.make_attempt(provider)
    lifecycle.mark_attempt_timed_out(attempt, now=timezone.now())
    later = {name: getattr(attempt, name) + AHEAD for name in ("lease_until", "deadline_at")}
    Attempt.objects.update(**later)
    assert bring_near() == 2
    attempt.refresh_from_db()
    assert attempt.lease_until <= timezone.now() + claims.lease_of(provider)
    assert attempt.deadline_at <= timezone.now() + provider.attempt_deadline
    assert bring_near() == 0


def test_a_cleanup_that_waits_for_a_deadline_or_was_tried_before_goes_on_waiting(provider):
    minutes = timedelta(minutes=4)
    for tries, cleanup, deadline in ((0, minutes, minutes), (3, AHEAD, minutes)):
        attempt = factories.make_submitted_attempt(provider)
        now = timezone.now()
        lifecycle.mark_attempt_timed_out(attempt, now=now)
        Attempt.objects.filter(id=attempt.id).update(
            cleanup_at=now + cleanup, deadline_at=now + deadline, cleanup_tries=tries
        )
    assert bring_near() == 0


def test_a_delivery_is_applied_at_once(provider):
    now = timezone.now()
    WebhookDelivery.objects.create(
        provider="studio", attempt_token="x", verdict="valid", received_at=now, due_at=now + AHEAD
    )
    assert bring_near() == 1
    assert WebhookDelivery.objects.get().due_at <= timezone.now()


def test_a_provider_blocked_in_the_future_waits_as_long_as_was_meant(provider):
    now = timezone.now()
    ProviderConfig.objects.update(
        blocked_at=now + AHEAD,
        rate_limited_until=now + AHEAD + timedelta(seconds=20),
        breaker_until=now,
        breaker_reason="calls",
    )
    assert bring_near() == 1
    provider.refresh_from_db()
    assert timedelta(seconds=19) < provider.rate_limited_until - timezone.now() <= timedelta(seconds=20)
    assert provider.blocked_at <= timezone.now()
    assert provider.probe_until is None


def test_reconcile_does_it(provider):
    job = factories.make_job()
    Job.objects.update(due_at=timezone.now() + AHEAD)
    Reconciler()._requeue_orphans()
    assert factories.reload(job).due_at <= timezone.now()
