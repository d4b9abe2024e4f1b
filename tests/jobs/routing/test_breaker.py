"""Whether a provider is asked at all: breakers, waits and probes."""

import random
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job, Lane
from jobs.queue import claims
from jobs.routing import breaker
from jobs.routing.breaker import HealthSignal, Observation
from providers.models import ProviderConfig
from tests import factories
from tests.jobs.threads import in_threads
from tests.stub_provider import LOSE_ANSWER, Refuse

pytestmark = [pytest.mark.django_db, pytest.mark.database]

SECOND = timedelta(seconds=1)


class Story:
    """A provider's row without a database, told observation by observation."""

    def __init__(self, **values):
        self.provider = ProviderConfig(slug="told", **values)
        self.now = timezone.now()
        self.chance = random.Random(7)

    def hears(self, *verdicts, claimed=None, **details):
        for verdict in verdicts:
            observation = Observation(1, verdict, claimed or self.now, **details)
            self.now += timedelta(milliseconds=1)
            breaker.judge(self.provider, observation, now=self.now, chance=self.chance)
        return self

    def waits(self, length):
        self.now += length
        return self

    def waits_until_open(self):
        until = self.provider.blocked_until(now=self.now)
        assert until is not None
        self.now = until
        return until

    @property
    def state(self):
        return self.provider.breaker_state(now=self.now).value

    @property
    def allowance(self):
        return breaker.allowance(self.provider, now=self.now)


# --- The breaker ---------------------------------------------------------------------------------


def test_it_opens_after_so_many_failed_calls_in_a_row():
    story = Story().hears(
        HealthSignal.FAILED, HealthSignal.FAILED, HealthSignal.ANSWERED, HealthSignal.FAILED, HealthSignal.FAILED
    )
    assert (story.state, story.allowance) == ("closed", None)
    story.hears(HealthSignal.FAILED, error="HTTP 503: sorry")
    assert (story.state, story.allowance) == ("open", 0)
    assert (story.provider.breaker_reason, story.provider.last_error) == ("calls", "HTTP 503: sorry")


def test_it_opens_after_so_many_spoiled_films_though_every_call_was_answered():
    story = Story()
    for _ in range(breaker.FILMS_UNTIL_OPEN - 1):
        story.hears(HealthSignal.ANSWERED, HealthSignal.SPOILED)
    assert story.state == "closed"
    story.hears(HealthSignal.ANSWERED, HealthSignal.SPOILED)
    assert (story.state, story.provider.breaker_reason) == ("open", "films")


def test_a_film_in_between_starts_the_count_anew():
    story = Story()
    for _ in range(3 * breaker.FILMS_UNTIL_OPEN):
        story.hears(HealthSignal.SPOILED, HealthSignal.SPOILED, HealthSignal.FINISHED)
    assert story.state == "closed"


def test_trouble_with_our_account_opens_it_at_once_and_for_minutes():
    story = Story().hears(HealthSignal.ACCOUNT)
    assert (story.state, story.provider.breaker_reason) == ("open", "account")
    assert story.provider.breaker_until - story.now >= breaker.ACCOUNT_OPEN - SECOND


def test_half_open_one_call_goes_out_and_a_good_one_closes_the_breaker():
    story = Story().hears(*[HealthSignal.FAILED] * 3)
    story.waits_until_open()
    assert (story.state, story.allowance) == ("half open", 1)
    story.provider.probe_until = story.now + SECOND
    assert story.allowance == 0
    story.waits(SECOND)
    assert story.allowance == 1, "a probe whose worker died does not block the provider for ever"
    story.hears(HealthSignal.ANSWERED)
    assert (story.state, story.allowance, story.provider.blocked_at) == ("closed", None, None)


def test_a_bad_probe_opens_it_again_for_longer_up_to_a_cap():
    longest = []
    for seed in range(60):
        story = Story()
        story.chance = random.Random(seed)
        story.hears(*[HealthSignal.FAILED] * 3)
        lengths = []
        for _ in range(10):
            lengths.append(story.waits_until_open() - story.provider.blocked_at)
            story.waits(timedelta(milliseconds=5)).hears(HealthSignal.FAILED)
            assert story.state == "open"
        assert all(breaker.OPEN_AT_LEAST <= length <= breaker.OPEN_CAP for length in lengths)
        longest.append(lengths)
    ceilings = [max(lengths[number] for lengths in longest) for number in range(10)]
    assert ceilings[0] <= breaker.OPEN_FIRST < ceilings[2] < ceilings[5]
    assert len({lengths[5] for lengths in longest}) > 50, "random, so that installations do not come back together"


