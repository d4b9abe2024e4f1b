"""The reconcile process: ticks, nudges, lanes without a worker."""

import threading
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from jobs.lanes import polling, pumps
from jobs.models import Attempt, Heartbeat, Job, Lane
from jobs.queue import queues
from jobs.reconcile import sweep
from tests import factories
from tests.support.processes import wait_for

pytestmark = pytest.mark.django_db
SOON = timedelta(seconds=30)


# --- The process ---------------------------------------------------------------------------------


def test_a_tick_goes_on_when_a_step_fails(reconciler, provider, monkeypatch):
    job = factories.make_job(deadline_at=timezone.now())
    attempt = factories.make_attempt(provider)
    Attempt.objects.filter(id=attempt.id).update(lease_until=timezone.now() - timedelta(seconds=1))
    failed = []

    def fail(*_, **__):
        failed.append(1)
        raise OperationalError("database is locked")

    monkeypatch.setattr("jobs.lanes.polling.lapse_leases", fail)
    monkeypatch.setattr(reconciler, "_measure_load", fail)
    monkeypatch.setattr(fail, "__name__", "_measure_load")
    monkeypatch.setattr(sweep.connection, "close", lambda: None)
    reconciler.tick()
    assert len(failed) == 2
    assert factories.reload(job).failure_code == "deadline"
    assert Heartbeat.objects.filter(name="reconcile").exists()


def test_overdue_lanes_are_nudged_again(reconciler, db, monkeypatch):
    renewed = []
    monkeypatch.setattr(queues, "renew_nudge", lambda lane: renewed.append(lane) or True)
    factories.make_job(due_at=timezone.now() - timedelta(seconds=5))
    factories.make_job(due_at=timezone.now() + timedelta(minutes=1))
    Heartbeat.objects.create(name="worker-prepare", seen_at=timezone.now())
    reconciler._renew_nudges()
    assert renewed == [Lane.PREPARE]


@pytest.mark.parametrize(("beat_ago", "is_worked_here"), [(None, True), (60, True), (4, False)])
def test_a_lane_whose_worker_has_no_heartbeat_is_worked_here(beat_ago, is_worked_here, reconciler, db, monkeypatch):
    worked = []
    monkeypatch.setattr(queues, "renew_nudge", lambda lane: True)
    monkeypatch.setattr(sweep, "_pump_once", worked.append)
    Heartbeat.objects.create(name="worker-dispatch", seen_at=timezone.now() - timedelta(hours=1))
    if beat_ago is not None:
        Heartbeat.objects.create(name="worker-prepare", seen_at=timezone.now() - timedelta(seconds=beat_ago))
    factories.make_job(due_at=timezone.now() - timedelta(seconds=5))
    reconciler._renew_nudges()
    for thread in reconciler._substitutes.values():
        thread.join(10)
    assert worked == ([Lane.PREPARE] if is_worked_here else [])


@pytest.mark.django_db(transaction=True)
def test_without_redis_every_lane_is_worked_here(stub, no_redis, reconciler, monkeypatch):
    from tests.conftest import FakeSandbox

    no_redis()
    provider = factories.make_provider(stub.url)
    job = factories.make_job()
    monkeypatch.setattr(pumps._substitute_pump(Lane.PREPARE.value).work, "sandbox", FakeSandbox())

    def tick():
        Job.objects.exclude(lane="").update(due_at=timezone.now() - timedelta(seconds=2))
        reconciler.tick()
        for thread in list(reconciler._substitutes.values()):
            thread.join(20)
        reconciler.ask_providers()

    tick()
    assert factories.reload(job).lane == Lane.DISPATCH
    tick()
    assert stub.submits() == 1
    stub.only.complete()
    Attempt.objects.update(poll_at=timezone.now())
    tick()
    tick()
    assert factories.reload(job).status == "succeeded"
    assert provider.slug == "studio"
    factories.is_consistent(job.id)
    for pump in (pumps._substitute_pump(lane) for lane in Lane.values):
        pump.threads.shutdown(wait=True)
    pumps._substitute_pump.cache_clear()


@pytest.mark.django_db(transaction=True)
def test_a_provider_that_hangs_holds_up_no_deadline(monkeypatch):
    gate, asked = threading.Event(), threading.Event()
    monkeypatch.setattr(polling, "poll_silent", lambda *_, **__: asked.set() or gate.wait(20))
    attempt = factories.make_submitted_attempt(factories.make_provider())
    Attempt.objects.filter(id=attempt.id).update(poll_at=timezone.now())
    job = factories.make_job(deadline_at=timezone.now(), due_at=timezone.now() + SOON)
    reconciler = sweep.Reconciler()
    thread = threading.Thread(target=reconciler.run)
    thread.start()
    try:
        assert asked.wait(20)
        wait_for(lambda: factories.reload(job).is_final, "the late job to end", seconds=15)
    finally:
        reconciler.stopped.set()
        gate.set()
        thread.join(10)
        calling = {step.__name__ for step, _ in reconciler._calls()}
        wait_for(lambda: not calling & {one.name for one in threading.enumerate()}, "the calls to providers to end")


def test_it_stops_when_told(monkeypatch):
    reconciler = sweep.Reconciler()
    monkeypatch.setattr(reconciler, "ask_providers", lambda: None)
    monkeypatch.setattr(reconciler, "tick", lambda: reconciler.stopped.set())
    thread = threading.Thread(target=reconciler.run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
