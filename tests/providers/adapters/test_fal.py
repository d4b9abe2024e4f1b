"""fal's adapter against responses made after its documentation."""

import base64
import json

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
from tests.providers.adapters.fal import ADAPTER, MODEL, PHOTO, account, submit_request
from tests.support.scripted import PAYLOADS

REQUEST = "764cabcf-b745-4b3e-ae38-1200304cf45b"
SUBMIT = f"POST /{MODEL}"
OPEN = f"/fal-ai/wan/requests/{REQUEST}"
STATUS, RESULT, CANCEL = f"GET {OPEN}/status", f"GET {OPEN}", f"PUT {OPEN}/cancel"
PAYLOAD = PAYLOADS / "fal"


# --- Submit -------------------------------------------------------------------------------------------


def test_a_submit_is_flat_json_of_which_nothing_is_stored(server):
    server.on(SUBMIT, (200, PAYLOAD / "submit.json"))
    event = ADAPTER.submit(account(server), submit_request())
    assert (event.prediction_id, event.status, event.queue_position) == (REQUEST, PredictionStatus.QUEUED, 3)
    (seen,) = server.seen
    assert seen.query == {"fal_webhook": "https://hero.example/h?job=1&k=2"}
    assert seen.headers["authorization"] == "Key kid:ksec"
    assert seen.headers["x-fal-store-io"] == "0"
    assert json.loads(seen.headers["x-fal-object-lifecycle-preference"]) == {"expiration_duration_seconds": 3600}
    assert {name: value for name, value in seen.json.items() if name != "seed"} == {
        "image_url": "https://hero.example/photo.jpg",
        "prompt": "a hero",
        "num_frames": 81,
        "frames_per_second": 16,
        "resolution": "720p",
        "aspect_ratio": "9:16",
    }


def test_staff_choose_lifetime_and_patience(server):
    server.on(SUBMIT, (200, PAYLOAD / "submit.json"))
    ADAPTER.submit(
        account(server, parameters={"keep_seconds": 900, "start_timeout": 60}), submit_request(webhook_url="")
    )
    (seen,) = server.seen
    assert json.loads(seen.headers["x-fal-object-lifecycle-preference"]) == {"expiration_duration_seconds": 900}
    assert seen.headers["x-fal-request-timeout"] == "60.0"
    assert "keep_seconds" not in seen.json
    assert seen.query == {}


def test_the_shortest_answer_the_docs_show_is_enough(server):
    server.on(SUBMIT, (200, {"request_id": REQUEST, "gateway_request_id": REQUEST}))
    assert ADAPTER.submit(account(server), submit_request()).status == PredictionStatus.QUEUED


def test_a_request_that_is_over_at_once_still_has_to_be_asked_for_its_film(server):
    server.on(SUBMIT, (200, PAYLOAD / "status-completed.json"))
    event = ADAPTER.submit(account(server), submit_request())
    assert (event.status, event.is_final) == (PredictionStatus.RUNNING, False)


