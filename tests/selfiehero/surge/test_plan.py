"""As many people come as the plan says, and when."""

from __future__ import annotations

import pytest

from selfiehero.surge.plan import Plan


def test_the_spike_is_held_at_its_rate() -> None:
    plan = Plan(peak=5000 / 60, calm_seconds=10, ramp_seconds=20, hold_seconds=60, back_seconds=20)
    arrivals = list(plan.arrivals())
    held = [at for at in arrivals if 30 <= at < 90]
    assert len(held) == pytest.approx(5000, rel=0.01)
    assert len(arrivals) == pytest.approx(5000 + 2 * 20 * 5000 / 60 / 2, rel=0.02)
    assert arrivals == sorted(arrivals)
    assert not [at for at in arrivals if at < 10]


def test_nobody_comes_after_the_end() -> None:
    plan = Plan(peak=10, hold_seconds=5)
    assert plan.rate_at(plan.seconds + 1) == 0
    assert max(plan.arrivals()) < plan.seconds
