"""Limits against the simulator, with real processes: exact, used up, and asked about once when they are refused."""

from __future__ import annotations

import itertools
import random
import threading
import time
from datetime import timedelta

import pytest

from jobs.models import Attempt
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.mark.parametrize(("workers", "jobs"), [(6, 60), pytest.param(16, 300, marks=pytest.mark.thorough)])
def test_workers_that_die_at_random_never_exceed_a_limit_of_three(rig, workers, jobs):
    rig.simulator.set("wavespeed", times={"answer": 0.1, "duration": 0.05}, limits={"concurrent": 3, "strict": True})
    rig.add_provider("wavespeed", max_concurrent=3, submit_timeout=timedelta(seconds=1), silence=timedelta(seconds=2))
    rig.queue_jobs(jobs)
    rig.start_all(dispatch=workers, collect=1, reconcile=2)
    dice, stop, kills = random.Random(3), threading.Event(), []

    def kill_at_random() -> None:
        while not stop.wait(dice.uniform(10, 20) / workers):
            victim = dice.choice(rig.alive("dispatch")[: workers // 2])  # the younger half may be starting still
            rig.kill(victim)
            kills.append(victim.pid)
            rig.start("dispatch")

    killer = threading.Thread(target=kill_at_random)
    killer.start()
    try:
        rig.wait_until_final(seconds=240)
    finally:
        stop.set()
        killer.join()
    state = rig.simulator.state("wavespeed")
    assert len(kills) >= jobs / 30
    assert state["most_open"] <= 3
    assert state["refused"] == {}
    rig.assert_each_has_one_film(jobs)
    rig.assert_no_slot_leaks()


@pytest.mark.parametrize(("windows", "most"), [(1, 120), pytest.param(2, 600, marks=pytest.mark.thorough)])
def test_limits_per_minute_are_used_and_never_exceeded(rig, windows, most):
    limits = {"wavespeed": 5, "replicate": 60, "fal": most}
    for vendor, per_minute in limits.items():
        rig.simulator.set(vendor, times={"answer": 0.3, "duration": 0.1}, limits={"per_minute": per_minute})
        rig.add_provider(vendor, max_concurrent=1000, max_per_minute=per_minute, order=10)
    rig.queue_jobs(sum(limits.values()) * (windows + 1))
    rig.start_all(dispatch=4, collect=2, reconcile=1)
    # The first minute's calls go out at once; the next batch is under way when so many windows are over.
    wait_for(
        lambda: all(rig.simulator.state(vendor)["submits"] > windows * limit for vendor, limit in limits.items()),
        "another window at each provider",
        seconds=windows * 60 + 60,
        every=1.0,
    )
    for vendor, limit in limits.items():
        arrivals = rig.simulator.arrivals(vendor)
        summary = rig.simulator.state(vendor)
        assert summary["most_submits_in_window"] <= limit, vendor
        assert summary["refused"] == {}, vendor
        # What was sent in these windows and the moment it took to open the next, against the limit.
        elapsed = arrivals[windows * limit] - arrivals[0]
        assert windows * 60 / elapsed >= 0.9, (vendor, elapsed)


@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.thorough)])
def test_a_provider_that_says_429_to_everything_is_asked_once_per_retry_after(rig, seconds):
    rig.simulator.set(
        "wavespeed", faults={"submit": [{"fault": "busy", "retry_after": "seconds", "seconds": 5, "between": [0, 600]}]}
    )
    for vendor in ("replicate", "fal"):
        rig.simulator.set(vendor, times={"answer": 0.05, "duration": 0.2})
    rig.add_provider("wavespeed", max_concurrent=10, order=1)
    rig.add_provider("replicate", max_concurrent=5, order=2)
    rig.add_provider("fal", max_concurrent=5, order=3)
    rig.start_all(dispatch=4, collect=1, reconcile=1)
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        rig.queue_jobs(5)
        time.sleep(1)
    rig.wait_until_final(seconds=60)
    arrivals = rig.simulator.arrivals("wavespeed")
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals)]
    # The first time a worker may have sent up to its limit before the first refusal came back.
    first = sum(1 for moment in arrivals if moment - arrivals[0] < 1)
    assert first <= 10
    assert len(arrivals) - first <= seconds / 5 + 1
    assert min(gaps[first - 1 :]) >= 5
    count = rig.jobs().count()
    rig.assert_each_has_one_film(count)
    assert not rig.attempts().filter(provider__slug="wavespeed", status=Attempt.Status.SUCCEEDED).exists()
