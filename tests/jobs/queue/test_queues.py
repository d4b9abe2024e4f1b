"""Nudges and RQ, on a real server."""

import ast
import importlib
import inspect
import threading
import time

import pytest
import redis
from django.db import OperationalError, connection, transaction
from django_rq.queues import DjangoRQ
from django_rq.workers import get_worker_class
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker import SimpleWorker

from jobs import tasks
from jobs.heartbeats import beat_path
from jobs.lanes import pumps
from jobs.lanes.worker import LaneWorker
from jobs.models import Heartbeat, Job, Lane
from jobs.queue import engine, queues, redis_breaker
from jobs.queue.engine import Pump
from tests import factories
from tests.conftest import FakeSandbox
from tests.support.processes import wait_for
from tests.support.timing import takes_about


@pytest.fixture(autouse=True)
def empty_server():
    queues.client().flushdb()
    yield
    queues.client().flushdb()


def waiting(lane):
    return Queue(lane, connection=queues.client(), serializer=JSONSerializer).count


def test_many_nudges_are_one_pump():
    assert all(queues.nudge(Lane.COLLECT) for _ in range(20))
    assert (waiting("collect"), waiting("dispatch")) == (1, 0)


def test_a_nudge_after_the_pump_started_enqueues_again():
    queues.nudge(Lane.COLLECT)
    queues.pump_started(Lane.COLLECT)
    queues.nudge(Lane.COLLECT)
    assert waiting("collect") == 2


def test_a_queued_message_is_a_name_and_a_lane():
    queues.nudge(Lane.COLLECT)
    (message,) = Queue("collect", connection=queues.client(), serializer=JSONSerializer).jobs
    assert (message.func_name, message.args, message.kwargs) == ("jobs.tasks.pump", ["collect"], {})
    assert message.result_ttl == 0


def test_every_task_that_is_enqueued_exists():
    """By name: nothing but this looks whether there is such a function."""
    called = [node for node in ast.walk(ast.parse(inspect.getsource(queues))) if isinstance(node, ast.Call)]
    enqueued = [node.args[0] for node in called if getattr(node.func, "attr", "").startswith("enqueue")]
    assert enqueued
    for argument in enqueued:
        assert isinstance(argument, ast.Name), "a task is named by a constant of jobs.queue.queues"
        module, name = getattr(queues, argument.id).rsplit(".", 1)
        task = getattr(importlib.import_module(module), name)
        assert inspect.isfunction(task)
        assert module == tasks.__name__ == task.__module__


@pytest.mark.django_db(transaction=True)
def test_a_nudge_waits_for_the_commit_and_dies_with_a_rollback():
    with transaction.atomic():
        queues.nudge_after_commit(Lane.PREPARE)
        assert waiting("prepare") == 0
    assert waiting("prepare") == 1
    with pytest.raises(RuntimeError), transaction.atomic():
        queues.nudge_after_commit(Lane.COLLECT)
        raise RuntimeError
    assert waiting("collect") == 0


def test_flushall_at_any_moment_costs_one_renewal():
    queues.nudge(Lane.COLLECT)
    queues.client().flushall()
    assert queues.renew_nudge(Lane.COLLECT)
    assert waiting("collect") == 1


def test_a_flag_left_by_a_dead_worker_is_taken_down():
    queues.nudge(Lane.COLLECT)
    queues.client().delete("rq:queue:collect")  # taken by a worker that died before its pump started
    queues.nudge(Lane.COLLECT)
    assert waiting("collect") == 0
    assert queues.renew_nudge(Lane.COLLECT)
    assert waiting("collect") == 1
    assert queues.renew_nudge(Lane.COLLECT)
    assert waiting("collect") == 1


def test_nudges_and_pumps_share_one_connection_of_the_process():
    def opened():
        return queues.client().info("stats")["total_connections_received"]

    queues.nudge(Lane.COLLECT)
    before = opened()
    for _ in range(20):
        queues.pump_started(Lane.COLLECT)
        queues.nudge(Lane.COLLECT)
    assert waiting("collect") == 21
    assert opened() == before


def test_the_queue_is_django_rqs_and_made_as_the_settings_say(settings):
    queue = queues._queue(Lane.COLLECT)
    assert isinstance(queue, DjangoRQ)
    assert queue.serializer is JSONSerializer
    assert queue._default_timeout == settings.RQ_QUEUES["collect"]["DEFAULT_TIMEOUT"] == queues.PUMP_TIMEOUT_SECONDS
    worker = LaneWorker.for_lane("collect", url=settings.REDIS_URL)
    assert isinstance(worker.queues[0], DjangoRQ)
    assert worker.serializer is JSONSerializer
    assert get_worker_class() is LaneWorker


@pytest.mark.parametrize("redis_is", ["dead", "hung"])
def test_without_redis_a_nudge_is_lost_quickly_and_quietly(redis_is, no_redis, hung_redis, monkeypatch):
    monkeypatch.setattr(redis_breaker.breaker, "pause_seconds", 60.0)
    (no_redis if redis_is == "dead" else hung_redis)()
    with takes_about(0.5):
        assert queues.nudge(Lane.COLLECT) is False
    with monkeypatch.context() as patch:
        patch.setattr(redis.Connection, "connect", lambda self: pytest.fail("a dead server is asked again at once"))
        assert not any(queues.nudge(Lane.COLLECT) for _ in range(100))
    assert queues.renew_nudge(Lane.COLLECT) is False
    queues.pump_started(Lane.COLLECT)