def test_opened_by_films_only_a_finished_film_closes_it():
    story = Story().hears(*[HealthSignal.SPOILED] * breaker.FILMS_UNTIL_OPEN)
    story.waits_until_open()
    story.waits(SECOND).hears(HealthSignal.ANSWERED)
    assert story.state == "half open"
    ends = breaker.probe_ends_at(story.provider, lease_until=story.now, deadline_at=story.now + timedelta(minutes=5))
    assert ends > story.now + timedelta(minutes=5), "no other probe before that film is known"
    story.hears(HealthSignal.FINISHED)
    assert story.state == "closed"


def test_calls_that_were_under_way_when_it_opened_say_nothing_about_opening_again():
    story = Story()
    before = story.now
    story.hears(*[HealthSignal.FAILED] * 3, claimed=before)
    until = story.provider.breaker_until
    story.hears(*[HealthSignal.FAILED] * 20, HealthSignal.ANSWERED, HealthSignal.FINISHED, claimed=before)
    assert (story.state, story.provider.breaker_until, story.provider.breaker_openings) == ("open", until, 1)


def test_a_call_that_was_never_made_gives_the_probe_back():
    story = Story().hears(*[HealthSignal.FAILED] * 3)
    story.waits_until_open()
    story.provider.probe_until = story.now + timedelta(minutes=1)
    story.waits(SECOND).hears(HealthSignal.UNUSED)
    assert (story.state, story.allowance) == ("half open", 1)


def test_the_address_of_a_photo_is_not_kept_with_an_error():
    story = Story().hears(HealthSignal.FAILED, error='HTTP 400: cannot fetch "https://hero.example/media/x?sig=abc"')
    assert story.provider.last_error == 'HTTP 400: cannot fetch "(address)"'


# --- Waits ---------------------------------------------------------------------------------------


def test_a_rate_limit_lasts_as_long_as_was_asked_for_and_is_no_failure():
    story = Story().hears(HealthSignal.BUSY, retry_after=7 * SECOND)
    assert story.provider.rate_limited_until == story.now + 7 * SECOND
    assert (story.state, story.allowance, story.provider.consecutive_failures) == ("closed", 0, 0)
    story.waits(7 * SECOND)
    assert story.allowance == 1, "one call first: sixty at once would be sixty more 429s"
    story.hears(HealthSignal.ANSWERED)
    assert (story.allowance, story.provider.rate_limited_until) == (None, None)


def test_a_batch_of_429s_is_one_wait_and_the_longest_counts():
    story = Story()
    claimed = story.now
    story.hears(HealthSignal.BUSY, claimed=claimed, retry_after=2 * SECOND)
    story.hears(*[HealthSignal.BUSY] * 63, claimed=claimed, retry_after=SECOND)
    story.hears(HealthSignal.BUSY, claimed=claimed, retry_after=9 * SECOND)
    story.hears(*[HealthSignal.BUSY] * 5, claimed=claimed)
    assert story.provider.rate_limits_in_row == 1
    assert story.provider.rate_limited_until == story.now - timedelta(milliseconds=5) + 9 * SECOND


def test_without_being_told_how_long_the_wait_doubles_up_to_a_cap():
    lengths = []
    story = Story()
    for _ in range(9):
        story.hears(HealthSignal.BUSY)
        lengths.append((story.waits_until_open() - story.provider.blocked_at).total_seconds())
        story.waits(timedelta(milliseconds=5))
    caps = [min(60.0, 2.0 * 2**number) for number in range(9)]
    assert all(cap / 2 <= length <= cap for length, cap in zip(lengths, caps, strict=True))
    story.hears(HealthSignal.ANSWERED, HealthSignal.BUSY)
    assert story.provider.rate_limited_until - story.now <= 2 * SECOND, "and starts anew after a good call"


def test_of_rate_limit_and_breaker_the_later_end_wins():
    story = Story().hears(*[HealthSignal.FAILED] * 3)
    story.provider.breaker_until = story.now + 4 * SECOND
    story.provider.rate_limited_until = story.now + 9 * SECOND
    assert story.waits(5 * SECOND).allowance == 0
    assert story.waits(5 * SECOND).allowance == 1
    story.provider.rate_limited_until = story.now + 2 * SECOND
    story.provider.breaker_until = story.now + 20 * SECOND
    assert story.waits(5 * SECOND).allowance == 0


def test_a_failure_with_a_retry_after_is_both():
    story = Story().hears(HealthSignal.FAILED, retry_after=20 * SECOND)
    assert (story.provider.consecutive_failures, story.provider.rate_limited_reason) == (1, "asked to wait")
    assert story.waits(19 * SECOND).allowance == 0


def test_a_disabled_provider_is_not_asked():
    assert Story(enabled=False).allowance == 0


# --- In the database -----------------------------------------------------------------------------


def test_successes_of_a_healthy_provider_cost_no_write(provider, django_assert_num_queries):
    found = [
        Observation(provider.id, verdict, timezone.now()) for verdict in (HealthSignal.ANSWERED, HealthSignal.FINISHED)
    ]
    with django_assert_num_queries(1):
        breaker.write(found * 50)


