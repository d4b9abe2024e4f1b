"""The queue's order: fair turns, the providers a job may go to, and how often it is retried."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs import lifecycle, queue_order, services
from jobs.estimates import eta
from jobs.models import Attempt, Job, Lane
from jobs.queue import claims
from providers import registry
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NOW = timezone.now
SECOND = timedelta(seconds=1)


def waiting(owner, *, at=None, **values):
    return factories.make_waiting_job(owner=owner, now=at or NOW(), **values)


def order():
    """Return the jobs in the order in which they would be dispatched."""
    return list(Job.objects.claimable(Lane.DISPATCH, now=NOW()))


# --- Turns ---------------------------------------------------------------------------------------


def test_first_come_first_served(db):
    start = NOW() - timedelta(minutes=5)
    jobs = [waiting(f"v:{age}", at=start - age * SECOND) for age in (1, 3, 2)]
    assert order() == [jobs[1], jobs[2], jobs[0]]


def test_no_owner_floods_the_queue(db):
    """Fifty at once by one person, then a few others within the next half hour."""
    start = NOW() - timedelta(hours=1)
    flood = [waiting("v:flood", at=start) for _ in range(50)]
    others = [waiting(f"v:{number}", at=start + number * timedelta(minutes=1) - SECOND) for number in range(1, 6)]
    found = order()
    assert [job for job in found if job.owner == "v:flood"] == flood, "one's own jobs keep their order"
    places = [found.index(job) for job in others]
    assert places == [2, 5, 8, 11, 14], "one job of the flood every half minute"


def test_who_sends_no_cookie_has_the_turns_of_the_network(db):
    start = NOW() - timedelta(minutes=9)
    key = queue_order.turn_key("v:new", newcomer_from="203.0.113.9")
    assert key == queue_order.turn_key("v:other", newcomer_from="203.0.113.9")
    assert key != queue_order.turn_key("v:new", newcomer_from="203.0.113.10")
    assert "203.0.113.9" not in key and len(key) <= 80
    first, second = (factories.make_job(owner=f"v:{n}", turn_key=key, now=start) for n in range(2))
    assert second.turn_at - first.turn_at == queue_order.TURN_SPACING
    assert queue_order.next_turn(queue_order.turn_key("v:cookie"), now=start) == start


def test_a_costly_photo_lets_those_pass_who_come_right_after_it(db):
    start = NOW() - timedelta(minutes=9)
    costly = [factories.make_job(owner=f"v:{n}", photo_cost=9, now=start) for n in range(3)]
    ordinary = [factories.make_job(owner=f"v:late{n}", now=start + n * SECOND) for n in range(5)]
    found = list(Job.objects.claimable(Lane.PREPARE, now=NOW()))
    assert found[:4] == ordinary[:4]
    assert {job.id for job in found[4:]} == {job.id for job in [*costly, ordinary[4]]}, "these have the same turn"


def test_the_first_jobs_are_claimed_whose_photos_cost_no_more_together(db):
    start = NOW() - timedelta(minutes=9)
    jobs = [factories.make_job(owner=f"v:{n}", now=start + n * SECOND) for n in range(6)]
    for job, cost in zip(jobs, (3, 1, 9, 1, 1, 1), strict=True):
        Job.objects.filter(id=job.id).update(photo_cost=cost)

    def claimed(**limits):
        claim = claims.claim_lane(Lane.PREPARE, limit=5, lease=timedelta(seconds=5), **limits)
        claims.give_back([(job.id, claim.lease_token) for job in claim.jobs], lane=Lane.PREPARE)
        return claim.jobs

    assert claimed() == jobs[:5], "in the order of the queue"
    assert claimed(cost_limit=5) == jobs[:2]
    assert claimed(cost_limit=13) == jobs[:3]
    assert claimed(cost_limit=0) == jobs[:1]
    assert claimed(cost_limit=0, at_least=3) == jobs[:3]


def test_a_turn_is_not_saved_up_and_not_held_against_anybody_later(db):
    start = NOW() - timedelta(hours=1)
    for _ in range(10):
        job = waiting("v:me", at=start)
        lifecycle.cancel(job.id, now=start, by="owner")
    assert waiting("v:me", at=start + SECOND).turn_at == start + SECOND


def test_a_job_that_comes_back_keeps_its_turn(provider):
    job = waiting("v:a", at=NOW() - timedelta(minutes=1))
    attempt = factories.make_attempt(provider, job=job)
    later = waiting("v:b")
    lifecycle.mark_attempt_failed(attempt, code="busy", raw_error="", now=NOW())
    lifecycle.return_to_queue(job.id, due_at=NOW(), now=NOW())
    assert order() == [job, later]


def test_a_raised_priority_goes_before_everybody(db):
    jobs = [waiting(f"v:{number}", at=NOW() - timedelta(minutes=9 - number)) for number in range(3)]
    services.set_priority(jobs[2].id, priority=10, now=NOW())
    assert order() == [jobs[2], jobs[0], jobs[1]]
    assert eta.positions([factories.reload(job) for job in jobs]) == {jobs[2].id: 0, jobs[0].id: 1, jobs[1].id: 2}
    factories.is_consistent(jobs[2].id)


def test_a_job_that_waits_no_more_has_no_priority(provider):
    job = factories.make_submitted_attempt(provider).job
    with pytest.raises(services.NotPossible):
        services.set_priority(job.id, priority=10, now=NOW())


@pytest.mark.parametrize("seed", range(5))
def test_positions_follow_the_queue_order(seed, db):
    chance = random.Random(seed)
    start = NOW() - timedelta(hours=1)
    for _ in range(12):
        job = waiting(f"v:{chance.randrange(3)}", at=start + chance.randrange(90) * SECOND)
        if not chance.randrange(4):
            services.set_priority(job.id, priority=chance.randrange(3), now=NOW())
    jobs = order()
    places = eta.positions(jobs)
    assert sorted(places.values(), key=int) == [places[job.id] for job in jobs]
    assert places[jobs[0].id] == 0
    assert places[jobs[-1].id] >= 10


# --- Where a job may go --------------------------------------------------------------------------


def failed_at(provider, job, code="provider_failed"):
    """Let a provider fail a job, and put it back in the queue."""
    attempt = factories.make_attempt(provider, job=job)
    lifecycle.mark_attempt_failed(attempt, code=code, raw_error="", now=NOW())
    lifecycle.return_to_queue(job.id, due_at=NOW(), now=NOW())


def offered_to(provider):
    """Return the jobs the provider would get now."""
    others = [row for row in ProviderConfig.objects.in_order() if row.id != provider.id]
    others = [row for row in others if row.blocked_until(now=NOW()) is None]
    return list(queue_order.first_for(provider, others=others, now=NOW()))


@pytest.fixture
def rules(monkeypatch):
    """Give providers' adapters content rules, as `{"slug": "rule"}`: the adapter is called like the provider."""

    def give(**by_slug):
        for slug in by_slug:
            ProviderConfig.objects.filter(slug=slug).update(adapter=slug)
        monkeypatch.setattr(registry, "content_rule", lambda name: by_slug.get(name, name))

    return give


