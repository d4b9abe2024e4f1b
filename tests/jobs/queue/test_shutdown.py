"""What a process that is told to end does with what it holds, and what it keeps while the database is away."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import OperationalError

from jobs import tasks
from jobs.lanes import pumps, submitting
from jobs.lanes.collect import CollectLane
from jobs.lanes.dispatch import DispatchLane
from jobs.lanes.prepare import PrepareLane
from jobs.models import Attempt, Lane
from jobs.queue import claims, engine, queues
from jobs.queue.engine import Pump
from providers.adapters.studio import StudioAdapter
from providers.models import ProviderConfig
from tests import factories
from tests.conftest import FakeSandbox
from tests.jobs.lanes.films import rendered
from tests.jobs.queue.test_engine import ListLane

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def stopping(monkeypatch):
    """This process's order to end, which a test may give and which ends with it."""
    event = threading.Event()
    for module in (engine, submitting):
        monkeypatch.setattr(module, "stopping", event)
    return event


# --- The end -----------------------------------------------------------------------------------------


def test_work_that_takes_too_long_is_given_back_and_the_pump_ends(stopping):
    hold = threading.Event()
    given_back = []

    class Slow(ListLane):
        def give_back(self, items):
            given_back.extend(items)

    def work(item):
        if item == 2:
            hold.wait(30)
        stopping.set()
        return item

    lane = Slow([1, 2], work=work)
    pump = Pump(lane, listens=False, stop_seconds=0.5)
    try:
        assert pump.run(linger=5.0) is False
        assert (lane.recorded, given_back, pump.is_busy) == ([1], [2], True)
    finally:
        hold.set()


def test_work_that_ends_in_time_is_recorded_not_given_back(stopping):
    def work(item):
        stopping.set()
        time.sleep(0.1)
        return item

    lane = ListLane([1, 2], work=work)
    pump = Pump(lane, listens=False, stop_seconds=5)
    lane.give_back = lambda items: pytest.fail("given back")
    pump.run(linger=5.0)
    assert (sorted(lane.recorded), pump.is_busy) == ([1, 2], False)


def test_a_photo_given_back_is_due_at_once_and_its_late_outcome_is_refused(db):
    job = factories.make_job()
    lane = PrepareLane(FakeSandbox())
    (photo,) = lane.claim(1)
    assert claims.claim_lane(Lane.PREPARE, limit=1, lease=timedelta(seconds=5)).jobs == []
    outcome = lane.work(photo)
    lane.give_back([photo])
    assert factories.reload(job).lane_tries == 0
    other = PrepareLane(FakeSandbox())
    (taken,) = other.claim(1)
    lane.record([outcome])  # the thread was not quite dead
    other.record([other.work(taken)])
    job = factories.reload(job)
    assert (job.lane, factories.stored_files()) == (Lane.DISPATCH, [job.clean_key])
    factories.is_consistent(job.id)


def test_a_film_given_back_is_due_at_once(provider, stub):
    rendered(provider, stub)
    lane = CollectLane()
    (parcel,) = lane.claim(1)
    lane.give_back([parcel])
    assert len(CollectLane().claim(1)) == 1


def test_an_upload_that_is_not_followed_by_a_post_is_given_back_and_goes_elsewhere(
    provider, stub, work, stopping, monkeypatch
):
    """Its attempt is not unconfirmed: nothing was sent."""
    monkeypatch.setattr(StudioAdapter, "upload", lambda adapter, account, request: stopping.set() or request)
    ProviderConfig.objects.update(photo_transport="upload")
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    lane.give_back([submission])
    outcome = lane.work(submission)
    assert (stub.submits(), submission.is_sent.is_set()) == (0, False)
    assert Attempt.objects.get().error_code == "never_sent"
    lane.record([outcome])  # too late, and nothing new
    assert factories.reload(job).lane == Lane.DISPATCH
    stopping.clear()
    monkeypatch.setattr(StudioAdapter, "upload", lambda adapter, account, request: request)
    work(Lane.DISPATCH)
    assert stub.submits() == 1
    assert [attempt.status for attempt in Attempt.objects.order_by("number")] == ["failed", "submitted"]
    factories.is_consistent(job.id)


def test_a_post_under_way_is_never_given_back(provider, stub):
    job = factories.make_waiting_job()
    lane = DispatchLane()
    (submission,) = lane.claim(1)
    lane.work(submission)
    lane.give_back([submission])
    assert Attempt.objects.get().status == "submitting", "its lease tells when to ask what came of it"
    assert factories.reload(job).lane == ""


# --- A database that is away ------------------------------------------------------------------------


def test_an_outcome_whose_commit_may_have_arrived_costs_no_file(db):
    job = factories.make_job()
    lane = PrepareLane(FakeSandbox())
    outcomes = [lane.work(photo) for photo in lane.claim(1)]
    lane.record(outcomes)
    lane.record(outcomes)  # as a pump does that heard nothing of the first time
    job = factories.reload(job)
    assert factories.stored_files() == [job.clean_key]
    factories.is_consistent(job.id)


def test_a_film_whose_commit_may_have_arrived_is_kept(provider, stub):
    job = rendered(provider, stub)
    lane = CollectLane()
    outcomes = [lane.work(parcel) for parcel in lane.claim(1)]
    lane.record(outcomes)
    lane.record(outcomes)
    job = factories.reload(job)
    assert {job.video_key, job.poster_key} <= set(factories.stored_files())


@pytest.mark.django_db(transaction=True)
def test_a_task_stays_for_the_database_with_what_its_threads_brought(monkeypatch, caplog):
    lane = ListLane([1, 2, 3])
    pump, failures = Pump(lane, listens=False), [OperationalError("gone")] * 3
    record = lane.record

    def refuse(outcomes):
        if failures:
            raise failures.pop()
        record(outcomes)

    lane.record = refuse
    monkeypatch.setattr(pumps, "pump_for", lambda name: pump)
    monkeypatch.setattr(tasks, "DATABASE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Pump.run, "__kwdefaults__", {"linger": 0.0, "budget": 5.0})
    tasks.pump(Lane.PREPARE)
    assert sorted(lane.recorded) == [10, 20, 30]
    assert [record.getMessage().split()[0] for record in caplog.records] == ["pump_without_database"]


@pytest.mark.django_db(transaction=True)
def test_a_task_does_not_stay_for_ever(monkeypatch):
    class Away:
        runs = 0

        def run(self):
            self.runs += 1
            raise OperationalError("gone")

    away = Away()
    monkeypatch.setattr(pumps, "pump_for", lambda name: away)
    monkeypatch.setattr(tasks, "DATABASE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(tasks, "DATABASE_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(queues, "nudge", lambda lane: pytest.fail("nudged"))
    tasks.pump(Lane.PREPARE)
    assert away.runs > 1
