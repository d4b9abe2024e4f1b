"""What a provider has left: calls a minute over a simulated day, and money."""

import random
import time
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush

import pytest
from django.db import transaction
from django.utils import timezone

from jobs import lifecycle
from jobs.lanes import ingest
from jobs.lanes.dispatch import DispatchLane
from jobs.models import Attempt, Job, Lane
from jobs.queue import claims
from jobs.routing import breaker, limits, selection
from providers import registry
from providers.models import ProviderConfig
from providers.types import PredictionStatus, ProviderEvent
from tests import factories
from tests.jobs.threads import in_threads

pytestmark = [pytest.mark.django_db, pytest.mark.database]
NOW = timezone.now
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


# --- Calls a minute --------------------------------------------------------------------------------


class Clock:
    """The database's time, moved by the test."""

    def __init__(self, monkeypatch):
        self.now = NOON
        for module in (claims, breaker):
            monkeypatch.setattr(module, "database_now", lambda: self.now)


def many_waiting(number):
    """Put so many jobs in the queue at once."""
    look = factories.make_look()
    same = {"look": look, "lane": Lane.DISPATCH, "stage": "waiting_for_slot", "due_at": NOON, "created_at": NOON}
    same |= {"photo_sha256": "0" * 64, **factories.CONSENT, "consent_at": NOON, "turn_at": NOON}
    same |= {"deadline_at": NOON + timedelta(days=1), "erase_at": NOON + timedelta(days=2)}
    Job.objects.bulk_create([Job(owner=f"v:{n}", **same) for n in range(number)])


def simulate(provider, clock, *, minutes, latency, chance):
    """Send whatever may be sent for so many minutes; return when the provider saw each call arrive."""
    arrivals, answers = [], []
    end = clock.now + timedelta(minutes=minutes)
    while clock.now < end:
        for attempt in claims.claim_slots(provider.id, want=64):
            took = timedelta(seconds=latency(chance))
            arrivals.append(clock.now + took * chance.random())
            heappush(answers, (clock.now + took, attempt.id))
        (place,) = selection.survey(now=clock.now)
        opens_at = selection.next_wakeup_at([place], now=clock.now)
        clock.now = min(moment for moment in (opens_at, answers[0][0] if answers else None, end) if moment)
        while answers and answers[0][0] <= clock.now:
            _, attempt_id = heappop(answers)
            Attempt.objects.filter(id=attempt_id).update(answered_at=clock.now, slot_held=False)
    return sorted(moment for moment in arrivals if moment < end)


def most_in_a_minute(arrivals):
    """Return the most calls that arrived within any sixty seconds."""
    return max(bisect_right(arrivals, start + timedelta(seconds=59.999)) - n for n, start in enumerate(arrivals))


LATENCIES = {
    "0.3 s": lambda chance: 0.3,
    "from nothing to 5 s": lambda chance: chance.uniform(0, 5),
    "now and then 20 s": lambda chance: 20.0 if chance.random() < 0.1 else 0.2,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "latency"),
    [
        pytest.param(limit, latency, marks=() if number == turn else pytest.mark.thorough)
        for number, limit in enumerate((1, 5, 60))
        for turn, latency in enumerate(LATENCIES)
    ],
)
def test_no_sliding_minute_ever_sees_more_calls_than_allowed(limit, latency, provider, monkeypatch):
    ProviderConfig.objects.update(max_per_minute=limit, max_concurrent=1000)
    many_waiting(5 * limit + 10)
    arrivals = simulate(
        provider, Clock(monkeypatch), minutes=4, latency=LATENCIES[latency], chance=random.Random(limit)
    )
    assert most_in_a_minute(arrivals) <= limit
    assert len(arrivals) >= 3 * limit


