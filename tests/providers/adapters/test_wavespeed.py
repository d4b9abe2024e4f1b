"""WaveSpeed's adapter against responses made after its documentation."""

import json
from datetime import timedelta

import pytest

from providers.errors import (
    AccountProblem,
    Busy,
    PredictionGone,
    Rejected,
    Unavailable,
    Unconfirmed,
)
from providers.types import PredictionStatus
from tests.providers.adapters.wavespeed import ADAPTER, MODEL, PAYLOAD, PHOTO, account, submit_request

SUBMIT = f"POST /{MODEL}"
TASK = "e6832d4abffb4d79bfbca19783fca133"
RESULT = f"GET /predictions/{TASK}/result"
DELETE = f"DELETE /predictions/{TASK}"


# --- Submit -------------------------------------------------------------------------------------------


def test_a_submit_is_flat_json_with_the_webhook_in_the_query(server):
    server.on(SUBMIT, (200, PAYLOAD / "submit.json"))
    event = ADAPTER.submit(account(server), submit_request())
    assert (event.prediction_id, event.status) == (TASK, PredictionStatus.QUEUED)
    (seen,) = server.asked(SUBMIT)
    assert seen.query == {"webhook": "https://hero.example/webhooks/ws/token/?a=b&c=d"}
    assert seen.headers["authorization"] == "Bearer ws-key"
    assert seen.json.pop("seed") in range(2**31)
    assert {name: value for name, value in seen.json.items() if name != "seed"} == {
        "image": "https://hero.example/photo.jpg",
        "prompt": "a hero",
        "negative_prompt": "blur",
        "duration": 5,
    }


def test_the_same_job_has_the_same_seed_and_staff_may_choose_another(server):
    server.on(SUBMIT, (200, PAYLOAD / "submit.json"))
    for parameters in ({}, {}, {"seed": 7}):
        ADAPTER.submit(account(server, parameters=parameters), submit_request())
    first, again, chosen = (seen.json["seed"] for seen in server.asked(SUBMIT))
    assert first == again != chosen == 7


def test_staff_choose_inputs_and_add_what_only_the_model_knows(server):
    model = "somebody/new-model"
    server.on(f"POST /{model}", (200, PAYLOAD / "submit.json"))
    parameters = {"image_field": "start_image", "input": {"duration": "5", "shift": 3}}
    ADAPTER.submit(account(server, model=model, parameters=parameters), submit_request())
    (seen,) = server.seen
    assert seen.json == {
        "start_image": "https://hero.example/photo.jpg",
        "prompt": "a hero",
        "duration": "5",
        "shift": 3,
    }


def test_without_a_webhook_none_is_named(server):
    server.on(SUBMIT, (200, PAYLOAD / "submit.json"))
    ADAPTER.submit(account(server), submit_request(webhook_url=""))
    assert server.seen[0].query == {}


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (200, {"code": 400, "message": "bad request", "data": None}, Rejected, "request_refused"),
        (200, {"code": 401, "message": "invalid authentication"}, AccountProblem, "key"),
        (200, {"code": 402, "message": "no money"}, AccountProblem, "billing"),
        (200, {"code": 429, "message": "Too Many Requests"}, Busy, None),
        (200, {"code": 429, "message": "Insufficient credits"}, AccountProblem, "billing"),
        (200, {"code": 500, "message": "oops"}, Unconfirmed, None),
        (200, {"code": 503, "message": "later"}, Unavailable, None),
        (200, {"code": 1200, "message": "The content contains sensitive information."}, Rejected, "photo_refused"),
        (200, {"code": 1400, "message": "prompt is missing"}, Rejected, "request_refused"),
        (200, {"code": 1401, "message": "duration"}, Rejected, "request_refused"),
        (200, {"code": 1402, "message": "Unable to access the provided media URL."}, Rejected, "request_refused"),
        (200, {"code": 5000, "message": "internal"}, Unconfirmed, None),
        (200, {"code": 5003, "message": "unavailable"}, Unavailable, None),
        (200, {"code": 5004, "message": "timeout"}, Unconfirmed, None),
        (200, {"code": 987654, "message": "what?"}, Unconfirmed, None),
        (200, {"code": 200, "message": "success", "data": {}}, Unconfirmed, None),
        (200, {"code": 200, "message": "success"}, Unconfirmed, None),
        (400, {"code": 400, "message": "model not found"}, Rejected, "request_refused"),
        (400, {"code": 1200, "message": "moderated"}, Rejected, "photo_refused"),
        (400, {"message": "cannot identify image file"}, Rejected, "photo_unreadable"),
        (400, {"message": "content moderation refused the image"}, Rejected, "photo_refused"),
        (401, {"code": 401, "message": "invalid authentication"}, AccountProblem, "key"),
        (402, PAYLOAD / "refused-402.json", AccountProblem, "billing"),
        (403, {"code": 403, "message": "missing role: video"}, AccountProblem, "key"),
        (403, {"code": 403, "message": "insufficient balance"}, AccountProblem, "billing"),
        (429, PAYLOAD / "refused-429.json", Busy, None),
        (504, b"<html>Gateway Time-out</html>", Unconfirmed, None),
    ],
)
def test_an_error_is_read_from_the_status_or_the_envelope(server, status, body, error, code):
    server.on(SUBMIT, (status, body))
    with pytest.raises(error) as caught:
        ADAPTER.submit(account(server), submit_request())
    assert type(caught.value) is error
    if code:
        assert caught.value.code == code
    assert server.calls == [SUBMIT]


