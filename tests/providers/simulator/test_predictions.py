"""The states of a prediction, in each vendor's format."""

from __future__ import annotations

import pytest
import requests

from tests.support.processes import wait_for

ENDED = {"wavespeed": "completed", "replicate": "succeeded", "fal": "COMPLETED"}
RUNNING = {"wavespeed": "processing", "replicate": "processing", "fal": "IN_PROGRESS"}
WAITING = {"wavespeed": "created", "replicate": "starting", "fal": "IN_QUEUE"}


@pytest.fixture
def by_hand(simulator, caller):
    """Nothing ends by itself."""
    simulator.behave(caller.provider, times={"duration": None})


def test_the_response_to_a_submit_has_exactly_the_documented_fields(simulator, caller):
    simulator.behave(caller.provider, times={"answer": 0.05, "duration": None})
    answer = caller.submit()
    made = answer.json()
    base = f"{simulator.url}/{caller.provider}"
    match caller.provider:
        case "wavespeed":
            assert answer.status_code == 200
            assert list(made) == ["code", "message", "data"]
            assert (made["code"], made["message"]) == (200, "success")
            data = made["data"]
            assert list(data) == [
                *("id", "model", "outputs", "urls", "has_nsfw_contents", "status", "created_at", "error", "timings")
            ]
            assert data["urls"] == {"get": f"{base}/api/v3/predictions/{data['id']}/result"}
            assert (data["outputs"], data["error"], data["timings"]) == ([], "", {"inference": 0})
            assert data["created_at"].endswith("Z")
            assert len(data["created_at"]) == len("2026-11-23T10:00:00.000Z")
        case "replicate":
            assert answer.status_code == 201
            assert {"id", "model", "version", "input", "output", "logs", "error", "status"} <= set(made)
            assert {"created_at", "started_at", "completed_at", "metrics", "data_removed", "urls"} <= set(made)
            assert (made["model"], made["version"], made["status"]) == ("kwaivgi/kling-v2.1", "hidden", "starting")
            assert len(made["id"]) == 26
            assert made["urls"]["cancel"] == f"{base}/v1/predictions/{made['id']}/cancel"
        case _:
            assert answer.status_code == 200
            own = f"{base}/fal-ai/wan/requests/{made['request_id']}"
            assert made["status"] == "IN_QUEUE"
            assert (made["response_url"], made["status_url"]) == (own, f"{own}/status")
            assert (made["cancel_url"], made["queue_position"]) == (f"{own}/cancel", 0)
            assert answer.headers["x-fal-request-id"] == made["request_id"] == made["gateway_request_id"]


def test_it_runs_until_the_control_api_ends_it(simulator, caller, by_hand):
    made = caller.made()
    assert caller.status(made) == RUNNING[caller.provider]
    assert simulator.finish(caller.provider, made)
    assert caller.status(made) == ENDED[caller.provider]
    assert not simulator.finish(caller.provider, made)


def test_fals_statuses_have_http_statuses_and_all_their_fields(simulator, caller_of):
    caller = caller_of("fal")
    simulator.behave("fal", times={"duration": None}, limits={"concurrent": 1})
    running, queued = caller.made(), caller.made()
    always = {"status", "request_id", "response_url", "status_url", "cancel_url", "logs"}
    for one, status in ((running, 202), (queued, 202)):
        answer = caller.show(one)
        assert answer.status_code == status
        assert always | {"queue_position"} == set(answer.json())
    simulator.finish("fal", running)
    answer = caller.show(running, params={"logs": "1"})
    assert answer.status_code == 200
    assert always | {"metrics"} == set(answer.json())
    assert set(answer.json()["logs"][0]) == {"timestamp", "level", "source", "message"}
    early = caller.call("GET", f"/fal-ai/wan/requests/{queued}")
    assert (early.status_code, early.json()) == (400, {"detail": "Request is still in progress"})