def test_a_photo_may_travel_inside_the_request_up_to_a_length(server):
    server.on(SUBMIT, (200, PAYLOAD / "submit.json"))
    ADAPTER.submit(account(server), submit_request(photo_url="", photo_bytes=PHOTO))
    assert server.seen[0].json["image_url"] == "data:image/jpeg;base64," + base64.b64encode(PHOTO).decode()
    with pytest.raises(Rejected, match="by upload"):
        ADAPTER.submit(account(server), submit_request(photo_url="", photo_bytes=bytes(4_000_001)))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "code"),
    [
        (401, {"detail": "Unauthorized"}, AccountProblem, "key"),
        (403, PAYLOAD / "refused-403-balance.json", AccountProblem, "billing"),
        (403, {"detail": "User is locked. Reason: TOP_UP"}, AccountProblem, "billing"),
        (403, {"detail": "User is locked. Reason: Admin lock"}, AccountProblem, "billing"),
        (403, PAYLOAD / "refused-403-key.json", AccountProblem, "key"),
        (404, {"detail": "Application not found"}, Rejected, "request_refused"),
        (422, PAYLOAD / "result-policy.json", Rejected, "photo_refused"),
        (422, PAYLOAD / "result-policy-prompt.json", Rejected, "request_refused"),
        (422, PAYLOAD / "result-image-load.json", Rejected, "photo_unreadable"),
        (422, PAYLOAD / "result-download.json", Rejected, "request_refused"),
        (422, PAYLOAD / "result-face.json", Rejected, "no_face"),
        (400, {"detail": "bad timeout", "error_type": "bad_request"}, Rejected, "request_refused"),
        (429, {"detail": "concurrent_requests_limit"}, Busy, None),
        (500, {"detail": "x", "error_type": "internal_error"}, Unconfirmed, None),
        (499, {"detail": "x", "error_type": "client_disconnected"}, Unconfirmed, None),
        (503, {"detail": "x", "error_type": "runner_scheduling_failure"}, Unavailable, None),
        (200, {"status": "IN_QUEUE"}, Unconfirmed, None),
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


def test_an_error_does_not_contain_the_photo(server):
    server.on(SUBMIT, (422, PAYLOAD / "result-image-load.json"))
    with pytest.raises(Rejected) as caught:
        ADAPTER.submit(account(server), submit_request())
    assert "image_load_error at body.image_url" in caught.value.detail
    assert "hero.example" not in caught.value.detail


# --- Fetch --------------------------------------------------------------------------------------------


def test_a_request_from_queue_to_film(server):
    server.on(
        STATUS,
        (202, PAYLOAD / "status-in-queue.json"),
        (202, PAYLOAD / "status-in-progress.json"),
        (200, PAYLOAD / "status-completed.json"),
    )
    server.on(RESULT, (200, PAYLOAD / "result.json"))
    waiting, running, done = (ADAPTER.fetch(account(server), REQUEST) for _ in range(3))
    assert (waiting.status, waiting.queue_position) == (PredictionStatus.QUEUED, 2)
    assert running.status == PredictionStatus.RUNNING
    assert (done.status, done.progress) == (PredictionStatus.SUCCEEDED, 1.0)
    assert done.video_url == "https://v3.fal.media/files/b/kangaroo/out.mp4"
    assert server.calls == [STATUS, STATUS, STATUS, RESULT]


@pytest.mark.parametrize(
    ("status", "result", "becomes", "code"),
    [
        ("status-completed-error.json", (200, {}), PredictionStatus.FAILED, "provider_timeout"),
        ("status-completed-canceled.json", (200, {}), PredictionStatus.CANCELED, ""),
        ("status-completed.json", (422, PAYLOAD / "result-policy.json"), PredictionStatus.FAILED, "photo_refused"),
        (
            "status-completed.json",
            (422, PAYLOAD / "result-policy-prompt.json"),
            PredictionStatus.FAILED,
            "request_refused",
        ),
        ("status-completed.json", (422, PAYLOAD / "result-download.json"), PredictionStatus.FAILED, "provider_failed"),
        (
            "status-completed.json",
            (500, {"detail": "Internal Server Error"}),
            PredictionStatus.FAILED,
            "provider_failed",
        ),
        (
            "status-completed.json",
            (504, {"detail": "x", "error_type": "request_timeout"}),
            PredictionStatus.FAILED,
            "provider_timeout",
        ),
        ("status-completed.json", (200, {"images": []}), PredictionStatus.FAILED, "provider_failed"),
        ("status-completed.json", (200, {"video": None}), PredictionStatus.FAILED, "provider_failed"),
        ("status-completed.json", (400, {"detail": "Request is still in progress"}), PredictionStatus.RUNNING, ""),
    ],
)
def test_what_is_over_has_failed_in_its_status_or_in_its_result(server, status, result, becomes, code):
    server.on(STATUS, (200, PAYLOAD / status))
    server.on(RESULT, result)
    event = ADAPTER.fetch(account(server), REQUEST)
    assert (event.status, event.error_code, event.video_url) == (becomes, code, "")


def test_an_error_in_the_status_is_explained_by_the_result(server):
    server.on(
        STATUS, (200, {"status": "COMPLETED", "request_id": REQUEST, "logs": None, "error": "Invalid status code: 422"})
    )
    server.on(RESULT, (422, PAYLOAD / "result-policy.json"), (404, {"detail": "gone"}), (200, PAYLOAD / "result.json"))
    explained, unexplained, contradicted = (ADAPTER.fetch(account(server), REQUEST) for _ in range(3))
    assert explained.error_code == "photo_refused"
    assert (unexplained.status, unexplained.error_code) == (PredictionStatus.FAILED, "provider_failed")
    assert "422" in unexplained.raw_error
    assert contradicted.status == PredictionStatus.FAILED


@pytest.mark.parametrize(
    ("status", "result", "error"),
    [
        ((404, PAYLOAD / "not-found.json"), (200, {}), PredictionGone),
        ((200, {"status": "COMPLETED", "request_id": "another"}), (200, {}), Unavailable),
        ((200, {"request_id": REQUEST}), (200, {}), Unavailable),
        ((200, PAYLOAD / "status-completed.json"), (404, {"detail": "expired"}), PredictionGone),
        ((200, PAYLOAD / "status-completed.json"), (502, b"<html>nginx</html>"), Unavailable),
        ((200, PAYLOAD / "status-completed.json"), (200, b"<html>"), Unavailable),
        ((200, PAYLOAD / "status-completed.json"), (403, PAYLOAD / "refused-403-balance.json"), AccountProblem),
        ((200, PAYLOAD / "status-completed.json"), (429, {"detail": "slow down"}), Busy),
        ((200, PAYLOAD / "status-completed.json"), (302, {"detail": "x"}), Unavailable),
    ],
)
def test_a_question_without_an_answer_says_why(server, status, result, error):
    server.on(STATUS, status)
    server.on(RESULT, result)
    with pytest.raises(error) as caught:
        ADAPTER.fetch(account(server), REQUEST)
    assert type(caught.value) is error


def test_an_unknown_status_stays_unknown(server, caplog):
    server.on(STATUS, (200, {"status": "FAILED", "request_id": REQUEST}))
    assert ADAPTER.fetch(account(server), REQUEST).status == PredictionStatus.UNKNOWN
    assert "status_unknown provider=fal" in caplog.text


@pytest.mark.parametrize(
    ("model", "start"),
    [
        ("fal-ai/kling-video/v2.1/standard/image-to-video", "/fal-ai/kling-video/requests/r1"),
        ("fal-ai/wan", "/fal-ai/wan/requests/r1"),
        ("workflows/me/my-flow", "/workflows/me/my-flow/requests/r1"),
        ("comfy/me/my-graph", "/comfy/me/my-graph/requests/r1"),
    ],
)
def test_addresses_hold_owner_and_app_alone(server, model, start):
    with pytest.raises(PredictionGone):
        ADAPTER.fetch(account(server, model=model), "r1")
    assert server.calls == [f"GET {start}/status"]


@pytest.mark.parametrize("model", ["fal-ai", "../x", "fal-ai/../x", "fal-ai/wan?x", "a b/c"])
def test_a_model_that_is_none_is_never_called(server, model):
    assert "looks like" in ADAPTER.check_model(model)
    for call in (
        lambda: ADAPTER.submit(account(server, model=model), submit_request()),
        lambda: ADAPTER.fetch(account(server, model=model), "x"),
    ):
        with pytest.raises(AccountProblem):
            call()
    assert server.calls == []


# --- Cancel and delete --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        (202, {"status": "CANCELLATION_REQUESTED"}),
        (200, b"OK"),
        (400, PAYLOAD / "already-completed.json"),
        (404, PAYLOAD / "not-found.json"),
    ],
)
def test_what_is_stopped_over_or_gone_is_a_success(server, answer):
    server.on(CANCEL, answer)
    ADAPTER.cancel(account(server), REQUEST)
    assert server.calls == [CANCEL]


