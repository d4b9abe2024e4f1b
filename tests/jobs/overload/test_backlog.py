"""How old the backlog is: capacity is what left while somebody waited, and nothing else."""

from __future__ import annotations

import pytest

from jobs.overload.backlog import FORGOTTEN_SECONDS, Backlog, BacklogMeter


def observe(meter: BacklogMeter, *, start: int, seconds: int, waiting: int, left: int) -> Backlog:
    """Return the last of so many observations, one a second."""
    for second in range(seconds):
        found = meter.observe(at=start + second, waiting=waiting, left=left)
    return found


def test_a_quiet_evening_has_no_backlog() -> None:
    assert observe(BacklogMeter(), start=0, seconds=100, waiting=0, left=1) == (0, None, 0.0)


def test_a_burst_after_a_quiet_evening_is_no_overload_before_anything_was_measured() -> None:
    meter = BacklogMeter()
    observe(meter, start=0, seconds=300, waiting=0, left=0)
    found = observe(meter, start=300, seconds=9, waiting=50_000, left=10)
    assert found.capacity is None
    assert found.seconds < 10


def test_the_age_is_what_waits_over_what_leaves() -> None:
    found = observe(BacklogMeter(), start=0, seconds=30, waiting=600, left=20)
    assert found.capacity == pytest.approx(20, rel=0.1)
    assert found.seconds == pytest.approx(30, rel=0.1)


def test_one_film_every_twelve_seconds_is_a_rate_too() -> None:
    meter = BacklogMeter()
    for second in range(300):
        found = meter.observe(at=second, waiting=100, left=int(second % 12 == 0))
    assert found.capacity == pytest.approx(5 / 60, rel=0.1)
    assert found.seconds == pytest.approx(1200, rel=0.1)


def test_what_leaves_while_nobody_waits_long_is_demand_and_not_capacity() -> None:
    meter = BacklogMeter()
    for second in range(300):
        meter.observe(at=second, waiting=second % 2, left=1)
    assert meter.observe(at=300, waiting=1000, left=1).capacity is None


def test_during_an_outage_what_was_measured_before_counts_and_then_the_time_it_lasts() -> None:
    meter = BacklogMeter()
    observe(meter, start=0, seconds=60, waiting=100, left=10)
    found = observe(meter, start=60, seconds=20, waiting=200, left=0)
    assert found.capacity == pytest.approx(10, rel=0.5)
    assert 20 <= found.seconds <= 45
    found = observe(meter, start=80, seconds=1000, waiting=200, left=0)
    assert found.capacity is None
    assert found.seconds >= 1000


def test_more_capacity_is_seen_within_a_minute() -> None:
    meter = BacklogMeter()
    observe(meter, start=0, seconds=400, waiting=1000, left=1)
    found = observe(meter, start=400, seconds=30, waiting=1000, left=80)
    assert found.capacity == pytest.approx(80, rel=0.1)


def test_capacity_is_forgotten_after_a_quiet_time() -> None:
    meter = BacklogMeter()
    observe(meter, start=0, seconds=60, waiting=100, left=10)
    assert meter.observe(at=59 + FORGOTTEN_SECONDS, waiting=0, left=0).capacity
    assert meter.observe(at=61 + FORGOTTEN_SECONDS, waiting=0, left=0).capacity is None
