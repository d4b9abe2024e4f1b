"""Which provider gets the next job: order, weight, warm models, and which are skipped."""

import random
import time
from collections import Counter
from datetime import UTC, timedelta
from itertools import count

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.lanes.dispatch import DispatchLane
from jobs.models import Attempt, Job, Lane, StartTimes
from jobs.routing import cold_starts, selection
from jobs.routing.selection import Closed, ProviderCapacity, Rotation
from providers.models import ProviderConfig
from tests import factories
from tests.stub_provider import Refuse, StubProvider

pytestmark = [pytest.mark.django_db, pytest.mark.database]
_ids = count(1)
MINUTE = timedelta(minutes=1)


def place(name, room=100, *, order=100, weight=1, warm=True):
    provider = ProviderConfig(id=next(_ids), slug=name, order=order, weight=weight)
    return ProviderCapacity(provider, room, slots_held=0, calls_counted=0, is_awake=warm, is_warm=warm)


def named(shares):
    return [(share.provider.slug, number) for share, number in shares]


def one_by_one(rotation, places, times):
    """Return who got each of so many jobs that came one at a time."""
    return "".join(rotation.shares(places, 1)[0][0].provider.slug for _ in range(times))


# --- Sharing out ---------------------------------------------------------------------------------


def test_the_first_in_order_gets_all_it_has_room_for_and_the_next_the_rest():
    places = [place("a", 3, order=1), place("b", 0, order=2), place("c", 5, order=3)]
    assert named(Rotation().shares(places, 7)) == [("a", 3), ("c", 4)]
    assert named(Rotation().shares(places, 2)) == [("a", 2)]
    assert named(Rotation().shares(places, 99)) == [("a", 3), ("c", 5)]
    assert Rotation().shares([], 5) == []


@pytest.mark.parametrize("seed", range(5))
def test_side_by_side_they_take_turns_by_weight(seed):
    places = [place("a", weight=3), place("b", weight=1)]
    given = one_by_one(Rotation(random.Random(seed)), places, 400)
    assert abs(given.count("a") - 300) <= 1
    assert "bb" not in given and "aaaa" not in given, "evenly, not in blocks"


def test_a_batch_is_shared_as_one_by_one_would_be():
    places = [place("a", weight=5), place("b", weight=2), place("c", weight=1)]
    batches, single = Rotation(random.Random(1)), Rotation(random.Random(1))
    totals = Counter()
    for _ in range(20):
        totals.update(dict(named(batches.shares(places, 8))))
    assert totals == Counter(one_by_one(single, places, 160)) == {"a": 100, "b": 40, "c": 20}


def test_workers_do_not_all_begin_with_the_same_one():
    places = [place("a"), place("b")]
    begins = {one_by_one(Rotation(random.Random(seed)), places, 1) for seed in range(20)}
    assert begins == {"a", "b"}


def test_a_provider_without_room_earns_no_credit():
    a, b, full = place("a"), place("b"), place("b", 0)
    full = ProviderCapacity(b.provider, 0, 0, 0, is_awake=True, is_warm=True)
    rotation = Rotation(random.Random(3))
    one_by_one(rotation, [a, b], 10)
    assert one_by_one(rotation, [a, full], 50) == "a" * 50
    back = one_by_one(rotation, [a, b], 20)
    assert abs(back.count("b") - 10) <= 1


def test_of_equals_the_warm_one_goes_first_when_both_are_free():
    cold, warm = place("cold", warm=False, weight=9), place("warm", 2)
    rotation = Rotation()
    assert named(rotation.shares([cold, warm], 1)) == [("warm", 1)]
    assert named(rotation.shares([cold, warm], 5)) == [("warm", 2), ("cold", 3)]
    first = place("first", warm=False, order=1)
    assert named(rotation.shares([first, warm], 1)) == [("first", 1)], "order comes before a warm model"


# --- The survey ----------------------------------------------------------------------------------


def the_place(now=None):
    (found,) = selection.survey(now=now or timezone.now())
    return found


def test_an_open_provider_has_room_for_what_its_limits_leave(provider):
    factories.make_submitted_attempt(provider)
    found = the_place()
    assert (found.room, found.slots_held, found.calls_counted, found.closed) == (2, 1, 1, None)
    ProviderConfig.objects.update(max_per_minute=2)
    assert the_place().room == 1


CLOSED = {
    Closed.RATE_LIMITED: {"rate_limited_until": MINUTE, "rate_limited_reason": "busy"},
    Closed.BREAKER: {"breaker_until": MINUTE, "breaker_reason": "calls"},
    Closed.PROBING: {"breaker_until": -MINUTE, "breaker_reason": "calls", "probe_until": MINUTE},
}