def test_there_is_nothing_to_delete(server):
    assert not ADAPTER.can_delete
    ADAPTER.delete(account(server), REQUEST)
    assert server.calls == []


# --- Hosts, upload, keys ------------------------------------------------------------------------------


def test_rest_and_cdn_are_below_a_base_url_that_is_not_fals(server):
    base = f"{server.url}/fal"
    server.on("POST /fal/rest/storage/auth/token", (200, PAYLOAD / "upload-token.json"))
    server.on("POST /fal/cdn/files/upload", (200, PAYLOAD / "uploaded.json"))
    server.on("GET /fal/rest/.well-known/jwks.json", (200, PAYLOAD / "jwks.json"))
    sent = ADAPTER.upload(account(base), submit_request(photo_url="", photo_bytes=PHOTO))
    assert sent.photo_url == "https://v3.fal.media/files/b/zebra/photo.jpg"
    token, stored = server.seen
    assert (token.query, token.json) == ({"storage_type": "fal-cdn-v3"}, {})
    assert token.headers["authorization"] == "Key kid:ksec"
    assert (stored.body, stored.headers["authorization"]) == (PHOTO, "Bearer cdn-token")
    assert stored.headers["x-fal-file-name"] == "photo.jpg"
    assert stored.headers["content-type"] == "image/jpeg"
    assert json.loads(stored.headers["x-fal-object-lifecycle"]) == {"expiration_duration_seconds": 3600}
    assert ADAPTER.learn_secrets(account(base)) == ("ed25519:A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",)
    assert "authorization" not in server.seen[-1].headers