@pytest.mark.slow
@pytest.mark.parametrize("limit", [5, 60])
def test_a_minute_is_used_up_to_the_price_of_one_answer(limit, provider, monkeypatch):
    """At 0.3 s an answer ten minutes hold more than 95 % of what they could."""
    ProviderConfig.objects.update(max_per_minute=limit, max_concurrent=1000)
    many_waiting(10 * limit + 10)
    arrivals = simulate(provider, Clock(monkeypatch), minutes=10, latency=LATENCIES["0.3 s"], chance=random.Random(1))
    assert len(arrivals) >= 0.95 * 10 * limit
    assert most_in_a_minute(arrivals) <= limit


# --- Money -----------------------------------------------------------------------------------------


@pytest.fixture
def paid(provider):
    """The provider, at 0.25 a film and with a dollar a day."""
    ProviderConfig.objects.update(price=Decimal("0.25"), daily_budget=1, max_concurrent=100)
    provider.refresh_from_db()
    return provider


def used():
    row = ProviderConfig.objects.get()
    assert row.budget_used == limits.committed(row, now=NOW())
    return row.budget_used


def claim(provider, number=1):
    for _ in range(number):
        factories.make_waiting_job()
    return claims.claim_slots(provider.id, want=number)


def test_the_price_is_committed_with_the_claim(paid):
    assert len(claim(paid, 3)) == 3
    assert used() == Decimal("0.75")
    assert len(claim(paid, 3)) == 1
    assert used() == 1
    assert claim(paid) == []


def test_yesterdays_money_is_yesterdays(paid):
    attempts = claim(paid, 4)
    midnight = limits.day_start(NOW())
    Attempt.objects.filter(id=attempts[0].id).update(claimed_at=midnight)
    Attempt.objects.filter(id=attempts[1].id).update(claimed_at=midnight - timedelta(seconds=1))
    ProviderConfig.objects.update(budget_day=midnight.date() - timedelta(days=1))
    assert len(claim(paid, 3)) == 1
    assert used() == 1


def test_a_budget_that_is_set_during_the_day_knows_what_was_spent_before(paid):
    ProviderConfig.objects.update(daily_budget=None)
    assert len(claim(paid, 3)) == 3
    ProviderConfig.objects.update(daily_budget=1)
    assert len(claim(paid, 3)) == 1


def apply(attempt, status, **values):
    attempt = Attempt.objects.select_related("provider", "job").get(id=attempt.id)
    event = ProviderEvent(prediction_id=attempt.prediction_id or f"p{attempt.id}", status=status, **values)
    with transaction.atomic():
        ingest.apply_event(attempt, event, now=NOW())
    attempt.refresh_from_db()
    return attempt


@pytest.mark.parametrize(
    ("status", "said", "cost"),
    [
        (PredictionStatus.SUCCEEDED, None, "0.25"),
        (PredictionStatus.SUCCEEDED, "0.4", "0.4"),
        (PredictionStatus.SUCCEEDED, "0", "0"),
        (PredictionStatus.SUCCEEDED, "plenty", "0.25"),
        (PredictionStatus.SUCCEEDED, "NaN", "0.25"),
        (PredictionStatus.SUCCEEDED, "-1", "0.25"),
        (PredictionStatus.FAILED, None, "0"),
        (PredictionStatus.FAILED, "0.1", "0.1"),
        (PredictionStatus.CANCELED, "0.05", "0.05"),
    ],
)
def test_what_a_film_cost_is_what_the_provider_says_or_its_price(status, said, cost, paid):
    (attempt,) = claim(paid)
    attempt = apply(attempt, status, cost=said, video_url="http://x/film.mp4")
    assert attempt.cost == Decimal(cost)
    limits.settle_budgets(now=NOW())
    assert used() == Decimal(cost)


def test_what_failed_gives_its_money_back(paid):
    for attempt in claim(paid, 4):
        apply(attempt, PredictionStatus.FAILED, error_code="photo_unreadable")
    assert claim(paid) == []
    limits.settle_budgets(now=NOW())
    assert used() == 0
    assert len(claim(paid)) == 1


