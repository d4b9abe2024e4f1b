"""Invalid calls of the control API: a message, and no change. Its effects are tested where it is used."""

from __future__ import annotations

import pytest
import requests


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("POST", "fal/next", {"fault": "busy"}, 400, "“stage” says where"),
        ("POST", "fal/next", {"stage": "lunch", "fault": "busy"}, 400, "There is no stage “lunch”"),
        ("POST", "fal/next", {"stage": "submit", "fault": "explode"}, 400, "there is no fault “explode”"),
        ("POST", "fal/next", {"stage": "submit", "fault": "busy", "times": 0}, 400, "“times” is a whole number"),
        ("POST", "fal/next", {"stage": "submit"}, 400, "there is no fault “None”"),
        ("POST", "fal/finish", {"prediction": "nobody"}, 404, "There is no such prediction."),
        ("POST", "reset", {"seed": "x"}, 400, "seed is a whole number."),
        ("POST", "sora", {}, 404, "There is no such call."),
        ("GET", "ledger?provider=sora", None, 400, "There is no provider “sora”."),
        ("DELETE", "fal", None, 404, "There is no such call."),
        ("POST", "fal", [1], 400, "The body is not an object."),
    ],
)
def test_what_cannot_be_done_is_a_sentence(simulator, method, path, body, status, sentence):
    assert sentence in simulator.control(method, path, body, status=status)["error"]


def test_a_body_that_is_no_json_is_a_sentence(simulator):
    answer = requests.post(f"{simulator.url}/control/fal", data=b"{", timeout=5)
    assert (answer.status_code, answer.json()) == (400, {"error": "The body is not JSON."})


def test_what_was_scripted_can_be_forgotten(simulator, caller):
    simulator.next(caller.provider, "submit", "busy", times=3)
    assert simulator.state(caller.provider)["scripted"] == {"submit": 3}
    simulator.control("DELETE", f"{caller.provider}/next")
    assert caller.submit().status_code < 300


def test_a_prediction_is_found_by_its_reference(simulator, caller, listener):
    simulator.behave(caller.provider, times={"duration": None})
    caller.made(listener.hook("ours"))
    assert simulator.finish(caller.provider, "ours", outcome="fail")
    assert simulator.state(caller.provider)["ended"] == {"failed": 1}


def test_a_reset_returns_to_the_scenario(simulator):
    simulator.control("PUT", "scenario", {"providers": {"fal": {"price": "2"}}})
    simulator.behave("fal", price="3")
    simulator.reset()
    assert simulator.control("GET", "fal")["price"] == "2"


def test_a_secret_can_be_given(simulator):
    simulator.control("POST", "wavespeed/secret", {"secret": "whsec_mine"})
    answer = requests.get(
        f"{simulator.url}/wavespeed/api/v3/webhook/secret", headers={"Authorization": "Bearer k"}, timeout=5
    )
    assert answer.json() == {"code": 200, "data": {"secret": "whsec_mine"}}