def test_staff_may_say_where_rest_and_cdn_are(server):
    parameters = {"rest_url": f"{server.url}/r/", "cdn_url": f"{server.url}/c"}
    server.on("POST /r/storage/auth/token", (200, PAYLOAD / "upload-token.json"))
    server.on("POST /c/files/upload", (200, PAYLOAD / "uploaded.json"))
    server.on("GET /r/.well-known/jwks.json", (200, PAYLOAD / "jwks.json"))
    real = account("https://queue.fal.run", parameters=parameters)
    assert ADAPTER.upload(real, submit_request(photo_bytes=PHOTO)).photo_url
    assert ADAPTER.learn_secrets(real)


@pytest.mark.parametrize("base_url", ["https://queue.fal.run", "https://queue.falrun.com"])
def test_fals_own_hosts_belong_together(base_url, monkeypatch):
    asked = []

    def refuse(method, url, **_):
        asked.append(url)
        raise Unavailable("not in a test")

    monkeypatch.setattr("providers.http.client.call", refuse)
    for call in (ADAPTER.learn_secrets, lambda holder: ADAPTER.upload(holder, submit_request(photo_bytes=PHOTO))):
        with pytest.raises(Unavailable):
            call(account(base_url))
    assert asked == ["https://rest.fal.ai/.well-known/jwks.json", "https://rest.fal.ai/storage/auth/token"]


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"keys": []}),
        (200, {"keys": {"kty": "OKP"}}),
        (200, {"keys": [7, {"kty": "OKP", "crv": "Ed25519", "x": "short"}]}),
        (200, {"keys": [{"kty": "OKP", "crv": "Ed448", "x": "A" * 43}]}),
        (500, b""),
    ],
)
def test_keys_that_are_none_are_not_learned(server, answer):
    server.on("GET /rest/.well-known/jwks.json", answer)
    with pytest.raises(Unavailable):
        ADAPTER.learn_secrets(account(server))


# --- Parameters ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "parameters", "sentences"),
    [
        ("", {"num_frames": 17, "resolution": "480p", "aspect_ratio": "auto", "seed": 0, "keep_seconds": 600}, []),
        ("", {"num_frames": 16}, ["“num_frames” has to be a whole number from 17 to 161, not 16."]),
        ("", {"resolution": "1080p"}, ["“resolution” has to be “480p”, “580p” or “720p”, not “1080p”."]),
        (
            "",
            {"rest_url": "rest.fal.ai"},
            ["“rest_url” has to be a public address that begins with https://, not “rest.fal.ai”."],
        ),
        (
            "fal-ai/kling-video/v2.5-turbo/pro/image-to-video",
            {"duration": 5},
            ["“duration” has to be “5” or “10”, not 5."],
        ),
        ("somebody/model", {"image_field": "first_frame_url", "input": {"steps": 3}}, []),
        (
            "somebody/model",
            {"image_field": "first_frame_url", "input": {"first_frame_url": "x"}},
            ["“input” cannot set “first_frame_url”: it is different for every film."],
        ),
    ],
)
def test_parameters_are_checked_for_the_model_with_a_sentence_each(model, parameters, sentences):
    assert ADAPTER.check_parameters(parameters, model=model) == sentences