def test_redis_that_is_back_is_used_again(point_redis, settings):
    alive = settings.REDIS_URL
    point_redis("redis://127.0.0.1:9/0")
    assert queues.nudge(Lane.COLLECT) is False
    point_redis(alive)
    redis_breaker.breaker.reset()
    assert queues.nudge(Lane.COLLECT) is True


@pytest.fixture
def prepare_pump(monkeypatch):
    """The pump of this process's prepare worker, with a sandbox that takes every photo."""
    pump = Pump(pumps._LANES[Lane.PREPARE](FakeSandbox()))
    monkeypatch.setattr(pumps, "pump_for", lambda lane: pump)
    monkeypatch.setattr(engine, "LINGER_SECONDS", 0.2)
    monkeypatch.setattr(Pump.run, "__kwdefaults__", {"linger": 0.2, "budget": 20.0})
    return pump


@pytest.mark.django_db(transaction=True)
def test_an_rq_worker_works_its_lane(prepare_pump, settings):
    jobs = [factories.make_job() for _ in range(3)]
    queues.nudge(Lane.PREPARE)
    LaneWorker.for_lane("prepare", url=settings.REDIS_URL).work(burst=True, logging_level="ERROR")
    assert {factories.reload(job).lane for job in jobs} == {Lane.DISPATCH}
    assert waiting("prepare") == 0
    handed_on = waiting("dispatch")
    assert len(queues.client().keys("rq:job:*")) == handed_on == 1, "a pump that is done leaves nothing behind"
    assert Heartbeat.objects.filter(name="worker-prepare").exists()


@pytest.mark.django_db(transaction=True)
def test_an_idle_worker_beats_for_its_supervisor_and_for_everybody(settings, tmp_path, monkeypatch):
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(engine, "HEARTBEAT_SECONDS", 1.0)
    seen, really = [], engine.beat
    monkeypatch.setattr(engine, "beat", lambda name: seen.append(name) or really(name))
    LaneWorker.for_lane("collect", url=settings.REDIS_URL).work(max_idle_time=4, logging_level="ERROR")
    assert seen[:3] == ["worker-collect"] * 3, "it waited for a pump in between and had none"
    assert Heartbeat.objects.filter(name="worker-collect").exists()
    assert beat_path(tmp_path, "worker-collect").exists()


def test_a_worker_without_redis_still_beats(settings, monkeypatch):
    def away(*_, **__):
        raise redis.ConnectionError("refused")

    seen = []
    monkeypatch.setattr(engine, "beat", seen.append)
    monkeypatch.setattr(SimpleWorker, "heartbeat", away)
    with pytest.raises(redis.ConnectionError):
        LaneWorker.for_lane("collect", url=settings.REDIS_URL).heartbeat()
    assert seen == ["worker-collect"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_stops_no_idle_worker(settings, monkeypatch, caplog):
    def fail(name):
        raise OperationalError("database is locked")

    monkeypatch.setattr(engine, "beat", fail)
    LaneWorker.for_lane("collect", url=settings.REDIS_URL).heartbeat()
    assert "beat_not_written lane=collect" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_lingering_pump_is_woken_by_a_nudge(prepare_pump):
    linger = 30.0
    done = threading.Event()

    def run():
        try:
            prepare_pump.run(linger=linger, budget=60.0)
        finally:
            connection.close()
            done.set()

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.6)
    job = factories.make_job()
    started = time.monotonic()
    queues.nudge(Lane.PREPARE)
    wait_for(lambda: factories.reload(job).lane != Lane.PREPARE, "the job to be prepared", every=0.01)
    took = time.monotonic() - started
    engine.stopping.set()
    done.wait(10)
    engine.stopping.clear()
    thread.join(5)
    assert factories.reload(job).lane == Lane.DISPATCH
    assert took < linger / 3, "it was not woken"


@pytest.mark.django_db(transaction=True)
def test_a_pump_whose_budget_is_used_up_hands_on(monkeypatch):
    class Endless:
        def run(self):
            return True

    monkeypatch.setattr(pumps, "pump_for", lambda lane: Endless())
    tasks.pump("collect")
    assert waiting("collect") == 1


@pytest.mark.django_db(transaction=True)
def test_flushall_during_the_work_loses_no_job(prepare_pump, settings, reconciler):
    jobs = [factories.make_job() for _ in range(3)]
    queues.nudge(Lane.PREPARE)
    queues.client().flushall()
    Job.objects.update(due_at="2020-01-01T00:00:00Z")
    engine.beat("worker-prepare")
    reconciler._renew_nudges()
    LaneWorker.for_lane("prepare", url=settings.REDIS_URL).work(burst=True, logging_level="ERROR")
    assert {factories.reload(job).lane for job in jobs} == {Lane.DISPATCH}