@pytest.mark.parametrize("path", ["/fal-ai/wan/v2.2-a14b/requests/{}/status", "/fal-ai/wan/requests/{}/response"])
def test_fal_serves_the_addresses_of_older_pages_too(caller_of, path):
    caller = caller_of("fal")
    assert caller.call("GET", path.format(caller.made())).status_code == 200


def test_fal_knows_a_request_under_its_own_app_only(caller_of):
    caller = caller_of("fal")
    made = caller.made()
    answer = caller.call("GET", f"/fal-ai/kling-video/requests/{made}/status")
    assert (answer.status_code, answer.json()) == (404, {"status": "NOT_FOUND"})


def test_fal_keeps_the_namespace_of_a_workflow(caller_of):
    caller = caller_of("fal")
    made = caller.call("POST", "/workflows/selfie/hero/extra", json={"image_url": "x"}).json()
    assert made["status_url"].endswith(f"/fal/workflows/selfie/hero/requests/{made['request_id']}/status")
    assert requests.get(made["status_url"], headers={"Authorization": "Key k"}, timeout=5).status_code == 200


def test_wavespeed_serves_both_addresses_of_a_task(caller_of):
    caller = caller_of("wavespeed")
    made = caller.made()
    short, long = (caller.call("GET", f"/api/v3/predictions/{made}{tail}").json() for tail in ("", "/result"))
    assert short == long
    assert short["code"] == 200


def test_an_unknown_one_is_not_found(caller):
    unknown = "0" * 32
    for answer in (caller.show(unknown), caller.cancel(unknown)):
        assert answer.status_code == 404
    if caller.provider == "fal":
        assert caller.show(unknown).json() == {"status": "NOT_FOUND"}


@pytest.mark.parametrize("outcome", ["fail", "refuse", "bad_photo", "abort"])
def test_a_failure_has_the_vendors_format(simulator, caller, listener, outcome):
    simulator.next(caller.provider, "outcome", outcome)
    made = caller.made(listener.hook("ours"))
    (came,) = listener.wait("ours")
    answer = caller.show(made)
    assert answer.status_code == 200
    shown = answer.json()
    match caller.provider:
        case "wavespeed":
            status, code = {"refuse": ("failed", 1200), "bad_photo": ("failed", 1402), "abort": ("timeout", 5004)}.get(
                outcome, ("failed", 1403)
            )
            assert (shown["code"], shown["data"]["status"], shown["data"]["code"]) == (200, status, code)
            assert shown["data"]["error"]
            assert (came.json["status"], came.json["outputs"]) == ("failed", [])
        case "replicate":
            assert shown["status"] == came.json["status"] == ("aborted" if outcome == "abort" else "failed")
            assert bool(shown["error"]) == (outcome != "abort")
            assert came.json["output"] is None
        case _:
            wanted = {"refuse": 422, "bad_photo": 422, "abort": 504, "fail": 500}[outcome]
            assert (shown["status"], bool(shown["error_type"])) == ("COMPLETED", True)
            result = caller.call("GET", f"/fal-ai/wan/requests/{made}")
            assert result.status_code == wanted
            assert came.json == {
                "request_id": made,
                "gateway_request_id": made,
                "status": "ERROR",
                "error": f"Invalid status code: {wanted}",
                "payload": result.json(),
            }
            assert isinstance(result.json()["detail"], list) == (wanted == 422)


def test_a_failure_can_have_words_of_its_own(simulator, caller, by_hand):
    made = caller.made()
    simulator.finish(caller.provider, made, outcome={"fault": "fail", "message": "CUDA out of memory"})
    shown = caller.show(made).json()
    assert (shown.get("data") or shown)["error"] == "CUDA out of memory"