def test_a_film_given_up_keeps_its_price_for_it_may_be_paid_for_all_the_same(paid, stub, ask):
    attempt = factories.make_submitted_attempt(paid)
    lifecycle.mark_attempt_timed_out(attempt, now=NOW())
    limits.settle_budgets(now=NOW())
    assert used() == Decimal("0.25")
    lifecycle.mark_cleanup_done([attempt.id], cleanup="cancel")
    attempt.refresh_from_db()
    assert (attempt.slot_held, attempt.cleanup) == (False, "")
    limits.settle_budgets(now=NOW())
    assert used() == Decimal("0.25")


def test_what_a_provider_surely_never_made_costs_nothing(paid):
    attempt = factories.make_submitted_attempt(paid)
    lifecycle.mark_attempt_timed_out(attempt, now=NOW())
    lifecycle.mark_cleanup_done([attempt.id], cleanup="cancel", was_nothing=True)
    limits.settle_budgets(now=NOW())
    assert used() == 0


@pytest.mark.parametrize(("charges", "cost"), [(False, 0), (True, Decimal("0.25"))])
def test_a_failed_film_costs_what_its_vendor_takes_for_failures(paid, monkeypatch, charges, cost):
    monkeypatch.setattr(type(registry.adapter_for(paid.adapter)), "charges_failures", charges)
    attempt = factories.make_submitted_attempt(paid)
    assert apply(attempt, PredictionStatus.FAILED, error_code="provider_failed").cost == cost


def test_a_late_success_after_a_fallback_costs_twice_and_delivers_once(paid):
    other = factories.make_provider(slug="other", price=Decimal("0.5"))
    first = factories.make_submitted_attempt(paid)
    lifecycle.mark_attempt_timed_out(first, now=NOW())
    lifecycle.return_to_queue(first.job_id, due_at=NOW(), now=NOW())
    second = factories.make_submitted_attempt(other, job=first.job)
    assert apply(second, PredictionStatus.SUCCEEDED, video_url="http://x/2.mp4").status == "succeeded"
    first = apply(first, PredictionStatus.SUCCEEDED, video_url="http://x/1.mp4")
    assert (first.status, first.cost, first.video_url) == ("superseded", Decimal("0.25"), "")
    assert sum(attempt.cost for attempt in first.job.attempts.all()) == Decimal("0.75")
    assert factories.reload(first.job).winner_id == second.id
    factories.is_consistent(first.job_id)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_threads_never_spend_more_than_the_budget(stub):
    provider = factories.make_provider(stub.url, price=Decimal("0.30"), daily_budget=2, max_concurrent=100)
    for _ in range(25):
        factories.make_waiting_job()

    def spend(index):
        taken = 0
        for _ in range(5):
            taken += len(claims.claim_slots(provider.id, want=2))
            if index == 0:
                limits.settle_budgets(now=NOW())
        return taken

    assert sum(in_threads(6, spend)) == 6
    assert used() == Decimal("1.80")


def test_over_budget_the_jobs_flow_on(paid, stub, work):
    ProviderConfig.objects.update(base_url=stub.url)
    other = factories.make_provider(stub.url, slug="other", order=200, max_concurrent=50)
    for _ in range(6):
        factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert Attempt.objects.filter(provider=paid).count() == 4
    assert Attempt.objects.filter(provider=other).count() == 2


# --- Keep-warm calls -------------------------------------------------------------------------------


def test_a_keep_warm_call_counts_like_any_other(paid):
    ProviderConfig.objects.update(max_concurrent=3, max_per_minute=3)
    attempt = claims.claim_keep_warm(paid.id, idle_since=NOW() - timedelta(minutes=5), cold=True)
    assert (attempt.job_id, attempt.kind, attempt.cost, attempt.was_cold) == (None, "keep_warm", paid.price, True)
    assert used() == Decimal("0.25")
    assert limits.slots_held([paid.id]) == limits.calls_counted([paid.id], now=NOW()) == {paid.id: 1}
    assert len(claim(paid, 5)) == 2