@pytest.mark.parametrize("why", CLOSED, ids=str)
def test_a_closed_provider_is_skipped_and_its_opening_time_known(why, provider):
    now = timezone.now()
    ProviderConfig.objects.update(
        **{name: now + value if isinstance(value, timedelta) else value for name, value in CLOSED[why].items()}
    )
    found = the_place(now)
    assert (found.closed, found.room, found.opens_at) == (why, 0, now + MINUTE)
    assert selection.next_wakeup_at([found], now=now) == now + MINUTE


def test_after_a_rate_limit_there_is_room_for_one(provider):
    ProviderConfig.objects.update(rate_limited_until=timezone.now() - MINUTE)
    assert (the_place().room, the_place().closed) == (1, None)


def test_over_budget_until_midnight(provider):
    now = timezone.now()
    today = now.astimezone(UTC).date()
    ProviderConfig.objects.update(price=2, daily_budget=5, budget_used=4, budget_day=today)
    found = the_place(now)
    assert (found.closed, found.room) == (Closed.BUDGET, 0)
    assert found.opens_at.astimezone(UTC).date() == today + timedelta(days=1)
    assert the_place(now + timedelta(days=1)).closed is None


def test_a_full_minute_opens_when_its_oldest_call_is_a_minute_old(provider):
    ProviderConfig.objects.update(max_per_minute=2, max_concurrent=9)
    now = timezone.now()
    attempts = [factories.make_submitted_attempt(provider) for _ in range(2)]
    for attempt, age in zip(attempts, (50, 20), strict=True):
        Attempt.objects.filter(id=attempt.id).update(answered_at=now - timedelta(seconds=age))
    found = the_place(now)
    assert (found.closed, found.opens_at) == (Closed.CALLS, now + timedelta(seconds=10))
    ProviderConfig.objects.update(max_per_minute=1)
    assert the_place(now).opens_at == now + timedelta(seconds=40), "two have to grow old for one to fit"
    Attempt.objects.filter(id=attempts[1].id).update(answered_at=None)
    assert the_place(now).opens_at is None, "that hangs on an answer"


def test_a_provider_without_a_free_slot_has_no_opening_time(provider):
    ProviderConfig.objects.update(max_concurrent=1)
    factories.make_submitted_attempt(provider)
    assert (the_place().closed, the_place().opens_at) == (Closed.SLOTS, None)


def test_a_disabled_provider_is_not_there(provider):
    ProviderConfig.objects.update(enabled=False)
    assert selection.survey(now=timezone.now()) == []


def test_a_survey_takes_as_many_statements_for_five_as_for_one(provider, django_assert_num_queries):
    for number in range(4):
        factories.make_provider(slug=f"more-{number}")
    with django_assert_num_queries(3):
        selection.survey(now=timezone.now())


def learned(provider, *, cold, warm, worked_ago):
    StartTimes.objects.create(
        provider=provider,
        model=provider.model,
        samples={cold_starts.COLD_SIGN: [cold] * 5, cold_starts.WARM_SIGN: [warm] * 5},
        worked_at=timezone.now() - worked_ago,
    )


def test_a_model_is_cold_when_it_has_not_worked_for_a_while_and_cold_starts_matter(provider):
    learned(provider, cold=40.0, warm=2.0, worked_ago=MINUTE)
    assert (the_place().is_awake, the_place().is_warm) == (True, True)
    StartTimes.objects.update(worked_at=timezone.now() - 10 * MINUTE)
    assert (the_place().is_awake, the_place().is_warm) == (False, False)
    ProviderConfig.objects.update(warm_for=20 * MINUTE)
    assert the_place().is_warm
    ProviderConfig.objects.update(warm_for=MINUTE)
    StartTimes.objects.update(samples={cold_starts.COLD_SIGN: [2.5] * 5, cold_starts.WARM_SIGN: [2.0] * 5})
    assert (the_place().is_awake, the_place().is_warm) == (False, True), "half a second is no reason"


def test_before_anything_was_measured_the_adapter_says_whether_cold_starts_matter(provider, monkeypatch):
    assert the_place().is_warm
    monkeypatch.setattr("providers.adapters.studio.StudioAdapter.can_keep_warm", True)
    assert not the_place().is_warm


# --- From the lane -------------------------------------------------------------------------------


def taken_at(job):
    return Attempt.objects.filter(job=job).latest("number").provider.slug