@pytest.mark.parametrize(("of", "field"), [("photo", "image_url"), ("prompt", "prompt")])
def test_fal_says_what_it_objects_to(simulator, caller_of, of, field):
    caller = caller_of("fal")
    simulator.next("fal", "outcome", "refuse", of=of)
    result = caller.call("GET", f"/fal-ai/wan/requests/{caller.made()}")
    assert result.json()["detail"][0]["loc"] == ["body", field]
    assert result.json()["detail"][0]["type"] == "content_policy_violation"


def test_one_that_sticks_never_ends(simulator, caller):
    simulator.next(caller.provider, "outcome", "stick")
    stuck, other = caller.made(), caller.made()
    simulator.wait_until_ended(caller.provider)
    assert (caller.status(stuck), caller.status(other)) == (RUNNING[caller.provider], ENDED[caller.provider])


# --- cancel and delete ---


def test_a_canceled_one_frees_its_place(simulator, caller, by_hand, listener):
    simulator.behave(caller.provider, limits={"concurrent": 1})
    running, waiting = caller.made(listener.hook("running")), caller.made()
    assert caller.cancel(running).status_code == (202 if caller.provider == "fal" else 200)
    assert caller.status(waiting) == RUNNING[caller.provider]
    words = {"wavespeed": "deleted", "replicate": "canceled", "fal": "COMPLETED"}
    assert caller.status(running) == words[caller.provider]
    if caller.provider == "replicate":  # the only one that tells
        (came,) = listener.wait("running")
        assert came.json["status"] == "canceled"


def test_a_waiting_one_can_be_canceled(simulator, caller, by_hand):
    simulator.behave(caller.provider, limits={"concurrent": 1})
    caller.made()
    waiting = caller.made()
    caller.cancel(waiting)
    state = simulator.state(caller.provider)
    assert (state["open"], state["waiting"], state["ended"]) == (1, 0, {"canceled": 1})


def test_work_may_go_on_after_a_cancel_and_end_in_a_success(simulator, caller, by_hand, listener):
    simulator.behave(caller.provider, cancel="goes_on")
    made = caller.made(listener.hook("ours"))
    caller.cancel(made)
    assert simulator.state(caller.provider)["open"] == 1
    simulator.finish(caller.provider, made)
    (came,) = listener.wait("ours")
    assert came.json["status"] in ("completed", "succeeded", "OK")
    assert simulator.entries(caller.provider)[0]["refunded"] == "0"


def test_fal_says_that_it_was_too_late(caller_of):
    caller = caller_of("fal")
    answer = caller.cancel(caller.made())
    assert (answer.status_code, answer.json()) == (400, {"status": "ALREADY_COMPLETED"})


def test_wavespeed_deletes_film_and_task(simulator, caller_of):
    caller = caller_of("wavespeed")
    first, second = caller.made(), caller.made()
    url = caller.film_url(first)
    answer = caller.call("DELETE", f"/api/v3/predictions/{first}")
    assert (answer.status_code, answer.json()["data"]["status"]) == (200, "deleted")
    assert requests.get(url, timeout=5).status_code == 404
    assert caller.show(first).json()["data"]["outputs"] == []
    assert caller.call("DELETE", f"/api/v3/predictions/{first}").status_code == 404
    many = caller.call("POST", "/api/v3/predictions/delete", json={"ids": [first, second, "unknown"]})
    assert many.json()["data"] == {"deleted_count": 1}
    assert caller.call("POST", "/api/v3/predictions", json={"page": 1, "page_size": 10}).json()["data"]["items"] == []


# --- lists ---


