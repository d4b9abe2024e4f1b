from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Attempt, Job, Lane
from jobs.queue import claims
from jobs.routing import fallback
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.threads import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_a_claim_takes_the_oldest_first(db):
    now = timezone.now()
    jobs = [factories.make_job(now=now - timedelta(seconds=age), owner=f"v:{age}") for age in (1, 3, 2)]
    claim = claims.claim_lane(Lane.PREPARE, limit=2, lease=timedelta(minutes=1))
    assert {job.id for job in claim.jobs} == {jobs[1].id, jobs[2].id}


def test_a_claimed_job_cannot_be_claimed_again_until_its_lease_lapses(db):
    factories.make_job()
    claim = claims.claim_lane(Lane.PREPARE, limit=9, lease=timedelta(minutes=1))
    assert len(claim.jobs) == 1
    assert claims.claim_lane(Lane.PREPARE, limit=9, lease=timedelta(minutes=1)).jobs == []
    Job.objects.update(due_at=F("due_at") - timedelta(minutes=1))
    assert len(claims.claim_lane(Lane.PREPARE, limit=9, lease=timedelta(minutes=1)).jobs) == 1


def test_a_job_given_back_is_due_when_it_says(db):
    job = factories.make_job()
    claim = claims.claim_lane(Lane.PREPARE, limit=1, lease=timedelta(minutes=1))
    later = timezone.now() + timedelta(seconds=30)
    assert not claims.release(job.id, lease_token="another", due_at=later)
    assert claims.release(job.id, lease_token=claim.lease_token, due_at=later)
    job = factories.reload(job)
    assert (job.due_at, job.lane_tries, job.lease_token) == (later, 1, "")
    assert not claims.release(job.id, lease_token=claim.lease_token, due_at=later)


def test_an_ended_job_cannot_be_given_back(db):
    job = factories.make_job()
    claim = claims.claim_lane(Lane.PREPARE, limit=1, lease=timedelta(minutes=1))
    lifecycle.cancel(job.id, now=timezone.now(), by="owner")
    assert not claims.release(job.id, lease_token=claim.lease_token, due_at=timezone.now())


def test_no_more_than_what_the_limits_leave_free(provider):
    for _ in range(5):
        factories.make_waiting_job()
    assert len(claims.claim_slots(provider.id, want=64)) == 3
    assert claims.claim_slots(provider.id, want=64) == []


def test_a_disabled_or_rate_limited_provider_gets_nothing(provider):
    factories.make_waiting_job()
    ProviderConfig.objects.update(enabled=False)
    assert claims.claim_slots(provider.id, want=1) == []
    ProviderConfig.objects.update(enabled=True, rate_limited_until=timezone.now() + timedelta(seconds=9))
    assert claims.claim_slots(provider.id, want=1) == []
    ProviderConfig.objects.update(rate_limited_until=timezone.now() - timedelta(seconds=1))
    assert len(claims.claim_slots(provider.id, want=1)) == 1


def test_an_attempt_comes_with_what_its_submit_needs(provider):
    job = factories.make_waiting_job()
    (attempt,) = claims.claim_slots(provider.id, want=1)
    assert (attempt.job.id, attempt.job.look.slug, attempt.provider.slug) == (job.id, "neon-noir", "studio")
    assert attempt.number == 1
    lease = attempt.lease_until - attempt.claimed_at
    assert lease > provider.connect_timeout + provider.submit_timeout
    assert attempt.deadline_at == attempt.claimed_at + provider.attempt_deadline
    assert factories.reload(job).lane == ""


def test_an_attempt_never_outlives_its_job(provider):
    job = factories.make_waiting_job(deadline_at=timezone.now() + timedelta(seconds=30))
    (attempt,) = claims.claim_slots(provider.id, want=1)
    assert attempt.deadline_at == factories.reload(job).deadline_at


