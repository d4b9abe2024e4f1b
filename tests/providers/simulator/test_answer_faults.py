"""Every fault of a response, as the caller sees it and as the simulator records it."""

from __future__ import annotations

import email.utils
import json
import time
from datetime import UTC, datetime

import pytest
import requests

from tests.support.simulator import Listener

BUSY_WORDS = {
    "wavespeed": {"code": 429, "message": "Too Many Requests"},
    "replicate": {"detail": "Request was throttled."},
    "fal": {"detail": "Too many requests.", "error_type": "concurrent_requests_limit"},
}


def made_nothing(simulator, caller):
    state = simulator.state(caller.provider)
    return (state["submits"], state["accepted"], state["charged"], state["open"]) == (1, 0, "0", 0)


def made_one(simulator, caller):
    state = simulator.wait_until_ended(caller.provider)
    return (state["submits"], state["accepted"]) == (1, 1) and state["charged"] != "0"


def test_busy_is_the_vendors_429_without_a_header(simulator, caller):
    simulator.next(caller.provider, "submit", "busy")
    answer = caller.submit()
    assert (answer.status_code, answer.json()) == (429, BUSY_WORDS[caller.provider])
    assert "Retry-After" not in answer.headers
    assert made_nothing(simulator, caller)
    assert caller.submit().status_code < 300


def test_busy_says_when_in_seconds(simulator, caller):
    simulator.next(caller.provider, "submit", "busy", retry_after="seconds", seconds=7)
    assert caller.submit().headers["Retry-After"] == "7"


def test_busy_says_when_as_a_date(simulator, caller):
    simulator.next(caller.provider, "submit", "busy", retry_after="date", seconds=90)
    when = email.utils.parsedate_to_datetime(caller.submit().headers["Retry-After"])
    assert 80 < (when - datetime.now(UTC)).total_seconds() <= 91


def test_busy_says_when_in_its_text_only(simulator, caller):
    simulator.next(caller.provider, "submit", "busy", retry_after="body", seconds=30)
    answer = caller.submit()
    assert "Retry-After" not in answer.headers
    assert "30" in answer.text
    if caller.provider == "replicate":
        assert answer.json() == {"detail": "Request was throttled. Your rate limit resets in ~30s."}


@pytest.mark.parametrize("value", ["-5", "99999999999", "soon", ""])
def test_busy_says_when_in_nonsense(simulator, caller, value):
    simulator.next(caller.provider, "submit", "busy", retry_after="raw", value=value)
    assert caller.submit().headers["Retry-After"] == value


@pytest.mark.parametrize("status", [500, 503])
def test_a_status_comes_in_the_vendors_words(simulator, caller, status):
    simulator.next(caller.provider, "submit", "status", status=status)
    answer = caller.submit()
    assert answer.status_code == status
    assert {"wavespeed": "code", "replicate": "title", "fal": "detail"}[caller.provider] in answer.json()
    assert made_nothing(simulator, caller)


def test_a_500_may_have_taken_effect(simulator, caller):
    simulator.next(caller.provider, "submit", "status", status=500, takes_effect=True)
    assert caller.submit().status_code == 500
    assert made_one(simulator, caller)


def test_a_gateway_answers_with_a_page(simulator, caller):
    simulator.next(caller.provider, "submit", "html", status=502)
    answer = caller.submit()
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert "<center><h1>502 Bad Gateway</h1></center>" in answer.text
    assert "x-fal-request-id" not in answer.headers
    assert made_nothing(simulator, caller)


@pytest.mark.parametrize(
    ("trouble", "statuses"),
    [
        ("unauthorized", {"wavespeed": 401, "replicate": 401, "fal": 401}),
        ("no_credit", {"wavespeed": 402, "replicate": 402, "fal": 403}),
        ("forbidden", {"wavespeed": 403, "replicate": 403, "fal": 403}),
    ],
)
def test_an_account_error_has_the_vendors_format(simulator, caller, trouble, statuses):
    simulator.behave(caller.provider, account={"trouble": trouble})
    answer = caller.submit()
    assert answer.status_code == statuses[caller.provider]
    if caller.provider == "fal":
        words = {
            "unauthorized": "No user found for Key ID and Secret",
            "no_credit": "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.",
            "forbidden": "User is locked. Reason: Admin lock.",
        }
        assert answer.json()["detail"] == words[trouble]
    assert made_nothing(simulator, caller)
    simulator.behave(caller.provider, account={"trouble": None})
    simulator.next(caller.provider, "submit", "account", trouble=trouble)
    assert caller.submit().status_code == statuses[caller.provider]


def test_a_locked_fal_account_may_still_look(simulator, caller_of):
    caller = caller_of("fal")
    made = caller.made()
    simulator.behave("fal", account={"trouble": "no_credit"})
    assert caller.show(made).status_code == 200
    assert caller.call("POST", "/rest/storage/upload/initiate?storage_type=gcs", json={}).status_code == 403


def test_only_known_keys_are_accepted_when_the_scenario_says_so(simulator, caller):
    assert caller.submit(key="anything").status_code < 300
    simulator.behave(caller.provider, account={"keys": ["good"]})
    assert caller.submit(key="anything").status_code == 401
    assert caller.submit(key="good").status_code < 300


def test_a_hang_ends_when_the_caller_gives_up(simulator, caller):
    simulator.next(caller.provider, "submit", "hang")
    with pytest.raises(requests.ReadTimeout):
        caller.submit(timeout=0.3)
    assert made_nothing(simulator, caller)
    assert simulator.state(caller.provider)["unanswered"] == 1


