"""What the product survives: a short storm, a Valkey emptied under load, workers killed with their hands full."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import timedelta

import pytest
import redis
from django.db.models import F

from jobs.models import Attempt, Job, Lane
from selfiehero.environment import PROJECT_DIR
from tests.chaos.load import small_photo
from tests.support.processes import wait_for
from tests.support.rig import CLOUDS, Rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]

ONE_LEASE = 60
NUDGED_AGAIN = 30
JOBS = 30


THOROUGH = pytest.mark.thorough


@pytest.mark.database
@pytest.mark.parametrize(("seed", "minutes"), [(381, 0.5), pytest.param(382, 3, marks=THOROUGH)])
def test_a_short_storm_breaks_no_law(seed, minutes):
    """Half a minute of `make chaos`, on the database that this pass is about: fewer faults, the same laws."""
    database = "postgres" if os.environ.get("DATABASE_URL") else "sqlite"
    argv = [sys.executable, "-m", "tests.chaos", "--seed", str(seed), "--minutes", str(minutes), "--database", database]
    ended = subprocess.run(argv, cwd=PROJECT_DIR, capture_output=True, text=True, timeout=400)
    print(ended.stdout)
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=THOROUGH)])
def test_many_jobs_survive_a_valkey_that_is_emptied_under_load(rig, count):
    for vendor in CLOUDS:
        rig.simulator.set(vendor, times={"answer": 0.05, "duration": 1.0})
        rig.add_provider(vendor, max_concurrent=10, silence=timedelta(seconds=5))
    rig.start_all(dispatch=2)
    rig.queue_jobs(count)
    with contextlib.closing(redis.Redis.from_url(rig.redis_url)) as client:
        for share in (count // 5, 2 * count // 5, 3 * count // 5):
            wait_for(
                lambda share=share: rig.jobs().filter(status=Job.Status.SUCCEEDED).count() >= share,
                f"{share} films",
                seconds=120,
            )
            client.flushall()
            wait_for(lambda: client.keys("nudge:*") or client.keys("wake:*"), "nudges to be back", seconds=NUDGED_AGAIN)
    rig.wait_until_final(seconds=180)
    rig.assert_each_has_one_film(count)
    rig.assert_no_slot_leaks()


@pytest.mark.parametrize(
    "lane",
    # In `make test` a dispatch worker dies twenty times in test_traffic_faults.
    [Lane.PREPARE, pytest.param(Lane.DISPATCH, marks=THOROUGH), Lane.COLLECT],
)
def test_what_a_killed_worker_held_moves_again_within_one_lease(rig, lane):
    """The worker is not started again: the others and reconcile have to do.

    A submit goes to Replicate here: a vendor that cannot be asked what came of it keeps its jobs until their webhook
    or the attempt's deadline (README, "A POST to a provider is made once").
    """
    slow_film = [{"fault": "slow", "seconds": 2}] if lane == Lane.COLLECT else []
    for vendor in ("replicate",) if lane == Lane.DISPATCH else CLOUDS:
        answer = 1.5 if lane == Lane.DISPATCH else 0.05
        rig.simulator.set(vendor, times={"answer": answer, "duration": 0.3}, faults={"film": slow_film})
        rig.add_provider(vendor, max_concurrent=10, silence=timedelta(seconds=2))
    rig.queue_jobs(JOBS, photo=small_photo())
    if lane == Lane.PREPARE:
        rig.jobs().update(lane=lane, stage=Job.Stage.ACCEPTED, raw_key=F("clean_key"), clean_key="")
    rig.start_all()
    worker = rig.start(lane) if lane == Lane.PREPARE else rig.alive(lane)[0]
    held = kill_with_full_hands(rig, worker, lane)

    def moved() -> bool:
        now = dict(rig.jobs().filter(id__in=list(held)).values_list("id", "seq"))
        return all(now[job_id] > seq for job_id, seq in held.items())

    wait_for(moved, f"{len(held)} jobs to move again", seconds=ONE_LEASE)
    rig.wait_until_final(seconds=180)
    rig.assert_each_has_one_film(JOBS)


def kill_with_full_hands(rig: Rig, worker: subprocess.Popen, lane: str) -> dict:
    """Kill a worker while it holds something and return what that was; one killed in between is started once more."""
    for _ in range(5):
        wait_for(lambda: in_hands(rig, lane), f"the {lane} worker to hold something", seconds=60, every=0.01)
        rig.kill(worker)
        if held := in_hands(rig, lane):
            return held
        worker = rig.start(lane)
    raise AssertionError("it was always killed between two pieces of work")


def in_hands(rig: Rig, lane: str) -> dict:
    """Return the jobs that the lane's worker is at work on, each with the number of its newest event."""
    if lane == Lane.DISPATCH:
        rows = rig.jobs().filter(attempts__status=Attempt.Status.SUBMITTING)
    else:
        rows = rig.jobs().filter(lane=lane).exclude(lease_token="")
    return dict(rows.values_list("id", "seq"))
