"""A value is read again when it is too old, once for all who wait."""

import threading
import time

import pytest

from common.log_limiter import LogLimiter
from common.timed_cache import TimedCache


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_value_is_kept_until_it_is_too_old(clock):
    found = iter("abc")
    cache = TimedCache(2.0, lambda: next(found))
    assert (cache.get(), cache.get()) == ("a", "a")
    clock.now += 2.1
    assert cache.get() == "b"
    cache.clear()
    assert cache.get() == "c"


def test_its_age_counts_from_the_end_of_the_reading(clock):
    def read() -> float:
        clock.now += 10.0
        return clock.now

    cache = TimedCache(2.0, read)
    assert cache.get() == cache.get() == 110.0


def test_a_value_can_be_put_for_longer_or_for_ever(clock):
    cache = TimedCache(2.0, lambda: "read")
    cache.put("put", seconds=100)
    clock.now += 99
    assert cache.get() == "put"
    clock.now += 2
    assert cache.get() == "read"
    cache.put("put", seconds=float("inf"))
    clock.now += 1e9
    assert cache.get() == "put"
    cache.put("usual")
    clock.now += 3
    assert cache.get() == "read"


@pytest.mark.parametrize("fails", [False, True])
def test_threads_that_ask_together_cause_one_reading_and_share_its_end(fails):
    begun, end, readings, outcomes = threading.Event(), threading.Event(), [], []

    def read() -> str:
        readings.append(1)
        begun.set()
        assert end.wait(20)
        if fails:
            raise OSError("away")
        return "value"

    cache = TimedCache(60.0, read)

    def ask() -> None:
        try:
            outcomes.append(cache.get())
        except OSError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    assert begun.wait(20)
    for thread in threads[1:]:
        thread.start()
    while sum(thread.is_alive() for thread in threads) < 5 or cache._reading is None:
        time.sleep(0.01)
    end.set()
    for thread in threads:
        thread.join(20)
    assert outcomes == ["away" if fails else "value"] * 5
    assert len(readings) <= (5 if fails else 1), "a thread that comes after a failure may read again"


def test_a_failure_is_not_kept():
    answers = iter([OSError("away"), "value"])

    def read() -> str:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    cache = TimedCache(60.0, read)
    with pytest.raises(OSError, match="away"):
        cache.get()
    assert cache.get() == "value"


def test_one_line_is_logged_in_so_many_seconds(clock):
    limiter = LogLimiter(10.0)
    assert [limiter.may_log() for _ in range(3)] == [True, False, False]
    clock.now += 10.0
    assert [limiter.may_log() for _ in range(2)] == [True, False]