def test_a_provider_that_failed_a_job_lets_another_one_try_first(provider):
    other = factories.make_provider(slug="other")
    attempt = factories.make_submitted_attempt(provider)
    now = timezone.now()
    lifecycle.mark_attempt_failed(attempt, code="provider_failed", raw_error="", now=now)
    lifecycle.return_to_queue(attempt.job_id, due_at=now, now=now)
    assert claims.claim_slots(provider.id, want=1) == []
    ProviderConfig.objects.filter(id=other.id).update(rate_limited_until=now + timedelta(minutes=1))
    assert len(claims.claim_slots(provider.id, want=1)) == 1


def test_being_busy_is_no_failure_of_the_provider(provider):
    factories.make_provider(slug="other")
    attempt = factories.make_attempt(provider)
    now = timezone.now()
    lifecycle.mark_attempt_failed(attempt, code="busy", raw_error="", now=now)
    lifecycle.return_to_queue(attempt.job_id, due_at=now, now=now)
    assert len(claims.claim_slots(provider.id, want=1)) == 1


# --- Calls a minute ------------------------------------------------------------------------------


def _limit(provider, per_minute, concurrent=50):
    ProviderConfig.objects.filter(id=provider.id).update(max_per_minute=per_minute, max_concurrent=concurrent)


def _claimable(provider):
    """Return how many calls the provider could get now, without making any."""
    point = transaction.savepoint()
    taken = len(claims.claim_slots(provider.id, want=64))
    transaction.savepoint_rollback(point)
    return taken


def test_a_call_counts_until_a_minute_after_its_answer(provider):
    _limit(provider, 1)
    attempt = factories.make_submitted_attempt(provider)
    factories.make_waiting_job()
    assert _claimable(provider) == 0
    Attempt.objects.filter(id=attempt.id).update(answered_at=timezone.now() - timedelta(seconds=59))
    assert _claimable(provider) == 0
    Attempt.objects.filter(id=attempt.id).update(answered_at=timezone.now() - timedelta(seconds=61))
    assert _claimable(provider) == 1


def test_a_call_without_an_answer_counts_until_a_minute_after_it_can_have_arrived(provider):
    attempt = factories.make_attempt(provider)
    lifecycle.mark_unconfirmed(attempt.id, lease_token=attempt.lease_token)
    attempt.refresh_from_db()
    assert attempt.answered_at == attempt.lease_until


@pytest.mark.parametrize("way", ["canceled", "erased", "deadline", "timed out"])
def test_a_call_of_a_job_that_ended_under_way_stops_counting_too(way, provider):
    _limit(provider, 1)
    attempt = factories.make_attempt(provider)
    now = timezone.now()
    if way == "deadline":
        lifecycle.fail(attempt.job_id, code="deadline", now=now)
    elif way == "timed out":
        lifecycle.mark_attempt_timed_out(attempt, now=now)
    else:
        lifecycle.cancel(attempt.job_id, now=now, by="owner")
    factories.make_waiting_job()
    Attempt.objects.filter(id=attempt.id).update(slot_held=False)
    assert _claimable(provider) == 0, "the POST may still be on its way"
    long_ago = timezone.now() - timedelta(hours=1)
    Attempt.objects.filter(id=attempt.id, answered_at__isnull=False).update(answered_at=long_ago)
    assert _claimable(provider) == 1


# --- Races ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_threads_never_share_a_job(db):
    for _ in range(30):
        factories.make_job()
    found = in_threads(6, lambda _: claims.claim_lane(Lane.PREPARE, limit=10, lease=timedelta(minutes=1)).jobs)
    ids = [job.id for jobs in found for job in jobs]
    assert len(ids) == len(set(ids))
    # Rows that another claim was just reading are skipped, not lost: the next look takes them.
    ids += [job.id for job in claims.claim_lane(Lane.PREPARE, limit=30, lease=timedelta(minutes=1)).jobs]
    assert len(set(ids)) == 30


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("concurrent", "per_minute", "most"), [(7, 1000, 7), (100, 11, 11)])
def test_threads_never_exceed_a_limit(concurrent, per_minute, most, stub):
    provider = factories.make_provider(stub.url, max_concurrent=concurrent, max_per_minute=per_minute)
    for _ in range(25):
        factories.make_waiting_job()

    def claim(_):
        taken = []
        for _round in range(6):
            taken += claims.claim_slots(provider.id, want=4)
        return len(taken)

    assert sum(in_threads(6, claim)) == most
    assert Attempt.objects.filter(provider=provider, slot_held=True).count() == most


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_threads_that_claim_and_answer_never_exceed_the_calls_a_minute(stub):
    provider = factories.make_provider(stub.url, max_concurrent=100, max_per_minute=12)
    for _ in range(30):
        factories.make_waiting_job()

    def claim_and_answer(index):
        taken = 0
        for round_number in range(8):
            for attempt in claims.claim_slots(provider.id, want=2):
                taken += 1
                now = timezone.now()
                with transaction.atomic():
                    lifecycle.record_submission(
                        attempt,
                        prediction_id=f"{index}-{round_number}-{attempt.id}",
                        lease_token=attempt.lease_token,
                        poll_at=now,
                        now=now,
                    )
        return taken

    assert sum(in_threads(6, claim_and_answer)) == 12