def test_a_hang_may_have_taken_effect(simulator, caller):
    simulator.next(caller.provider, "submit", "hang", takes_effect=True)
    with pytest.raises(requests.ReadTimeout):
        caller.submit(timeout=0.3)
    assert made_one(simulator, caller)


@pytest.mark.parametrize(("fault", "is_made"), [("lose_answer", True), ("lose_request", False)])
def test_a_lost_answer_and_a_lost_request_look_the_same(simulator, caller, fault, is_made):
    simulator.next(caller.provider, "submit", fault)
    with pytest.raises(requests.ConnectionError):
        caller.submit()
    assert (made_one if is_made else made_nothing)(simulator, caller)
    (entry,) = simulator.entries(caller.provider)
    assert (entry["fault"], entry["status"]) == (fault, None)


def test_garbage_is_half_a_json_with_a_success(simulator, caller):
    simulator.next(caller.provider, "submit", "garbage")
    answer = caller.submit()
    assert answer.status_code in (200, 201)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)
    assert made_one(simulator, caller)


def test_a_drip_is_right_and_slow(simulator, caller):
    simulator.next(caller.provider, "submit", "drip", seconds=0)
    assert caller.id_in(caller.submit().json()) == simulator.entries(caller.provider)[0]["prediction_id"]
    simulator.next(caller.provider, "submit", "drip", seconds=0.2)
    began = time.monotonic()
    with caller.submit(timeout=5, stream=True) as answer:
        promised, got = int(answer.headers["Content-Length"]), b""
        while time.monotonic() - began < 0.5:
            got += answer.raw.read1(65536)
    assert 0 < len(got) < promised
    assert simulator.state(caller.provider)["accepted"] == 2


def test_slow_is_right_and_later(simulator, caller):
    simulator.next(caller.provider, "submit", "slow", seconds=0.3)
    with pytest.raises(requests.ReadTimeout):
        caller.submit(timeout=0.1)
    simulator.next(caller.provider, "submit", "slow", seconds=0.1)
    assert caller.id_in(caller.submit().json())


def test_the_webhook_can_come_before_the_answer(simulator, caller):
    with Listener() as listener:
        simulator.behave(caller.provider, times={"duration": None})
        simulator.next(caller.provider, "submit", "webhook_first")
        answer = caller.submit(listener.hook("ours"))
        (came,) = listener.of("ours")  # it is there already
        assert came.json["request_id" if caller.provider == "fal" else "id"] == caller.id_in(answer.json())


@pytest.mark.parametrize("fault", ["busy", "status", "html", "garbage", "lose_answer", "lose_request"])
def test_looking_can_fail_in_the_same_ways(simulator, caller, fault):
    made = caller.made()
    simulator.next(caller.provider, "fetch", fault)
    if fault.startswith("lose"):
        with pytest.raises(requests.ConnectionError):
            caller.show(made)
    elif fault == "garbage":
        with pytest.raises(json.JSONDecodeError):
            json.loads(caller.show(made).text)
    else:
        assert caller.show(made).status_code == {"busy": 429, "status": 500, "html": 502}[fault]
    assert caller.show(made).status_code == 200


def test_a_cancel_takes_effect_though_its_answer_is_lost(simulator, caller):
    simulator.behave(caller.provider, times={"duration": None})
    made = caller.made()
    stage = "delete" if caller.provider == "wavespeed" else "cancel"
    simulator.next(caller.provider, stage, "lose_request")
    with pytest.raises(requests.ConnectionError):
        caller.cancel(made)
    assert simulator.state(caller.provider)["open"] == 1
    simulator.next(caller.provider, stage, "lose_answer")
    with pytest.raises(requests.ConnectionError):
        caller.cancel(made)
    assert simulator.state(caller.provider)["open"] == 0


def test_a_provider_that_is_down_is_down_for_every_call(simulator, caller):
    made = caller.made()
    simulator.behave(caller.provider, faults={"any": [{"fault": "status", "status": 503}]})
    assert [caller.submit().status_code, caller.show(made).status_code] == [503, 503]
    assert caller.cancel(made).status_code == 503
    simulator.behave(caller.provider, faults={"any": []})
    assert caller.show(made).status_code == 200


def test_a_fault_of_a_stage_goes_before_one_of_any(simulator, caller):
    simulator.behave(
        caller.provider, faults={"any": [{"fault": "status", "status": 503}], "submit": [{"fault": "busy"}]}
    )
    assert caller.submit().status_code == 429


def test_a_standing_fault_has_its_time(simulator, caller):
    simulator.behave(caller.provider, faults={"submit": [{"fault": "busy", "between": [0, 3600]}]})
    assert caller.submit().status_code == 429
    simulator.behave(caller.provider, faults={"submit": [{"fault": "busy", "between": [3600, 7200]}]})
    assert caller.submit().status_code < 300


def test_scripted_faults_come_in_order_and_before_chance(simulator, caller):
    simulator.behave(caller.provider, faults={"submit": [{"fault": "status", "status": 503}]})
    simulator.next(caller.provider, "submit", "busy", times=2)
    simulator.next(caller.provider, "submit", "fine")
    assert [caller.submit().status_code for _ in range(4)] == [
        429,
        429,
        201 if caller.provider == "replicate" else 200,
        503,
    ]
    assert simulator.state(caller.provider)["faults"] == {"submit.busy": 2, "submit.status": 1}
