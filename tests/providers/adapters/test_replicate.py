"""Replicate's adapter against responses made after its documentation and its official client."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from providers import registry
from providers.errors import (
    AccountProblem,
    BadSignature,
    Busy,
    PredictionGone,
    Rejected,
    StaleSignature,
    Unavailable,
    Unconfirmed,
)
from providers.types import Account, PredictionStatus, SubmitRequest
from tests.support.scripted import PAYLOADS

ADAPTER = registry.adapter_for("replicate")
MODEL = "wan-video/wan-2.2-i2v-a14b"
SUBMIT = f"POST /models/{MODEL}/predictions"
PREDICTION = "gm3qorzdhgbfurvjtvhg6dckhu"
GET = f"GET /predictions/{PREDICTION}"
CANCEL = f"POST /predictions/{PREDICTION}/cancel"
FILE = "MzkzZTNlZWItNjYyOC00NGY0"
PAYLOAD = PAYLOADS / "replicate"
PHOTO = b"\xff\xd8\xff\xe0 a photo"


def account(server, **others):
    base_url = server.url if hasattr(server, "url") else server
    return Account("rep", base_url, api_key="r8_key", connect_seconds=1, read_seconds=2, **others)


def submit_request(**changes):
    texts = {"look": "neon-noir", "prompt": "a hero", "negative_prompt": "blur", "hero_name": "NOVA-7", "seed": "job-1"}
    where = {"webhook_url": "https://hero.example/h?job=1", "photo_url": "https://hero.example/media/our-token.jpg"}
    return SubmitRequest("our-token", **texts | where | changes)


# --- Submit -------------------------------------------------------------------------------------------


def test_a_submit_has_its_inputs_below_input_and_webhooks_for_start_and_end(server):
    server.on(SUBMIT, (201, PAYLOAD / "submit.json"))
    event = ADAPTER.submit(account(server), submit_request())
    assert (event.prediction_id, event.status, event.progress) == (PREDICTION, PredictionStatus.WARMING_UP, None)
    (seen,) = server.seen
    assert seen.headers["authorization"] == "Bearer r8_key"
    assert "cancel-after" not in seen.headers
    sent = seen.json
    assert sent["input"].pop("seed") in range(2**31)
    assert sent == {
        "input": {
            "image": "https://hero.example/media/our-token.jpg",
            "prompt": "a hero",
            "num_frames": 81,
            "frames_per_second": 16,
            "resolution": "720p",
        },
        "webhook": "https://hero.example/h?job=1",
        "webhook_events_filter": ["start", "completed"],
    }


@pytest.mark.parametrize(
    ("model", "path", "version", "image_field"),
    [
        ("kwaivgi/kling-v2.1", "/models/kwaivgi/kling-v2.1/predictions", None, "start_image"),
        ("deployments/us/hero", "/deployments/us/hero/predictions", None, "image"),
        (f"someone/model:{'a' * 64}", "/predictions", f"someone/model:{'a' * 64}", "image"),
        ("b" * 64, "/predictions", "b" * 64, "image"),
    ],
)
def test_a_model_a_version_or_a_deployment_may_be_named(server, model, path, version, image_field):
    assert ADAPTER.check_model(model) == ""
    server.on(f"POST {path}", (201, PAYLOAD / "submit.json"))
    ADAPTER.submit(account(server, model=model), submit_request(webhook_url=""))
    (seen,) = server.seen
    assert seen.json.get("version") == version
    assert seen.json["input"][image_field].endswith("our-token.jpg")
    assert "webhook" not in seen.json


@pytest.mark.parametrize("model", ["hero", "a/b/c", "../x", "a/b:latest", "a/..", "deployments/a/b/c", "a/b?c=d"])
def test_a_model_that_is_none_is_never_called(server, model):
    assert "owner/name" in ADAPTER.check_model(model)
    with pytest.raises(AccountProblem):
        ADAPTER.submit(account(server, model=model), submit_request())
    assert server.calls == []


def test_staff_may_let_predictions_end_by_themselves(server):
    server.on(SUBMIT, (202, PAYLOAD / "submit.json"))
    ADAPTER.submit(account(server, parameters={"cancel_after": 600}), submit_request())
    assert server.seen[0].headers["cancel-after"] == "600s"
    assert "cancel_after" not in server.seen[0].json["input"]


def test_a_photo_whose_address_does_not_name_the_attempt_names_it_in_its_fragment(server):
    server.on(SUBMIT, (201, PAYLOAD / "submit.json"))
    ADAPTER.submit(account(server), submit_request(photo_url="https://bucket.example/clean.jpg?X-Amz-Signature=ab"))
    assert server.seen[0].json["input"]["image"] == "https://bucket.example/clean.jpg?X-Amz-Signature=ab#our-token"


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (401, PAYLOAD / "refused-401.json", AccountProblem, "key"),
        (402, PAYLOAD / "refused-402.json", AccountProblem, "billing"),
        (422, PAYLOAD / "refused-422-version.json", AccountProblem, "settings"),
        (422, PAYLOAD / "refused-422-input.json", Rejected, "request_refused"),
        (422, {"detail": "The input or output was flagged as sensitive. (E005)"}, Rejected, "photo_refused"),
        (404, {"detail": "Not found.", "status": 404}, Rejected, "request_refused"),
        (500, {"detail": "Internal server error"}, Unconfirmed, None),
        (201, {"id": "", "status": "starting"}, Unconfirmed, None),
        (201, {"status": "starting"}, Unconfirmed, None),
    ],
)
def test_an_error_says_what_to_do_next(server, status, body, error, code):
    server.on(SUBMIT, (status, body))
    with pytest.raises(error) as caught:
        ADAPTER.submit(account(server), submit_request())
    assert type(caught.value) is error
    if code:
        assert caught.value.code == code
    assert server.calls == [SUBMIT]


def test_a_rejected_input_is_named(server):
    server.on(SUBMIT, (422, PAYLOAD / "refused-422-input.json"))
    with pytest.raises(Rejected, match=r"input\.num_frames: Must be less than"):
        ADAPTER.submit(account(server), submit_request())


@pytest.mark.parametrize(("payload", "seconds"), [("refused-429.json", 30), ("refused-429-low-credit.json", 9)])
def test_a_throttled_account_waits_as_long_as_the_text_says(server, payload, seconds):
    """With little credit submits are throttled, which is not an empty account."""
    server.on(SUBMIT, (429, PAYLOAD / payload))
    with pytest.raises(Busy) as caught:
        ADAPTER.submit(account(server), submit_request())
    assert caught.value.retry_after == timedelta(seconds=seconds)


# --- Fetch, cancel, delete ----------------------------------------------------------------------------


def test_a_prediction_from_cold_start_to_film(server):
    server.on(
        GET,
        (200, PAYLOAD / "submit.json"),
        (200, PAYLOAD / "prediction-processing.json"),
        (200, PAYLOAD / "webhook-completed.json"),
    )
    cold, running, done = (ADAPTER.fetch(account(server), PREDICTION) for _ in range(3))
    assert (cold.status, cold.progress) == (PredictionStatus.WARMING_UP, None)
    assert (running.status, running.progress) == (PredictionStatus.RUNNING, 0.5)
    assert (done.status, done.progress) == (PredictionStatus.SUCCEEDED, 1.0)
    assert done.video_url == f"https://replicate.delivery/xezq/{PREDICTION}/output.mp4"
    assert done.reported_at == datetime(2026, 11, 23, 10, 1, 9, tzinfo=UTC)


def test_a_film_that_is_gone_already_is_a_failure(server):
    server.on(GET, (200, PAYLOAD / "prediction-data-removed.json"))
    event = ADAPTER.fetch(account(server), PREDICTION)
    assert (event.status, event.error_code) == (PredictionStatus.FAILED, "provider_failed")


@pytest.mark.parametrize(
    ("logs", "progress"),
    [
        ("", None),
        (None, None),
        (7, None),
        ("Using seed 7\n", None),
        (" 42%|████ | 21/50 [00:10<00:14]", 0.42),
        ("  0%|  | 0/50 [00:00<?]\n 42%|████ | 21/50 [00:10<00:14]\ndone", 0.42),
        ("  0%|  | 0/50\r 10%|█ | 5/50\r 20%|██ | 10/50", 0.2),
        ("say 50%| of | 1/2", None),
        ("100%|█| 7/5", 1.0),
        ("50%|█| 1/0", None),
        ("10%|█\n| 1/10", None),
        ("x" * 50_000 + "\n 50%|█| 1/2", 0.5),
    ],
)
def test_progress_is_the_last_bar_in_the_logs(logs, progress):
    body = json.dumps({"id": PREDICTION, "status": "processing", "logs": logs}).encode()
    assert ADAPTER.parse(body).progress == progress


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("starting", PredictionStatus.WARMING_UP),
        ("processing", PredictionStatus.RUNNING),
        ("failed", PredictionStatus.FAILED),
        ("canceled", PredictionStatus.CANCELED),
        ("aborted", PredictionStatus.CANCELED),
        ("cancelled", PredictionStatus.UNKNOWN),
        ("queued", PredictionStatus.UNKNOWN),
        (None, PredictionStatus.UNKNOWN),
    ],
)
def test_words_are_mapped_and_the_unknown_stays_unknown(word, status, caplog):
    assert ADAPTER.parse(json.dumps({"id": PREDICTION, "status": word}).encode()).status == status
    assert ("status_unknown" in caplog.text) == (status == PredictionStatus.UNKNOWN)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
            "photo_refused",
        ),
        ("NSFW content detected. Try running it again, or try a different prompt.", "photo_refused"),
        ("cannot identify image file <_io.BytesIO object>", "photo_unreadable"),
        ("Failed to load image from url https://hero.example: 404", "provider_failed"),
        ("No face detected in the image", "no_face"),
        ("Prediction timed out", "provider_timeout"),
        ("CUDA out of memory", "provider_failed"),
        ("", "provider_failed"),
        (None, "provider_failed"),
    ],
)
def test_what_replicate_says_of_a_failure_becomes_one_of_our_codes(error, code):
    body = json.dumps({"id": PREDICTION, "status": "failed", "error": error}).encode()
    assert ADAPTER.parse(body).error_code == code


def test_an_answer_about_another_prediction_is_none(server):
    server.on(GET, (200, {"id": "another", "status": "starting"}))
    with pytest.raises(Unavailable):
        ADAPTER.fetch(account(server), PREDICTION)


def test_what_has_ended_cannot_be_canceled_and_need_not(server):
    server.on(CANCEL, (200, PAYLOAD / "webhook-canceled.json"), (422, {"detail": "already ended"}), (404, {}))
    for _ in range(3):
        ADAPTER.cancel(account(server), PREDICTION)
    assert server.calls == [CANCEL] * 3


def test_an_uploaded_photo_is_deleted_and_nothing_else_can_be(server):
    given = {"image": f"{server.url}/files/{FILE}", "prompt": "see https://elsewhere.example/files/x"}
    server.on(GET, (200, {"id": PREDICTION, "status": "succeeded", "input": given}))
    server.on(f"DELETE /files/{FILE}", (204, b""), (404, b""))
    for _ in range(2):
        ADAPTER.delete(account(server), PREDICTION)
    assert server.calls == [GET, f"DELETE /files/{FILE}"] * 2
    server.on(GET, (200, PAYLOAD / "webhook-completed.json"), (404, b""))
    for _ in range(2):
        ADAPTER.delete(account(server), PREDICTION)
    assert server.calls[4:] == [GET, GET]


def test_an_uploaded_photo_whose_address_does_not_hold_its_id_is_found_in_the_listing(server):
    address = f"{server.url}/stored/xyz"
    server.on(GET, (200, {"id": PREDICTION, "status": "failed", "input": {"image": address}}))
    files = [{"id": "f1", "urls": {"get": f"{server.url}/stored/other"}}, {"id": "f2", "urls": {"get": address}}]
    server.on("GET /files", (200, {"results": files, "next": None}), (200, {"results": [], "next": None}))
    server.on("DELETE /files/f2", (204, b""))
    for _ in range(2):
        ADAPTER.delete(account(server), PREDICTION)
    assert server.calls == [GET, "GET /files", "DELETE /files/f2", GET, "GET /files"]


# --- Upload -------------------------------------------------------------------------------------------


def test_a_photo_is_uploaded_with_our_reference_and_used_by_its_address(server):
    server.on("POST /files", (201, PAYLOAD / "file.json"))
    sent = ADAPTER.upload(account(server), submit_request(photo_url="", photo_bytes=PHOTO))
    assert sent.photo_url == f"{server.url}/files/{FILE}"
    (seen,) = server.seen
    assert seen.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="content"; filename="photo.jpg"' in seen.body
    assert b"Content-Type: image/jpeg" in seen.body
    assert PHOTO in seen.body
    assert b'{"reference": "our-token"}' in seen.body
    server.on(SUBMIT, (201, PAYLOAD / "submit.json"))
    ADAPTER.submit(account(server), sent)
    assert server.seen[-1].json["input"]["image"] == f"{server.url}/files/{FILE}"


def test_an_upload_without_an_address_of_replicates_own_is_tried_again(server):
    for body in ({}, {"urls": {"get": "https://elsewhere.example/files/x"}}, {"urls": {"get": 7}}):
        server.on("POST /files", (201, body))
        with pytest.raises(Unavailable):
            ADAPTER.upload(account(server), submit_request(photo_bytes=PHOTO))


# --- Webhooks -----------------------------------------------------------------------------------------

# Standard Webhooks' published example, and one computed by its recipe.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY_A = b'{"id":"task-1","status":"completed","outputs":["https://cdn.example/out.mp4"]}'
VECTORS = [
    (
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    ("msg_1", 1700000000, BODY_A, "v1,Pnjfmqqsfq3MVIOACkgVn676hJj+uHShSGEufjuX7qo="),
]


@pytest.mark.parametrize(("event_id", "at", "body", "signature"), VECTORS)
def test_the_vectors_of_the_contracts_verify(event_id, at, body, signature):
    holder = account("http://x", webhook_secrets=("whsec_bm90IHRoaXMgb25lLCBzb3JyeQ==", SECRET))
    headers = {"webhook-id": event_id, "webhook-timestamp": str(at), "webhook-signature": signature}
    now = datetime.fromtimestamp(at, UTC)
    assert ADAPTER.verify(holder, headers, body, now=now) == event_id
    with pytest.raises(StaleSignature):
        ADAPTER.verify(holder, headers, body, now=now + timedelta(seconds=301))
    with pytest.raises(BadSignature):
        ADAPTER.verify(holder, headers, body + b" ", now=now)


def test_the_secret_of_the_account_is_learned_and_nothing_else_is(server):
    server.on("GET /webhooks/default/secret", (200, PAYLOAD / "secret.json"))
    assert ADAPTER.learn_secrets(account(server)) == (SECRET,)
    for body in ({"key": "whsec_?"}, {"key": None}, {"key": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, {}):
        server.on("GET /webhooks/default/secret", (200, body))
        with pytest.raises(Unavailable):
            ADAPTER.learn_secrets(account(server))
    server.on("GET /webhooks/default/secret", (401, PAYLOAD / "refused-401.json"))
    with pytest.raises(AccountProblem):
        ADAPTER.learn_secrets(account(server))


def test_an_unknown_prediction_is_gone(server):
    with pytest.raises(PredictionGone):
        ADAPTER.fetch(account(server), PREDICTION)


# --- Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parameters", "sentences"),
    [
        ("", {"num_frames": 100, "sample_steps": 1, "sample_shift": 1.5, "seed": 3, "cancel_after": 300}, []),
        ("", {"num_frames": 121}, ["“num_frames” has to be a whole number from 81 to 100, not 121."]),
        ("", {"cancel_after": 1}, ["“cancel_after” has to be a whole number from 5 to 86400, not 1."]),
        ("kwaivgi/kling-v2.1", {"mode": "pro", "duration": 10}, []),
        ("kwaivgi/kling-v2.1", {"mode": "best"}, ["“mode” has to be “standard” or “pro”, not “best”."]),
        (
            "kwaivgi/kling-v2.1",
            {"input": {"start_image": "x"}},
            ["“input” cannot set “start_image”: it is different for every film."],
        ),
    ],
)
def test_parameters_are_checked_for_the_model_with_a_sentence_each(model, parameters, sentences):
    assert ADAPTER.check_parameters(parameters, model=model) == sentences