@pytest.mark.django_db(transaction=True)
def test_of_two_successes_at_once_one_wins(stub):
    provider = factories.make_provider(stub.url)
    first = factories.make_submitted_attempt(provider)
    now = timezone.now()
    lifecycle.mark_attempt_timed_out(first, now=now)
    lifecycle.return_to_queue(first.job_id, due_at=now, now=now)
    second = factories.make_submitted_attempt(provider, job=first.job)

    def succeed(index):
        attempt = (first, second)[index]
        with transaction.atomic():
            return lifecycle.mark_attempt_succeeded(
                attempt, prediction_id=attempt.prediction_id, video_url=f"http://x/{index}", now=timezone.now()
            )

    assert sorted(in_threads(2, succeed)) == [False, True]
    factories.is_consistent(first.job_id)


@pytest.mark.django_db(transaction=True)
def test_cancel_and_collect_at_once_leave_one_end(stub):
    provider = factories.make_provider(stub.url)
    jobs = [factories.make_rendered_job(provider) for _ in range(3)]
    claim = claims.claim_lane(Lane.COLLECT, limit=9, lease=timedelta(minutes=1))

    def end(index):
        changed = 0
        for job in jobs:
            with transaction.atomic():
                if index % 2:
                    changed += lifecycle.cancel(job.id, now=timezone.now(), by="owner")
                else:
                    changed += lifecycle.succeed(
                        job.id,
                        lease_token=claim.lease_token,
                        video_key=f"video/{index}.mp4",
                        poster_key="",
                        video_bytes=1,
                        video_seconds=1.0,
                        now=timezone.now(),
                    )
        return changed

    assert sum(in_threads(4, end)) == len(jobs)
    for job in jobs:
        factories.is_consistent(job.id)


def test_backoff_spreads_and_is_capped():
    assert max(fallback.backoff(1).total_seconds() for _ in range(200)) <= 2
    assert max(fallback.backoff(99).total_seconds() for _ in range(200)) <= 60
    assert len({fallback.backoff(5) for _ in range(20)}) > 10


def test_nothing_claims_a_job_of_another_lane(provider):
    job = factories.make_job()
    assert claims.claim_lane(Lane.COLLECT, limit=9, lease=timedelta(minutes=1)).jobs == []
    assert claims.claim_slots(provider.id, want=1) == []
    assert Job.objects.get(id=job.id).lease_token == ""


def test_a_renewed_lease_lasts_from_now_and_a_lost_one_stays_lost(db):
    job = factories.make_job()
    lease = timedelta(seconds=5)
    mine = claims.claim_lane(Lane.PREPARE, limit=1, lease=lease)
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    claims.renew([(job.id, mine.lease_token)], lane=Lane.PREPARE, lease=lease)
    assert claims.claim_lane(Lane.PREPARE, limit=1, lease=lease).jobs == []
    Job.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    theirs = claims.claim_lane(Lane.PREPARE, limit=1, lease=lease)
    claims.renew([(job.id, mine.lease_token)], lane=Lane.PREPARE, lease=timedelta(hours=1))
    assert factories.reload(job).due_at == theirs.until
