"""Limits are exact over a sliding window, however many requests ask at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from redis.client import Redis
from rest_framework.exceptions import Throttled

from jobs.intake import throttles
from jobs.queue import queues

ASKED: Any = SimpleNamespace(auth="v:somebody", META={"REMOTE_ADDR": "192.0.2.1"}, headers={})


@pytest.fixture(autouse=True)
def nobody_yet() -> None:
    queues.client().flushdb()


def throttle(rate: str, at: float = 1000.0) -> throttles.Reads:
    made = type("Reads", (throttles.Reads,), {"THROTTLE_RATES": {"reads": rate}})()
    made.timer = lambda: at
    return made


def test_a_request_is_let_in_again_when_the_oldest_has_left_the_window() -> None:
    assert [throttle("2/min", at).allow_request(ASKED, None) for at in (1000.0, 1010.0)] == [True, True]
    refused = throttle("2/min", 1059.9)
    assert not refused.allow_request(ASKED, None)
    assert refused.wait() == pytest.approx(0.1)
    assert throttle("2/min", 1060.0).allow_request(ASKED, None)
    assert not throttle("2/min", 1060.1).allow_request(ASKED, None), "those refused were not counted, these were"


def test_a_costly_request_is_counted_whole_or_not_at_all() -> None:
    assert throttle("5/min").charge(ASKED, 3)
    assert not throttle("5/min").charge(ASKED, 3)
    assert throttle("5/min").charge(ASKED, 2)
    assert not throttle("5/min").allow_request(ASKED, None)
    assert throttle("5/min").charge(ASKED, 0)


def test_of_many_at_once_no_more_are_let_in_than_the_limit_says() -> None:
    with ThreadPoolExecutor(8) as threads:
        let_in = list(threads.map(lambda _: throttle("5/min").allow_request(ASKED, None), range(40)))
    assert sum(let_in) == 5


def test_several_count_a_request_in_one_call_and_each_by_itself() -> None:
    few = throttle("2/min")
    few.get_cache_key = lambda request, view: "throttle:few"  # type: ignore[method-assign]
    waits = []
    for _ in range(4):
        try:
            throttles.count([throttle("3/min"), few], ASKED)
        except Throttled as refused:
            waits.append(refused.wait)
    assert waits == [60, 60]
    assert not throttle("3/min").allow_request(ASKED, None), "counted although the other refused, as by REST framework"
    throttles.count([], ASKED)


def test_a_request_costs_one_call_and_no_list_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(100):
        throttle("1000/min").allow_request(ASKED, None)
    said: list[Any] = []
    original = Redis.execute_command

    def listening(self: Redis, *args: Any, **options: Any) -> Any:
        said.append(args)
        said.append(answer := original(self, *args, **options))
        return answer

    monkeypatch.setattr(Redis, "execute_command", listening)
    assert throttle("1000/min").allow_request(ASKED, None)
    (asked, answer) = said
    assert asked[0] == "EVAL"
    assert answer[:2] == [1, 101]
    assert len(answer) == 3
