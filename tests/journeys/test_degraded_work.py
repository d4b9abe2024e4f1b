"""The work goes on without Redis, through FLUSHALL, and when workers are killed or told to end."""

from __future__ import annotations

import contextlib
import signal
import statistics
import time
from functools import partial

import pytest
import redis

from jobs.models import Attempt, Heartbeat, Job, Lane
from tests.journeys.conftest import PHOTO
from tests.journeys.test_degraded_redis import OFTEN
from tests.journeys.visitor import Visitor
from tests.support.processes import wait_for
from tests.support.rig import ALIAS, Rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_without_redis_from_the_start_reconcile_makes_every_film(tmp_path, django_db_blocker) -> None:
    count = 20
    with django_db_blocker.unblock(), Rig(tmp_path, REDIS_URL="redis://127.0.0.1:1/0", **OFTEN) as rig:
        rig.simulator.set("replicate", times={"answer": 0.05, "duration": 0.5})
        rig.collect_static()
        rig.add_provider("replicate", max_concurrent=20)
        rig.start_all(dispatch=0, collect=0)
        visitor = Visitor(rig.url)
        sent = [visitor.send(PHOTO) for _ in range(count)]
        assert {answer.status_code for answer in sent} == {202}
        rig.wait_until_final(seconds=150)
        rig.assert_each_has_one_film(count)
        waits = sorted((job.finished_at - job.created_at).total_seconds() for job in rig.jobs())
        middle = statistics.median(waits)
        print(f"without Redis {count} films by reconcile: wait p50 {middle:.1f} s, last {waits[-1]:.1f} s")
        assert rig.tracebacks() == []


@pytest.mark.thorough  # with fewer jobs: test_storm
def test_flushall_under_load_loses_no_job_and_nudges_are_back(tmp_path, django_db_blocker) -> None:
    count = 500
    with django_db_blocker.unblock(), Rig(tmp_path) as rig:
        rig.simulator.set("wavespeed", times={"answer": 0.05, "duration": 0.2})
        rig.add_provider("wavespeed", max_concurrent=60)
        rig.queue_jobs(count)
        rig.start_all()
        client = redis.Redis.from_url(rig.valkey.url, socket_timeout=5)
        back_after = []
        with contextlib.closing(client):
            for share in (0.05, 0.3, 0.6):
                done = int(count * share)
                wait_for(
                    lambda done=done: rig.jobs().filter(status=Job.Status.SUCCEEDED).count() >= done,
                    f"{done} films",
                    seconds=120,
                )
                client.flushall()
                flushed_at = time.monotonic()
                nudges = ("nudge:dispatch", "nudge:collect", "wake:dispatch", "wake:collect")
                wait_for(partial(client.exists, *nudges), "nudges to be back", seconds=30, every=0.01)
                back_after.append(time.monotonic() - flushed_at)
        rig.wait_until_final(seconds=180)
        rig.assert_each_has_one_film(count)
        print(f"nudges back after FLUSHALL: {', '.join(f'{seconds:.2f} s' for seconds in back_after)}")


class HandsFull:
    """Three workers, each with claims in hand: a film on its way, POSTs under way, a photo in the sandbox."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.held: dict[str, list[str]] = {}
        rig.simulator.set("replicate", times={"answer": 2.5, "duration": 0.2})
        rig.simulator.set("fal", times={"answer": 0.05, "duration": 0.2}, faults={"film": ["hang"]})
        rig.collect_static()
        rig.add_provider("fal", max_concurrent=2, order=1)
        rig.start_all(reconcile=0)
        rig.queue_jobs(2)
        rig.start("reconcile")
        wait_for(lambda: self.claims(Lane.COLLECT), "a film to be on its way", seconds=60)
        rig.update_provider("fal", enabled=False)
        rig.start("prepare")
        visitor = Visitor(rig.url)
        wait_for(lambda: "worker-prepare" in self.beating(), "the prepare worker", seconds=30)
        rig.add_provider("replicate", max_concurrent=10)
        rig.queue_jobs(3)
        self.submitting = rig.attempts().filter(provider__slug="replicate", status=Attempt.Status.SUBMITTING)
        wait_for(self.submitting.exists, "a POST to be under way", seconds=30, every=0.02)
        for _ in range(4):
            assert visitor.send(PHOTO).status_code == 202
        wait_for(lambda: self.claims(Lane.PREPARE), "a photo to be in the sandbox", seconds=30, every=0.005)
        self.held[Lane.DISPATCH] = list(self.submitting.values_list("lease_token", flat=True))

    def beating(self) -> set[str]:
        return set(Heartbeat.objects.using(ALIAS).values_list("name", flat=True))

    def claims(self, lane: str) -> list[str]:
        rows = self.rig.jobs().filter(lane=lane).exclude(lease_token="")
        self.held[lane] = list(rows.values_list("lease_token", flat=True))
        return self.held[lane]

    def has_moved(self, lane: str) -> bool:
        """Whether nothing is held any more by those who held it."""
        if lane == Lane.DISPATCH:
            return not self.submitting.filter(lease_token__in=self.held[lane]).exists()
        return not self.rig.jobs().filter(lane=lane, lease_token__in=self.held[lane]).exists()

    def cure(self) -> None:
        for vendor in ("fal", "replicate"):
            self.rig.simulator.set(vendor, times={"answer": 0.05, "duration": 0.2})

    def replace_workers(self) -> None:
        for name in Lane.values:
            self.rig.start(name)


@pytest.mark.thorough  # one lane at a time: test_storm
def test_killed_workers_give_up_what_they_held_within_a_lease(tmp_path, django_db_blocker) -> None:
    """All at once; others go on with the same jobs."""
    with django_db_blocker.unblock(), Rig(tmp_path, **OFTEN) as rig:
        hands = HandsFull(rig)
        killed_at = time.monotonic()
        for name in Lane.values:
            for process in rig.alive(name):
                rig.kill(process)
        hands.cure()
        hands.replace_workers()
        moved: dict[str, float] = {}
        while len(moved) < 3 and time.monotonic() - killed_at < 60:
            for lane in set(Lane.values) - set(moved):
                if hands.has_moved(lane):
                    moved[lane] = time.monotonic() - killed_at
            time.sleep(0.05)
        print("moves again after kill -9: " + ", ".join(f"{lane} {seconds:.1f} s" for lane, seconds in moved.items()))
        assert set(moved) == set(Lane.values), rig.describe()
        rig.wait_until_final(seconds=120)
        rig.assert_each_has_one_film(9)


def test_workers_told_to_end_finish_or_give_back_and_leave_nothing_unconfirmed(tmp_path, django_db_blocker) -> None:
    with django_db_blocker.unblock(), Rig(tmp_path, **OFTEN) as rig:
        hands = HandsFull(rig)
        told = [process for name in (*Lane.values, "reconcile") for process in rig.alive(name)]
        for process in told:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(20) for process in told]
        assert codes == [0] * len(told), rig.describe()
        assert [lane for lane in Lane.values if not hands.has_moved(lane)] == [], "no lease has to lapse"
        assert not rig.attempts().filter(status__in=["submitting", "unconfirmed"]).exists()
        assert not rig.jobs().exclude(lane="").exclude(lease_token="").exists()
        hands.cure()
        hands.replace_workers()
        rig.start("reconcile")
        rig.wait_until_final(seconds=120)
        rig.assert_each_has_one_film(9)
        assert rig.simulator.accepted() == 9, "nothing was paid twice"
        assert rig.tracebacks() == []
