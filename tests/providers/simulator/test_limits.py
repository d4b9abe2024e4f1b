"""Limits: rejected and waiting submits, and the recorded maxima."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.processes import wait_for


def statuses(caller, count):
    return [caller.submit().status_code for _ in range(count)]


def test_beyond_the_limit_predictions_wait_in_the_vendors_queue(simulator, caller):
    simulator.behave(caller.provider, limits={"concurrent": 2}, times={"duration": None})
    made = [caller.made() for _ in range(4)]
    state = simulator.state(caller.provider)
    assert (state["open"], state["running"], state["waiting"]) == (4, 2, 2)
    waiting, running = {
        "wavespeed": ("created", "processing"),
        "replicate": ("starting", "processing"),
        "fal": ("IN_QUEUE", "IN_PROGRESS"),
    }[caller.provider]
    assert [caller.status(one) for one in made] == [running, running, waiting, waiting]
    simulator.finish(caller.provider, made[1])
    assert [caller.status(one) for one in made[2:]] == [running, waiting]
    assert simulator.state(caller.provider)["most_running"] == 2


def test_a_strict_provider_refuses_what_is_too_much(simulator, caller):
    simulator.behave(caller.provider, limits={"concurrent": 2, "strict": True}, times={"duration": None})
    made = [caller.made() for _ in range(2)]
    assert statuses(caller, 2) == [429, 429]
    simulator.finish(caller.provider, made[0])
    caller.made()
    state = simulator.state(caller.provider)
    assert (state["accepted"], state["most_open"], state["refused"]) == (3, 2, {"429": 2})


def test_a_full_queue_refuses(simulator, caller):
    simulator.behave(caller.provider, limits={"concurrent": 1, "queue": 1}, times={"duration": None})
    ok = 201 if caller.provider == "replicate" else 200
    assert statuses(caller, 3) == [ok, ok, 429]


def test_too_many_creations_in_a_window_are_refused(simulator, caller):
    simulator.behave(caller.provider, limits={"per_minute": 3, "retry_after": "seconds"})
    ok = 201 if caller.provider == "replicate" else 200
    assert statuses(caller, 5) == [ok, ok, ok, 429, 429]
    assert 55 <= int(caller.submit().headers["Retry-After"]) <= 60
    state = simulator.state(caller.provider)
    assert (state["most_accepted_in_window"], state["most_submits_in_window"]) == (3, 6)


def test_a_window_slides(simulator, caller_of):
    caller = caller_of("wavespeed")
    simulator.behave("wavespeed", limits={"per_minute": 2, "window": 2})
    assert statuses(caller, 3) == [200, 200, 429]
    wait_for(lambda: caller.submit().status_code == 200, "the window to pass", seconds=10)
    assert simulator.state("wavespeed")["most_accepted_in_window"] == 2


def test_what_is_not_made_does_not_count(simulator, caller):
    simulator.behave(caller.provider, limits={"per_minute": 1})
    simulator.next(caller.provider, "submit", "status", status=503)
    assert caller.submit().status_code == 503
    assert caller.submit().status_code < 300
    assert caller.submit().status_code == 429


def test_replicates_429_has_the_wait_in_its_text(simulator, caller_of):
    simulator.behave("replicate", limits={"per_minute": 1, "window": 30})
    caller = caller_of("replicate")
    caller.made()
    answer = caller.submit()
    assert answer.json() == {"detail": "Request was throttled. Your rate limit resets in ~30s."}
    assert "Retry-After" not in answer.headers


def test_wavespeeds_429_has_no_wait(simulator, caller_of):
    simulator.behave("wavespeed", limits={"per_minute": 1})
    caller = caller_of("wavespeed")
    caller.made()
    answer = caller.submit()
    assert answer.json() == {"code": 429, "message": "Too Many Requests"}
    assert "Retry-After" not in answer.headers


def test_fal_refuses_direct_runs_and_long_queues_as_asked(simulator, caller_of):
    simulator.behave("fal", limits={"concurrent": 1}, times={"duration": None})
    caller = caller_of("fal")
    caller.made()
    direct = caller.call("POST", "/run/fal-ai/wan/v2.2-a14b/image-to-video", json={"image_url": "https://x.example/1"})
    assert (direct.status_code, direct.json()["error_type"]) == (429, "concurrent_requests_limit")
    caller.made()
    body = {"image_url": "https://x.example/1", "prompt": "x"}
    path = "/fal-ai/wan/v2.2-a14b/image-to-video?fal_max_queue_length="
    assert caller.call("POST", f"{path}0", json=body).status_code == 429
    assert caller.call("POST", f"{path}1", json=body).status_code == 200


def test_the_maximum_is_the_true_one_among_many_at_once(simulator, caller):
    """Twelve creations are open together though each is answered late."""
    simulator.behave(caller.provider, times={"answer": 0.3, "duration": None})
    meeting = threading.Barrier(12)

    def submit(_number):
        meeting.wait()
        return caller.made()

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(submit, range(12)))
    for one in made:
        simulator.finish(caller.provider, one)
    state = simulator.state(caller.provider)
    assert (state["most_open"], state["open"]) == (12, 0)


def test_a_limit_that_is_raised_lets_what_waits_run(simulator, caller):
    simulator.behave(caller.provider, limits={"concurrent": 1}, times={"duration": None})
    for _ in range(3):
        caller.made()
    assert simulator.state(caller.provider)["running"] == 1
    simulator.behave(caller.provider, limits={"concurrent": None})
    assert simulator.state(caller.provider)["running"] == 3


@pytest.mark.parametrize("window", [0.000001, 3600])
def test_the_window_of_the_maxima_can_be_chosen(simulator, caller, window):
    for _ in range(3):
        caller.made()
    assert simulator.state(caller.provider, window=window)["most_submits_in_window"] == (1 if window < 1 else 3)