@pytest.mark.parametrize(
    "values",
    [
        {"enabled": False},
        {"max_concurrent": 1},
        {"max_per_minute": 1},
        {"daily_budget": Decimal("0.30")},
        {"rate_limited_until": NOON + timedelta(days=99999)},
        {"rate_limited_until": NOON - timedelta(days=1)},
        {"breaker_until": NOON - timedelta(days=1), "breaker_reason": "calls"},
    ],
    ids=str,
)
def test_a_keep_warm_call_is_made_only_where_a_job_could_go_too(values, paid):
    factories.make_submitted_attempt(paid)
    Attempt.objects.update(claimed_at=limits.day_start(NOW()))
    ProviderConfig.objects.update(**values)
    assert claims.claim_keep_warm(paid.id, idle_since=NOW() - timedelta(seconds=1), cold=True) is None


def test_a_keep_warm_call_is_not_made_when_there_was_a_call(paid):
    claim(paid)
    assert claims.claim_keep_warm(paid.id, idle_since=NOW() - timedelta(minutes=5), cold=False) is None


def test_the_lane_wakes_up_when_the_minute_frees_a_call(paid, stub):
    ProviderConfig.objects.update(max_per_minute=1)
    claim(paid)
    answered = NOW() - timedelta(seconds=57)
    Attempt.objects.update(answered_at=answered)
    factories.make_waiting_job()
    lane = DispatchLane()
    assert lane.claim(9) == []
    assert 2 < lane.next_wakeup_at - time.monotonic() <= 3


# --- Money that is settled --------------------------------------------------------------------------


def test_what_is_settled_is_not_added_up_again_and_what_is_open_is(paid, monkeypatch):
    """A million attempts of a day took half a second, every five seconds, under the lock that claims need."""
    noon = NOW().replace(hour=12)
    done, opened = claim(paid, 2)
    apply(done, PredictionStatus.SUCCEEDED, video_url="http://x/film.mp4")
    Attempt.objects.filter(id=done.id).update(claimed_at=noon - timedelta(hours=2), slot_held=False)
    Attempt.objects.filter(id=opened.id).update(claimed_at=noon - timedelta(hours=1))
    limits.settle_budgets(now=noon)
    paid.refresh_from_db()
    assert (paid.budget_used, paid.budget_settled) == (Decimal("0.50"), Decimal("0.25"))
    assert paid.budget_settled_to == noon - timedelta(hours=1)
    # The open one fails and costs nothing; the settled one is not read.
    Attempt.objects.filter(id=opened.id).update(cost=0, slot_held=False)
    read = []
    cost_of = limits._cost_of
    monkeypatch.setattr(limits, "_cost_of", lambda *a, since, **b: read.append(since) or cost_of(*a, since=since, **b))
    limits.settle_budgets(now=noon)
    assert used() == Decimal("0.25")
    assert min(read) == noon - timedelta(hours=1)


def test_another_day_is_settled_anew(paid: ProviderConfig) -> None:
    now = NOW()
    Attempt.objects.filter(id=claim(paid)[0].id).update(claimed_at=now - timedelta(minutes=1), slot_held=False)
    ProviderConfig.objects.update(budget_settled=99, budget_settled_to=now - timedelta(days=1))
    limits.settle_budgets(now=now)
    assert used() in (Decimal("0.25"), Decimal(0))  # nothing, in the first minute of a day
    later = now + timedelta(days=1)
    limits.settle_budgets(now=later)
    assert used() == 0


def test_of_a_provider_without_a_budget_staff_see_the_last_minute_s_sum(paid: ProviderConfig) -> None:
    ProviderConfig.objects.update(daily_budget=None)
    claim(paid)
    limits.settle_budgets(now=NOW())
    assert ProviderConfig.objects.get().budget_used == 0
    limits.settle_budgets(now=NOW(), of_all=True)
    assert used() == Decimal("0.25")