def test_each_skipped_provider_leads_to_the_next(stub, work, db):
    names = ("disabled", "rate limited", "open breaker", "over budget", "full", "free", "last")
    rows = {name: factories.make_provider(stub.url, slug=name, order=number) for number, name in enumerate(names)}
    now = timezone.now()
    for name, values in {
        "disabled": {"enabled": False},
        "rate limited": {"rate_limited_until": now + MINUTE},
        "open breaker": {"breaker_until": now + MINUTE, "breaker_reason": "calls"},
        "over budget": {"price": 2, "daily_budget": 1},
        "full": {"max_concurrent": 1},
    }.items():
        ProviderConfig.objects.filter(id=rows[name].id).update(**values)
    full = ProviderConfig.objects.get(slug="full")
    factories.make_submitted_attempt(full)
    job = factories.make_waiting_job()
    work(Lane.DISPATCH)
    assert taken_at(job) == "free"


@pytest.fixture
def other_stub():
    """Another vendor, with an address of its own."""
    with StubProvider() as other:
        yield other


def test_while_one_waits_the_jobs_flow_on_to_the_next(stub, other_stub, work, db):
    first = factories.make_provider(stub.url, slug="first", title="FirstCloud", order=1, max_concurrent=5)
    factories.make_provider(other_stub.url, slug="second", title="SecondCloud", order=2, max_concurrent=50)
    jobs = [factories.make_waiting_job() for _ in range(12)]
    stub.next_submits(*[Refuse(429, retry_after="60")] * 12)
    work(Lane.DISPATCH)
    assert (stub.submits(), other_stub.submits()) == (5, 12), "one batch, and nothing while it is rate limited"
    refused = Job.objects.filter(attempts__error_code="busy").distinct()
    assert refused.count() == 5
    assert set(refused.values_list("reason_code", "reason_subject", "reason_target")) == {
        ("moved_busy", "FirstCloud", "SecondCloud")
    }
    assert {taken_at(job) for job in jobs} == {"second"}
    assert set(Attempt.objects.values_list("kind", flat=True)) == {"first"}, "being refused as busy is no try"
    first.refresh_from_db()
    assert first.consecutive_failures == 0


def test_what_the_plan_had_for_one_goes_to_another_that_may_take_it(stub, work, db):
    """All waiting jobs were failed by the first provider, which the plan prefers."""
    first = factories.make_provider(stub.url, slug="first", order=1)
    factories.make_provider(stub.url, slug="second", order=2)
    jobs = [factories.make_attempt(first).job for _ in range(3)]
    for attempt in Attempt.objects.all():
        lifecycle.mark_attempt_failed(attempt, code="provider_failed", raw_error="", now=timezone.now())
        lifecycle.return_to_queue(attempt.job_id, due_at=timezone.now(), now=timezone.now())
    work(Lane.DISPATCH)
    assert {taken_at(job) for job in jobs} == {"second"}


def test_a_provider_that_hangs_holds_no_more_threads_than_its_share(stub, monkeypatch, db):
    monkeypatch.setattr("jobs.lanes.dispatch.THREADS_PER_PROVIDER", 4)
    factories.make_provider(stub.url, slug="hangs", order=1, max_concurrent=50)
    factories.make_provider(stub.url, slug="other", order=2, max_concurrent=50)
    for _ in range(6):
        factories.make_waiting_job()
    lane = DispatchLane()
    taken = Counter(submission.attempt.provider.slug for submission in lane.claim(128))
    assert taken == {"hangs": 4, "other": 2}
    factories.make_waiting_job()
    (more,) = lane.claim(122)
    assert more.attempt.provider.slug == "other", "the four have not come back"


def test_the_lane_names_the_moment_of_its_next_wakeup(provider, stub):
    lane = DispatchLane()
    assert lane.claim(9) == []
    assert lane.next_wakeup_at is None, "no job waits"
    ProviderConfig.objects.update(rate_limited_until=timezone.now() + MINUTE)
    job = factories.make_waiting_job()
    assert lane.claim(9) == []
    assert 55 < lane.next_wakeup_at - time.monotonic() <= 60
    Job.objects.filter(id=job.id).update(due_at=timezone.now() + timedelta(seconds=20))
    assert lane.claim(9) == []
    assert 15 < lane.next_wakeup_at - time.monotonic() <= 20, "a job that waits out its backoff, not the provider"
    ProviderConfig.objects.update(rate_limited_until=None)
    Job.objects.filter(id=job.id).update(due_at=timezone.now())
    assert len(lane.claim(9)) == 1
    assert lane.next_wakeup_at is None
