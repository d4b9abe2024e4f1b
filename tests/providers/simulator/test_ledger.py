"""The ledger's arithmetic, and its record of real calls."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.simulator.ledger import Ledger, most_in_window, reference_in
from tests.support.processes import wait_for


def test_the_fullest_window_is_found():
    assert most_in_window([], 60) == 0
    assert most_in_window([0, 10, 59.9, 60, 69], 60) == 4  # from 10 on; from 0 on there are three
    assert most_in_window([0, 60, 120], 60) == 1  # a window is half open
    assert most_in_window([5, 5, 5], 1) == 3


@given(st.lists(st.integers(0, 300)), st.integers(1, 100))
def test_no_window_is_fuller(moments, window):
    ordered = sorted(moments)
    most = max((sum(start <= one < start + window for one in ordered) for start in ordered), default=0)
    assert most_in_window(ordered, window) == most


@pytest.mark.parametrize(
    ("webhook", "reference"),
    [
        ("https://hero.example/webhooks/fal/TOKEN/", "TOKEN"),
        ("https://hero.example/webhooks/fal/TOKEN", "TOKEN"),
        ("https://hero.example/webhooks/fal/TOKEN/?a=b/c", "TOKEN"),
        ("https://hero.example", ""),
        ("", ""),
    ],
)
def test_the_reference_is_the_last_segment_of_the_webhooks_path(webhook, reference):
    assert reference_in(webhook) == reference


def test_money_is_added_exactly():
    ledger = Ledger()
    for number in range(10):
        entry = ledger.record_submission("fal", webhook=f"https://h.example/{number % 4}/", model="m", body={})
        ledger.charge(entry, f"p{number}", Decimal("0.10"))
        ledger.record_end(f"p{number}", "failed" if number == 9 else "succeeded", refund=number == 9)
    summary = ledger.summary("fal", window=60)
    assert (summary["charged"], summary["refunded"]) == ("1.00", "0.10")
    # 0, 4, 8 and 1, 5, 9 and 2, 6 and 3, 7; the ninth was paid back
    assert summary["charged_more_than_once"] == {"0": 3, "1": 2, "2": 2, "3": 2}
    assert ledger.summary("wavespeed", window=60)["charged"] == "0"


def test_an_entry_has_both_sides(simulator, caller, listener):
    before = time.monotonic(), time.time()
    made = caller.made(listener.hook("ours"))
    after = time.monotonic(), time.time()
    simulator.wait_until_ended(caller.provider)
    (entry,) = simulator.entries(
        caller.provider, fields="at,wall_at,provider,prediction_id,reference,status,input,state"
    )
    assert before[0] <= entry["at"] <= after[0]
    assert before[1] <= entry["wall_at"] <= after[1]
    assert (entry["provider"], entry["prediction_id"], entry["reference"]) == (caller.provider, made, "ours")
    assert entry["status"] == (201 if caller.provider == "replicate" else 200)
    assert "a hero in the rain" in entry["input"]
    assert entry["state"] == "succeeded"


def test_a_submit_that_is_sent_twice_is_charged_twice(simulator, caller, listener):
    simulator.next(caller.provider, "submit", "lose_answer")
    for _ in range(2):
        try:
            caller.submit(listener.hook("ours"))
        except OSError:
            continue
    state = simulator.state(caller.provider)
    assert state["charged_more_than_once"] == {"ours": 2}
    assert Decimal(state["charged"]) == 2 * Decimal(simulator.control("GET", caller.provider)["price"])


def test_a_failure_is_paid_back_where_the_vendor_does(simulator, caller):
    simulator.next(caller.provider, "outcome", "fail")
    caller.made()
    state = simulator.wait_until_ended(caller.provider)
    assert (state["refunded"] == "0") is (caller.provider == "replicate")


def test_what_was_refused_is_counted_and_costs_nothing(simulator, caller):
    simulator.next(caller.provider, "submit", "busy", times=3)
    simulator.next(caller.provider, "submit", "status", status=503)
    for _ in range(4):
        caller.submit()
    state = simulator.state(caller.provider)
    assert (state["submits"], state["accepted"], state["refused"]) == (4, 0, {"429": 3, "503": 1})
    assert state["charged"] == "0"


def test_the_ledger_can_be_asked_for_a_part(simulator, caller_of):
    for provider in ("wavespeed", "fal", "wavespeed"):
        caller_of(provider).made()
    assert [entry["number"] for entry in simulator.entries("wavespeed", fields="number")] == [1, 3]
    assert simulator.entries("wavespeed", fields="number", since=1) == [{"number": 3}]
    for query, sentence in (
        ({"fields": "secret"}, "no field"),
        ({"since": "x"}, "a number"),
        ({"window": "x"}, "a number"),
    ):
        with pytest.raises(AssertionError, match=sentence):
            simulator.entries("wavespeed", **query)


def test_a_large_ledger_is_read_cheaply(simulator):
    """Ten thousand creations: the summary needs no more than a fraction of a second of one's patience."""
    from providers.simulator.ledger import Ledger

    ledger = Ledger()
    for number in range(10_000):
        entry = ledger.record_submission(
            "fal", webhook=f"https://h.example/{number}/", model="m", body={"prompt": "x" * 1000}
        )
        ledger.charge(entry, f"p{number}", Decimal("0.10"))
    summary = ledger.summary("fal", window=60)
    assert (summary["submits"], summary["charged"]) == (10_000, "1000.00")
    assert len(str(summary)) < 2000


def test_a_reset_forgets_everything_and_lets_nothing_end_later(simulator, caller, listener):
    simulator.behave(caller.provider, times={"duration": 0.3})
    simulator.next(caller.provider, "webhook", "late", seconds=0.3)
    caller.made(listener.hook("late"))
    caller.made(listener.hook("running"))
    simulator.next(caller.provider, "submit", "busy")
    simulator.reset()
    state = simulator.state(caller.provider)
    assert (state["submits"], state["open"], state["most_open"], state["scripted"]) == (0, 0, 0, {})
    assert simulator.entries(caller.provider) == []
    caller.made(listener.hook("after"))
    listener.wait("after")
    time.sleep(0.5)
    assert [one.path.split("/")[-2] for one in listener.received] == ["after"]
    assert simulator.state(caller.provider)["submits"] == 1


def test_a_submit_that_is_under_way_during_a_reset_does_no_harm(simulator, caller):
    import threading

    simulator.behave(caller.provider, times={"answer": 0.4})
    thread = threading.Thread(target=caller.submit)
    thread.start()
    wait_for(lambda: simulator.state(caller.provider)["open"] == 1, "it to arrive")
    simulator.reset()
    thread.join()
    state = simulator.state(caller.provider)
    assert (state["open"], state["running"], state["submits"]) == (0, 0, 0)