def test_a_response_with_an_id_is_a_prediction_whatever_else_it_says(server):
    server.on(SUBMIT, (200, {"code": 500, "message": "oops", "data": {"id": TASK, "status": "created"}}))
    assert ADAPTER.submit(account(server), submit_request()).prediction_id == TASK


def test_a_429_waits_as_long_as_the_envelope_says(server):
    server.on(SUBMIT, (200, {"code": 429, "message": "Too Many Requests", "data": {"retry_after": 20}}))
    with pytest.raises(Busy) as caught:
        ADAPTER.submit(account(server), submit_request())
    assert caught.value.retry_after == timedelta(seconds=20)


def test_a_real_vendor_is_not_asked_to_fetch_or_call_what_it_cannot_reach(server):
    real = account("https://api.wavespeed.ai/api/v3")
    with pytest.raises(AccountProblem, match="https") as caught:
        ADAPTER.submit(real, submit_request(photo_url="http://127.0.0.1:8000/photo.jpg"))
    assert caught.value.code == "settings"
    assert ADAPTER.webhook(real, submit_request(webhook_url="http://127.0.0.1:8000/webhooks/")) == ""


def test_a_photo_in_the_request_is_a_matter_of_settings(server):
    with pytest.raises(AccountProblem, match="upload or url"):
        ADAPTER.submit(account(server), submit_request(photo_url="", photo_bytes=PHOTO))
    assert server.calls == []


@pytest.mark.parametrize("model", ["../admin", "no-owner", "a//b", "a/b?webhook=x", "a/b c"])
def test_a_model_that_is_none_is_never_called(server, model):
    assert "looks like" in ADAPTER.check_model(model)
    with pytest.raises(AccountProblem):
        ADAPTER.submit(account(server, model=model), submit_request())
    assert server.calls == []


def test_a_prompt_that_is_too_long_is_rejected_before_anything_is_sent(server):
    with pytest.raises(Rejected, match="2500"):
        ADAPTER.submit(account(server, model="kwaivgi/kling-v2.1-i2v-standard"), submit_request(prompt="x" * 2501))
    assert server.calls == []


# --- Fetch, cancel, delete ----------------------------------------------------------------------------


def test_a_task_from_waiting_to_film(server):
    server.on(RESULT, (200, PAYLOAD / "result-processing.json"), (200, PAYLOAD / "result-completed.json"))
    assert ADAPTER.fetch(account(server), TASK).status == PredictionStatus.RUNNING
    done = ADAPTER.fetch(account(server), TASK)
    assert (done.status, done.is_final) == (PredictionStatus.SUCCEEDED, True)
    assert done.video_url.startswith("https://d11ewybssaphwx.cloudfront.net/")


def test_a_failed_task_is_a_success_of_http(server):
    server.on(RESULT, (200, PAYLOAD / "result-failed.json"))
    failed = ADAPTER.fetch(account(server), TASK)
    assert (failed.status, failed.error_code) == (PredictionStatus.FAILED, "photo_refused")
    assert "sensitive" in failed.raw_error


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"code": 404, "message": "task not found"}, PredictionGone),
        (404, {"code": 404, "message": "task not found"}, PredictionGone),
        (200, {"code": 500, "message": "oops"}, Unavailable),
        (200, {"code": 200, "data": {"id": "another", "status": "completed"}}, Unavailable),
        (200, {"code": 200, "data": None}, Unavailable),
        (429, PAYLOAD / "refused-429.json", Busy),
    ],
)
def test_a_question_that_finds_nothing_says_why(server, status, body, error):
    server.on(RESULT, (status, body))
    with pytest.raises(error) as caught:
        ADAPTER.fetch(account(server), TASK)
    assert type(caught.value) is error


