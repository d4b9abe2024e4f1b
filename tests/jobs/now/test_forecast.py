"""When the queue is empty, by arithmetic that can be done by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from jobs.now.forecast import Drain, capacity, film_seconds
from jobs.rollups import ProviderFlow, histograms
from providers.models import ProviderConfig

NOW = datetime(2026, 11, 30, 21, 32, tzinfo=UTC)


def provider(**values) -> ProviderConfig:
    return ProviderConfig(adapter="wavespeed", enabled=True, max_concurrent=30, max_per_minute=600, **values)


def flow(seconds: float = 40.0, **values) -> ProviderFlow:
    return ProviderFlow(films=histograms.of([seconds] * 20), succeeded=20, **values)


def test_a_queue_that_shrinks_is_empty_when_its_last_job_is_taken() -> None:
    drain = Drain(waiting=1240, coming=53, going=74)
    assert drain.minutes == pytest.approx(1240 / 21)
    assert drain.empty_at(now=NOW) == NOW + timedelta(minutes=1240 / 21)
    assert drain.waiting_after(15) == 1240 - 15 * 21
    assert drain.points()[0] == (0, 1240)
    assert drain.points(most=100)[-1] == (60, 0)


def test_a_queue_that_grows_is_never_empty_and_an_empty_one_is_so_now() -> None:
    assert Drain(10, coming=60, going=60).empty_at(now=NOW) is None
    assert Drain(10_000_000, coming=0, going=1).empty_at(now=NOW) is None
    assert Drain(0, coming=60, going=10).minutes == 0
    assert len(Drain(10, coming=60, going=10).points()) == 61


def test_slots_deliver_by_how_long_a_film_takes() -> None:
    # 30 slots, 40 seconds a film: 45 a minute.
    assert capacity(provider(), flow(), now=NOW) == pytest.approx(45, rel=0.03)
    assert capacity(provider(), flow(), now=NOW, max_concurrent=60) == pytest.approx(90, rel=0.03)


def test_no_more_films_than_calls_are_allowed_and_only_those_that_succeed() -> None:
    few = provider()
    few.max_per_minute = 12
    assert capacity(few, flow(), now=NOW) == 12
    assert capacity(few, flow(failed=20), now=NOW) == 6


def test_a_provider_that_refuses_delivers_what_it_delivered_and_a_closed_one_nothing() -> None:
    assert capacity(provider(), flow(refused=38, finished=15), now=NOW) == 15
    closed = provider(breaker_until=NOW + timedelta(minutes=1), breaker_reason="films")
    assert capacity(closed, flow(), now=NOW) == 0
    assert capacity(provider(rate_limited_until=NOW + timedelta(minutes=1)), flow(), now=NOW) == 0


def test_before_films_are_measured_their_duration_is_a_guess() -> None:
    assert film_seconds(provider(), ProviderFlow()) == 120
    assert film_seconds(provider(), flow(40)) == pytest.approx(40, rel=0.03)
