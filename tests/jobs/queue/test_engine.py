"""The pump itself, with a lane made of lists."""

import itertools
import threading
import time
from types import SimpleNamespace

import pytest
from django.db import DataError, OperationalError

from jobs.overload import state
from jobs.queue import engine
from jobs.queue.engine import LaneWork, Pump


@pytest.fixture(autouse=True)
def no_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane of lists has no database to read the load from."""
    monkeypatch.setattr(state, "current", lambda: state.OPEN)


class ListLane(LaneWork):
    """Works off a list; `spoiled` outcomes cannot be written."""

    lane = "prepare"
    threads = 4

    def __init__(self, items=(), *, spoiled=(), work=lambda item: item * 10):
        self.items, self.spoiled, self._work = list(items), set(spoiled), work
        self.recorded, self.crashed = [], []
        self.refuse_all: Exception | None = None

    def claim(self, room):
        taken, self.items = self.items[:room], self.items[room:]
        return taken

    def work(self, item):
        return self._work(item)

    def record(self, outcomes):
        if self.refuse_all:
            error, self.refuse_all = self.refuse_all, None
            raise error
        if self.spoiled & set(outcomes):
            raise DataError("value too long")
        self.recorded += outcomes

    def record_crash(self, item, error):
        self.crashed.append((item, type(error)))


def pump_of(lane):
    return Pump(lane, listens=False)


def test_a_pump_works_until_nothing_is_left():
    lane = ListLane(range(10))
    assert pump_of(lane).run(linger=0.0) is False
    assert sorted(lane.recorded) == [number * 10 for number in range(10)]


def test_it_never_takes_more_than_its_threads_can_do():
    busy, most, lock = 0, 0, threading.Lock()

    def work(item):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        time.sleep(0.01)
        with lock:
            busy -= 1
        return item

    lane = ListLane(range(20), work=work)
    pump_of(lane).run(linger=0.0)
    assert len(lane.recorded) == 20
    assert most <= lane.threads


def test_a_crash_of_one_piece_is_its_own():
    def work(item):
        if item == 2:
            raise RuntimeError("boom")
        return item

    lane = ListLane([1, 2, 3], work=work)
    pump_of(lane).run(linger=0.0)
    assert sorted(lane.recorded) == [1, 3]
    assert lane.crashed == [(2, RuntimeError)]


def test_an_outcome_that_cannot_be_written_holds_no_other_up():
    lane = ListLane([1, 2, 3, 4], spoiled={20})
    pump_of(lane).run(linger=0.0)
    assert sorted(lane.recorded) == [10, 30, 40]


def test_a_database_that_is_away_ends_the_pump_and_the_next_one_goes_on():
    lane = ListLane([1, 2, 3])
    lane.refuse_all = OperationalError("gone")
    pump = pump_of(lane)
    with pytest.raises(OperationalError):
        pump.run(linger=0.0)
    lane.items = [4, 5]
    assert pump.run(linger=0.0) is False
    assert sorted(lane.recorded) == [10, 20, 30, 40, 50], "what was brought was kept"


def test_what_flew_when_a_pump_ended_is_recorded_by_the_next():
    gate = threading.Event()

    def work(item):
        if item == 2:
            gate.wait(5)
        return item

    lane = ListLane([1, 2], work=work)
    lane.refuse_all = OperationalError("gone")
    pump = pump_of(lane)
    with pytest.raises(OperationalError):
        pump.run(linger=0.0)
    gate.set()
    assert pump.run(linger=0.0) is False
    assert 2 in lane.recorded


def test_a_used_up_budget_says_there_may_be_more():
    lane = ListLane(range(1000), work=lambda item: time.sleep(0.02) or item)
    assert pump_of(lane).run(linger=0.0, budget=0.2) is True
    assert 0 < len(lane.recorded) < 1000
    assert len(lane.recorded) + len(lane.items) == 1000, "what was taken was finished"


def test_a_stopping_process_finishes_what_flies_and_takes_nothing_more(monkeypatch):
    stopping = threading.Event()
    monkeypatch.setattr(engine, "stopping", stopping)

    def work(item):
        stopping.set()
        time.sleep(0.05)
        return item

    lane = ListLane(range(100), work=work)
    pump_of(lane).run(linger=1.0)
    assert len(lane.recorded) == lane.threads
    assert len(lane.items) == 100 - lane.threads


def test_it_claims_once_per_tick():
    looks = []

    class Counting(ListLane):
        def claim(self, room):
            looks.append(time.monotonic())
            return super().claim(min(room, 1))

    lane = Counting(range(5))
    pump_of(lane).run(linger=0.0)
    assert len(lane.recorded) == 5
    gaps = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert min(gaps) >= engine.TICK_SECONDS * 0.9


def test_what_is_under_way_is_kept_and_what_landed_is_not(monkeypatch):
    monkeypatch.setattr(engine, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(engine, "CHECK_SECONDS", 0.01)
    kept, gate = [], threading.Event()

    class Keeping(ListLane):
        def keep(self, items):
            kept.append(items)
            if len(kept) == 3:
                gate.set()

    lane = Keeping(["slow"], work=lambda item: gate.wait(20) and item)
    pump = pump_of(lane)
    pump.run(linger=0.0)
    assert kept[:3] == [["slow"]] * 3
    assert lane.recorded == ["slow"]
    kept.clear()
    pump.run(linger=0.0)
    assert kept == []


def test_a_pump_whose_threads_are_all_stuck_has_no_heartbeat(monkeypatch):
    beats, gate = [], threading.Event()
    monkeypatch.setattr(engine, "beat", lambda name: beats.append(name))
    monkeypatch.setattr(engine, "HEARTBEAT_SECONDS", 0.0)
    monkeypatch.setattr(engine, "CHECK_SECONDS", 0.01)
    lane = ListLane(["stuck"], work=lambda item: gate.wait(20))
    pump = pump_of(lane)
    pump.wake = SimpleNamespace(listening=threading.Event())
    monkeypatch.setattr(engine.queues, "pump_started", lambda lane: None)

    def keep(items):
        if len(beats) == 3:  # it has been alive; from now on it is stuck
            monkeypatch.setattr(engine, "STUCK_SECONDS", -1.0)
            beats.append("stuck")
        elif "stuck" in beats:
            looks.append(len(beats))
            if len(looks) == 5:
                gate.set()

    looks: list[int] = []
    lane.keep = keep
    monkeypatch.setattr(engine, "KEEP_SECONDS", 0.0)
    pump.run(linger=0.0)
    assert looks[:5] == [4] * 5


def test_what_is_done_before_claims_is_work_that_ticks_hang_on(monkeypatch):
    """Most of what the collect lane writes are deliveries: a batch for each would cost as much as one for all."""
    clock = [100.0]
    monkeypatch.setattr(engine.time, "monotonic", lambda: clock[0])
    lane = ListLane()
    lane.before_claim = lambda: 4
    pump, run = pump_of(lane), engine._Run.begin(linger=0.0, budget=100.0)
    for _ in range(3):
        clock[0] += engine.RATE_SECONDS
        pump._claim(run, waits_for_tick=False)
        pump._take(run, [])
    assert pump._tick_seconds == engine.LOADED_TICK_SECONDS
    lane.before_claim = lambda: 1
    clock[0] += engine.RATE_SECONDS
    pump._claim(run, waits_for_tick=False)
    pump._take(run, [])
    assert pump._tick_seconds == engine.TICK_SECONDS


@pytest.mark.parametrize(("landed", "seconds"), [(1, engine.TICK_SECONDS), (40, engine.LOADED_TICK_SECONDS)])
def test_ticks_are_long_only_under_load(landed, seconds, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(engine.time, "monotonic", lambda: clock[0])
    pump = pump_of(ListLane())
    for _ in range(4):
        clock[0] += engine.RATE_SECONDS / 2
        pump._set_tick(landed)
    assert pump._tick_seconds == seconds
    clock[0] += 60
    pump._set_tick(1)
    assert pump._tick_seconds == engine.TICK_SECONDS