def test_what_one_provider_failed_is_the_others_first(provider):
    other, job = factories.make_provider(slug="other"), waiting("v:a")
    failed_at(provider, job)
    assert (offered_to(provider), offered_to(other)) == ([], [job])
    failed_at(other, job)
    assert (offered_to(provider), offered_to(other)) == ([job], [job]), "all have failed it: any may try again"


def test_a_blocked_provider_is_not_waited_for(provider):
    other, job = factories.make_provider(slug="other"), waiting("v:a")
    failed_at(provider, job)
    ProviderConfig.objects.filter(id=other.id).update(rate_limited_until=NOW() + timedelta(minutes=1))
    assert offered_to(provider) == [job]


@pytest.mark.slow
def test_jobs_that_may_not_go_there_hold_up_no_others(provider):
    factories.make_provider(slug="other")
    for number in range(40):
        failed_at(provider, waiting(f"v:{number}", at=NOW() - timedelta(minutes=9)))
    job = waiting("v:new")
    assert offered_to(provider) == [job]
    (attempt,) = claims.claim_slots(provider.id, want=3)
    assert attempt.job_id == job.id


def test_a_refused_photo_never_goes_to_the_same_rule_again(provider, rules):
    same, another = factories.make_provider(slug="same"), factories.make_provider(slug="another")
    rules(studio="strict", same="strict", another="loose")
    provider.refresh_from_db()
    same.refresh_from_db()
    another.refresh_from_db()
    job = waiting("v:a")
    failed_at(provider, job, code=queue_order.PHOTO_REFUSED)
    assert (offered_to(provider), offered_to(same), offered_to(another)) == ([], [], [job])
    ProviderConfig.objects.filter(id=another.id).update(enabled=False)
    assert (offered_to(provider), offered_to(same)) == ([], []), "not even when there is no other"


# --- Kinds and the retry budget ------------------------------------------------------------------


def kind_of_next(job, provider):
    (turn,) = queue_order.turns([factories.reload(job)], provider)
    return turn.number, turn.kind


def test_first_fallback_and_retry(provider):
    other, job = factories.make_provider(slug="other"), waiting("v:a")
    assert kind_of_next(job, provider) == (1, "first")
    for code in Attempt.NOT_ITS_FAULT:
        failed_at(provider, job, code=code)
    assert kind_of_next(job, provider) == (3, "first"), "a call that was refused or never left was no try"
    failed_at(provider, job)
    assert (kind_of_next(job, provider), kind_of_next(job, other)) == ((4, "retry"), (4, "fallback"))