def test_observations_are_written_provider_by_provider(provider):
    other = factories.make_provider(slug="other")
    now = timezone.now()
    breaker.write(
        [
            *[Observation(provider.id, HealthSignal.FAILED, now)] * 3,
            Observation(other.id, HealthSignal.BUSY, now, retry_after=5 * SECOND),
        ]
    )
    provider.refresh_from_db()
    other.refresh_from_db()
    assert (provider.breaker_reason, provider.rate_limited_until) == ("calls", None)
    assert (other.breaker_until, other.rate_limited_reason) == (None, "busy")


def half_open(provider):
    past = timezone.now() - SECOND
    ProviderConfig.objects.filter(id=provider.id).update(breaker_until=past, breaker_reason="calls", blocked_at=past)


@pytest.mark.django_db(transaction=True)
def test_exactly_one_worker_probes(stub):
    provider = factories.make_provider(stub.url, max_concurrent=50)
    half_open(provider)
    for _ in range(20):
        factories.make_waiting_job()
    assert sum(len(taken) for taken in in_threads(8, lambda _: claims.claim_slots(provider.id, want=10))) == 1
    assert claims.claim_slots(provider.id, want=10) == []
    breaker.write([Observation(provider.id, HealthSignal.ANSWERED, timezone.now())])
    assert len(claims.claim_slots(provider.id, want=10)) == 10


@pytest.mark.django_db(transaction=True)
def test_failures_that_are_written_at_once_are_all_counted(stub):
    provider = factories.make_provider(stub.url)
    found = [Observation(provider.id, HealthSignal.FAILED, timezone.now())]
    in_threads(2, lambda _: breaker.write(found))
    provider.refresh_from_db()
    assert (provider.consecutive_failures, provider.breaker_reason) == (2, "")
    breaker.write(found)
    provider.refresh_from_db()
    assert provider.breaker_reason == "calls"


# --- From the lane -------------------------------------------------------------------------------


def test_after_a_wait_one_submit_goes_first_and_when_it_is_refused_no_other(stub, work, db):
    provider = factories.make_provider(stub.url, max_concurrent=20)
    for _ in range(10):
        factories.make_waiting_job()
    stub.next_submits(*[Refuse(429, retry_after="30")] * 12)
    work(Lane.DISPATCH)
    assert stub.submits() == 10, "the first batch was under way"
    for number in (1, 2):
        past = timezone.now() - SECOND
        ProviderConfig.objects.filter(id=provider.id).update(rate_limited_until=past, blocked_at=past)
        work(Lane.DISPATCH)
        assert stub.submits() == 10 + number
    past = timezone.now() - SECOND
    ProviderConfig.objects.filter(id=provider.id).update(rate_limited_until=past, blocked_at=past)
    work(Lane.DISPATCH)
    assert stub.submits() == 12 + 10, "a good probe opens for all"
    assert not Job.objects.filter(lane=Lane.DISPATCH).exists()


def test_lost_answers_count_as_failures(stub, work, db):
    factories.make_provider(stub.url)
    stub.hide_from_listing = True
    for _ in range(3):
        factories.make_waiting_job()
    stub.next_submits(*[LOSE_ANSWER] * 3)
    work(Lane.DISPATCH)
    assert ProviderConfig.objects.get().breaker_reason == "calls"


def test_a_refused_request_is_an_answer(provider, stub, work):
    factories.make_waiting_job()
    ProviderConfig.objects.update(consecutive_failures=2)
    stub.next_submits(Refuse(422))
    work(Lane.DISPATCH)
    assert ProviderConfig.objects.get().consecutive_failures == 0


def test_films_that_fail_one_after_the_other_open_the_breaker(provider, stub, work, deliver):
    for _ in range(breaker.FILMS_UNTIL_OPEN):
        factories.make_waiting_job()
        Job.objects.filter(lane=Lane.DISPATCH).update(due_at=timezone.now())
        work(Lane.DISPATCH)
        deliver(stub.delivery(stub.last.fail()))
        work(Lane.COLLECT)
        Job.objects.filter(lane=Lane.DISPATCH).update(lane="prepare")
    assert ProviderConfig.objects.get().breaker_reason == "films"


def test_photos_without_a_face_say_nothing_against_a_provider(provider, stub, work, deliver):
    for _ in range(breaker.FILMS_UNTIL_OPEN + 1):
        factories.make_waiting_job()
        work(Lane.DISPATCH)
        deliver(stub.delivery(stub.last.fail("no_face")))
        work(Lane.COLLECT)
    row = ProviderConfig.objects.get()
    assert (row.breaker_reason, row.spoiled_films) == ("", 0)
    assert Attempt.objects.filter(error_code="no_face").count() == breaker.FILMS_UNTIL_OPEN + 1
