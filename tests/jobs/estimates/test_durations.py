"""How long films take, those under way counted in."""

from datetime import timedelta
from random import Random

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from jobs.estimates import durations
from jobs.models import Attempt, StartTimes
from jobs.routing import cold_starts
from tests import factories

GUESS = (60.0, 120.0)


def quantiles(films, under_way=()):
    return [durations._quantile(films, under_way, share, GUESS) for share in (0.5, 0.9)]


def test_before_anything_there_is_the_guess():
    assert quantiles([]) == pytest.approx(GUESS)
    assert quantiles([], [5.0, 30.0]) == pytest.approx(GUESS)


def test_what_is_under_way_for_long_says_that_the_guess_was_too_short():
    median, slow = quantiles([], [200.0] * 20)
    assert median >= 200
    assert slow > median


def test_the_first_to_come_back_are_the_fastest_and_are_not_believed_alone():
    """A hundred films begun together; after 40 seconds a quarter is there."""
    chance = Random(4)
    all_films = [50 * chance.lognormvariate(0, 0.3) for _ in range(100)]
    there = [seconds for seconds in all_films if seconds <= 40]
    assert 15 < len(there) < 40
    alone = sorted(there)[len(there) // 2]
    median, slow = quantiles(there, [40.0] * (100 - len(there)))
    assert alone < 38
    assert median > 40
    truth = sorted(all_films)
    assert median < truth[50] * 1.6
    assert slow > truth[70]


def test_when_all_have_come_back_it_is_what_was_measured():
    films = [float(number) for number in range(1, 101)]
    assert quantiles(films) == [50.0, 90.0]
    assert quantiles(films, [0.5] * 50) == [50.0, 90.0], "who has just begun says nothing yet"


@given(
    films=st.lists(st.floats(0.1, 1000), max_size=60),
    under_way=st.lists(st.floats(0, 1000), max_size=60),
)
def test_a_quantile_is_a_time_and_the_slow_one_is_no_sooner(films, under_way):
    median, slow = quantiles(films, under_way)
    assert median > 0
    assert slow >= median * 0.999


@pytest.mark.django_db
def test_tries_that_fail_take_places_too(provider):
    now = timezone.now()
    for number in range(12):
        attempt = factories.make_submitted_attempt(provider)
        begun = now - timedelta(seconds=100)
        outcome = {"status": "failed", "error_code": "failed"} if number % 3 == 0 else {"status": "succeeded"}
        Attempt.objects.filter(id=attempt.id).update(
            claimed_at=begun, finished_at=begun + timedelta(seconds=10), slot_held=False, **outcome
        )
    its = durations.measure([provider], {}, now=now).by_provider[provider.id]
    assert (its.median, its.count, its.failing) == (10.0, 8, pytest.approx(1 / 3))
    assert its.slot_seconds == pytest.approx(15.0)
    later = durations.measure([provider], {}, now=now + timedelta(hours=2)).by_provider[provider.id]
    assert later.count == 0, "of the last hour only"


@pytest.mark.django_db
def test_films_that_took_no_time_by_a_clock_that_was_set_back_are_estimated_all_the_same(provider):
    StartTimes.objects.create(
        provider=provider,
        model="",
        warm_count=12,
        samples={cold_starts.WARM_FILM: [0.0] * 12, cold_starts.WARM_SIGN: [0.0]},
    )
    its = durations.measure([provider], {}, now=timezone.now()).by_provider[provider.id]
    assert its.median == durations.LEAST_SECONDS
    assert its.doubt >= 1
