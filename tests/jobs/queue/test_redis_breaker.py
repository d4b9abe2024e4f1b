"""What one failure of Redis costs everybody else."""

import threading
import time

import pytest
import redis

from jobs.models import Lane
from jobs.queue import queues, redis_breaker
from jobs.queue.redis_breaker import Blocked, RedisBreaker


def fail(breaker: RedisBreaker, error: Exception) -> None:
    with pytest.raises(type(error)), breaker.guard():
        raise error


@pytest.mark.parametrize("error", [redis.TimeoutError("slow"), redis.ConnectionError("refused"), OSError("reset")])
def test_after_a_failure_redis_is_not_asked_for_a_moment(error: Exception) -> None:
    breaker = RedisBreaker()
    fail(breaker, error)
    assert breaker.is_open
    with pytest.raises(Blocked), breaker.guard():
        pytest.fail("asked")


def test_an_error_that_is_answered_at_once_blocks_nothing() -> None:
    breaker = RedisBreaker()
    fail(breaker, redis.ResponseError("OOM command not allowed"))
    assert not breaker.is_open
    with breaker.guard():
        pass


def test_a_crawling_server_is_left_alone_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_breaker, "SLOW_SECONDS", 0.01)
    breaker = RedisBreaker()
    with breaker.guard():
        time.sleep(0.02)
    assert breaker.is_open


def test_one_tries_while_the_others_wait_outside() -> None:
    breaker = RedisBreaker()
    breaker.pause_seconds = 0.0
    fail(breaker, redis.TimeoutError("hangs"))
    with breaker.guard(), pytest.raises(Blocked), breaker.guard():
        pytest.fail("two at once")
    with breaker.guard(), breaker.guard():  # answered: open to everybody
        pass


def test_an_outage_is_two_lines_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    breaker = RedisBreaker()
    breaker.pause_seconds = 0.0
    for _ in range(20):
        fail(breaker, redis.ConnectionError("refused"))
    with breaker.guard():
        pass
    assert [record.getMessage().split()[0] for record in caplog.records] == ["redis_away", "redis_back"]


def test_twenty_at_once_wait_for_a_hung_server_together(hung_redis) -> None:
    hung_redis()
    took: list[float] = []

    def work() -> None:
        started = time.monotonic()
        for lane in (*Lane.values,) * 10:
            queues.nudge(lane)
        took.append(time.monotonic() - started)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(took) < 10  # one time-out of half a second, whatever is asked after it; forty would be twenty seconds