def test_wavespeed_lists_pages_the_newest_first_and_without_inputs(simulator, caller_of):
    caller = caller_of("wavespeed")
    made = [caller.made() for _ in range(5)]
    simulator.next("wavespeed", "outcome", "fail")
    made.append(caller.made())

    def ask(**wanted):
        answer = caller.call("POST", "/api/v3/predictions", json={"page": 1, "page_size": 100, **wanted})
        return answer.json()["data"]

    assert [one["id"] for one in ask(page_size=4)["items"]] == made[:1:-1]
    assert [one["id"] for one in ask(page=2, page_size=4)["items"]] == made[1::-1]
    assert ask()["total"] == 6
    assert [one["id"] for one in ask(status="failed")["items"]] == made[5:]
    assert ask(model="another/model")["items"] == []
    assert ask(created_after="2100-01-01T00:00:00Z")["items"] == []
    assert len(ask(created_after="2020-01-01T00:00:00Z", created_before="2100-01-01T00:00:00Z")["items"]) == 6
    assert "input" not in ask()["items"][0]


def test_replicate_lists_by_time(simulator, caller_of):
    caller = caller_of("replicate")
    caller.made()
    for query, count in ({"created_after": "2100-01-01T00:00:00Z"}, 0), ({"created_before": "2100-01-01T00:00:00Z"}, 1):
        assert len(caller.call("GET", "/v1/predictions", params=query).json()["results"]) == count
    assert caller.call("GET", "/v1/predictions", params={"cursor": "nonsense"}).status_code == 422


# --- cold starts ---


def test_the_first_ones_start_cold(simulator, caller):
    simulator.behave(caller.provider, times={"cold_start": 60, "duration": None}, cold={"first": 1})
    cold, next_one = caller.made(), caller.made()
    assert caller.status(cold) == WAITING[caller.provider]
    assert caller.status(next_one) == WAITING[caller.provider]  # the model is being woken up
    if caller.provider == "fal":
        assert caller.show(cold).json()["queue_position"] == 0
    simulator.finish(caller.provider, cold)
    assert caller.status(cold) == ENDED[caller.provider]


def test_a_model_that_is_awake_starts_at_once(simulator, caller):
    simulator.behave(caller.provider, times={"cold_start": 0.1, "duration": None}, cold={"first": 1})
    first = caller.made()
    wait_for(lambda: caller.status(first) == RUNNING[caller.provider], "the cold start to end")
    assert caller.status(caller.made()) == RUNNING[caller.provider]


def test_a_model_that_idled_starts_cold_again(simulator, caller):
    simulator.behave(caller.provider, times={"cold_start": 60, "duration": None}, cold={"sleeps_after": 0})
    first = caller.made()
    assert caller.status(first) == WAITING[caller.provider]
    simulator.behave(caller.provider, times={"cold_start": 0})
    simulator.finish(caller.provider, first)
    simulator.behave(caller.provider, cold={"sleeps_after": 3600})
    warm = caller.made()
    assert caller.status(warm) == WAITING[caller.provider]  # still being woken up for the first
    assert simulator.state(caller.provider)["running"] == 1


def test_wavespeed_answers_the_rest_of_its_api(caller_of):
    caller = caller_of("wavespeed")
    assert caller.call("GET", "/api/v3/balance").json()["data"]["balance"] > 0
    assert (
        caller.call("POST", "/api/v3/model/price", json={"model_id": "x", "inputs": {}}).json()["data"]["price"] == 0.3
    )
    assert "api_schema" in caller.call("GET", "/api/v3/models").json()["data"][0]


def test_wavespeed_takes_its_key_as_a_bearer_only(simulator):
    url = f"{simulator.url}/wavespeed/api/v3/balance"
    assert requests.get(url, headers={"X-API-Key": "key"}, timeout=5).status_code == 401


@pytest.mark.slow
def test_replicate_stops_what_takes_longer_than_its_caller_wants(simulator, caller_of):
    caller = caller_of("replicate")
    simulator.behave("replicate", times={"duration": None}, limits={"concurrent": 1})
    running = caller.made(headers={"Cancel-After": "6s"})
    waiting = caller.made(headers={"Cancel-After": "1s"})  # at least five
    wait_for(lambda: simulator.state("replicate")["open"] == 0, "both to be stopped", seconds=10)
    assert (caller.status(running), caller.status(waiting)) == ("canceled", "aborted")