@pytest.mark.parametrize("tell", [ADAPTER.cancel, ADAPTER.delete])
def test_one_call_stops_and_forgets(server, tell):
    server.on(DELETE, (200, PAYLOAD / "deleted.json"), (204, b""), (200, {"code": 404, "message": "gone"}), (404, {}))
    for _ in range(4):
        tell(account(server), TASK)
    assert server.calls == [DELETE] * 4
    server.on(DELETE, (200, b"<html>"), (200, {"code": 500, "message": "oops"}), (500, b""))
    for _ in range(3):
        with pytest.raises(Unavailable):
            tell(account(server), TASK)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        ({"status": "created"}, PredictionStatus.QUEUED, ""),
        ({"status": "pending"}, PredictionStatus.QUEUED, ""),
        ({"status": "timeout"}, PredictionStatus.FAILED, "provider_timeout"),
        ({"status": "cancelled"}, PredictionStatus.CANCELED, ""),
        ({"status": "deleted"}, PredictionStatus.CANCELED, ""),
        ({"status": "COMPLETED"}, PredictionStatus.UNKNOWN, ""),
        ({"status": ["completed"]}, PredictionStatus.UNKNOWN, ""),
        ({"status": "completed", "outputs": []}, PredictionStatus.FAILED, "provider_failed"),
        ({"status": "completed", "outputs": ["data:video/mp4;base64,AA"]}, PredictionStatus.FAILED, "provider_failed"),
        ({"status": "completed", "outputs": [{"seed": 7}]}, PredictionStatus.FAILED, "provider_failed"),
        ({"status": "failed", "code": 1401, "error": "duration"}, PredictionStatus.FAILED, "request_refused"),
        ({"status": "failed", "code": 5004, "error": "x"}, PredictionStatus.FAILED, "provider_timeout"),
        ({"status": "failed", "code": 1406, "error": "nsfw"}, PredictionStatus.FAILED, "photo_refused"),
        ({"status": "failed", "code": "1200", "error": ""}, PredictionStatus.FAILED, "provider_failed"),
        ({"status": "failed", "error": "No face was found"}, PredictionStatus.FAILED, "no_face"),
    ],
)
def test_words_are_mapped_and_the_unknown_stays_unknown(data, status, code, caplog):
    event = ADAPTER.parse(json.dumps({"id": TASK} | data).encode())
    assert (event.status, event.error_code, event.video_url) == (status, code, "")
    assert ("status_unknown" in caplog.text) == (status == PredictionStatus.UNKNOWN)


# --- Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parameters", "sentences"),
    [
        ("", {"duration": 8, "seed": 1, "input": {"loras": []}}, []),
        ("", {"duration": 7}, ["“duration” has to be 5 or 8, not 7."]),
        ("", {"duration": True}, ["“duration” has to be 5 or 8, not True."]),
        ("kwaivgi/kling-v2.6-std/image-to-video", {"duration": "5"}, ["“duration” has to be 5 or 10, not “5”."]),
        (
            "kwaivgi/kling-v2.1-i2v-standard",
            {"guidance_scale": 2},
            ["“guidance_scale” has to be a number from 0 to 1, not 2."],
        ),
        ("", {"seed": -1}, ["“seed” has to be a whole number from 0 to 2147483647, not -1."]),
        ("", {"image_field": "no such field"}, ["“image_field” has to be the name of a field, not “no such field”."]),
        ("", {"input": [1]}, ["“input” has to be a JSON object, not [1]."]),
        ("", {"input": {"prompt": "x"}}, ["“input” cannot set “prompt”: it is different for every film."]),
        (
            "wavespeed-ai/wan-2.2/image-to-video",
            {"size": "720*1280"},
            ["“size” has to be “832*480” or “1280*720”, not “720*1280”."],
        ),
    ],
)
def test_parameters_are_checked_for_the_model_with_a_sentence_each(model, parameters, sentences):
    assert ADAPTER.check_parameters(parameters, model=model) == sentences


def test_a_parameter_of_another_model_is_sent_to_input():
    (sentence,) = ADAPTER.check_parameters({"guidance_scale": 0.5})
    assert "“guidance_scale”" in sentence
    assert "“input”" in sentence