def tries(provider, **numbers):
    """Write so many attempts of each kind, claimed half a minute ago."""
    for kind, number in numbers.items():
        for _ in range(number):
            attempt = factories.make_submitted_attempt(provider, job=waiting(f"v:{Job.objects.count()}"))
            Attempt.objects.filter(id=attempt.id).update(
                kind=kind, slot_held=False, claimed_at=NOW() - timedelta(seconds=30)
            )


@pytest.mark.slow
def test_retries_are_a_share_of_first_tries_with_a_floor(provider):
    assert queue_order.retries_left(now=NOW()) == queue_order.RETRY_FLOOR
    tries(provider, first=40, retry=3, fallback=20)
    assert queue_order.retries_left(now=NOW()) == 8 - 3
    assert queue_order.retries_left(now=NOW(), more_firsts=10) == 10 - 3
    assert queue_order.retries_left(now=NOW() + timedelta(seconds=31)) == queue_order.RETRY_FLOOR, "a sliding minute"


def test_beyond_the_budget_a_retry_waits_and_first_tries_go_on(provider):
    ProviderConfig.objects.update(max_concurrent=50)
    tries(provider, retry=queue_order.RETRY_FLOOR)
    again = waiting("v:again", at=NOW() - timedelta(minutes=1))
    failed_at(provider, again)
    first = waiting("v:first")
    (attempt,) = claims.claim_slots(provider.id, want=9)
    assert (attempt.job_id, attempt.kind) == (first.id, "first")
    again = factories.reload(again)
    assert again.lane == Lane.DISPATCH
    assert NOW() < again.due_at <= NOW() + queue_order.RETRY_WAIT
    Attempt.objects.filter(kind="retry").update(claimed_at=NOW() - timedelta(minutes=2))
    Job.objects.filter(id=again.id).update(due_at=NOW())
    (attempt,) = claims.claim_slots(provider.id, want=9)
    assert (attempt.job_id, attempt.kind, attempt.number) == (again.id, "retry", 2)


def test_a_fallback_is_not_held_back(provider):
    other = factories.make_provider(slug="other")
    tries(provider, retry=2 * queue_order.RETRY_FLOOR)
    job = waiting("v:a")
    failed_at(provider, job)
    (attempt,) = claims.claim_slots(other.id, want=9)
    assert (attempt.job_id, attempt.kind) == (job.id, "fallback")


# --- A long queue is cheap -----------------------------------------------------------------------


@pytest.fixture
def long_queue(db):
    """Two thousand who wait, among many who came before."""
    look, now = factories.make_look(), NOW()
    same = {"look": look, "created_at": now, "due_at": now, "photo_sha256": "0" * 64, **factories.CONSENT}
    same |= {"consent_at": now, "deadline_at": now + timedelta(hours=1), "erase_at": now + timedelta(hours=2)}
    ended = {"status": "canceled", "lane": "", "finished_at": now, "turn_at": now}
    waits = {"lane": Lane.DISPATCH, "stage": Job.Stage.WAITING_FOR_SLOT}
    Job.objects.bulk_create([Job(owner=f"v:{number}", **same, **ended) for number in range(2000)])
    Job.objects.bulk_create(
        [
            Job(owner=f"v:{n}", turn_key=f"v:{n}", turn_at=now + n * timedelta(milliseconds=1), **same, **waits)
            for n in range(2000)
        ]
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE jobs_job")


@pytest.mark.slow
def test_the_queue_is_read_in_the_order_of_an_index(long_queue, provider):
    """However many wait, the first few are found without sorting and without reading the rest."""
    others = [factories.make_provider(slug="other")]
    plan = queue_order.first_for(provider, others=others, now=NOW())[:10].explain()
    assert "job_line_claim" in plan
    for word in ("sort", "temp b-tree", "jobs_attempt"):
        assert word not in plan.lower()


def reads_everything(rows):
    plan = rows.explain()
    return any("Seq Scan on jobs_job" in step or step.endswith("SCAN jobs_job") for step in plan.splitlines())


@pytest.mark.slow
def test_no_query_of_the_queue_reads_all_jobs(long_queue):
    if connection.vendor == "postgresql":  # where half of so few rows are wanted it would rightly read them all
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert reads_everything(Job.objects.filter(locale="x").order_by()), "so it would be seen"
    line_itself = Job.objects.in_queue().order_by()
    assert not reads_everything(line_itself.filter(priority__gt=3))
    assert not reads_everything(line_itself.filter(priority=0, turn_at__lt=NOW()))
    assert not reads_everything(Job.objects.is_open().filter(turn_key="v:7").order_by("-turn_at")[:1])
    assert not reads_everything(Job.objects.in_lane(Lane.DISPATCH).filter(due_at__gt=NOW()).order_by("due_at")[:1])
