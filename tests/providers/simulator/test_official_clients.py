"""The vendors' official clients against the simulator, its signatures included."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from pathlib import Path

import fal_client
import fal_client.client as fal_globals
import httpx
import pytest
import replicate
import replicate.exceptions
import requests
import wavespeed
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from replicate.webhook import InvalidSignatureError, Webhooks, WebhookSigningSecret

from jobs.films.probe import probe
from tests.support.processes import wait_for

I2V = "wavespeed-ai/wan-2.2/i2v-720p"
KLING = "kwaivgi/kling-v2.1"
WAN = "fal-ai/wan/v2.2-a14b/image-to-video"
INPUT = {"image": "https://hero.example/me.jpg", "prompt": "a hero"}
REPLICATE_INPUT = {"start_image": "https://hero.example/me.jpg", "prompt": "a hero"}
FAL_INPUT = {"image_url": "https://hero.example/me.jpg", "prompt": "a hero"}


def assert_is_film(url: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(requests.get(url, timeout=10).content)
    assert probe(str(path), with_poster=False).codec == "h264"


# --- WaveSpeed 2.0.5 ---


@pytest.fixture
def wave(simulator):
    return wavespeed.Client(api_key="key", base_url=f"{simulator.url}/wavespeed", retry_interval=0.01)


def test_wavespeed_submits_polls_and_gets_a_film(wave, tmp_path):
    output = wave.run(I2V, INPUT, poll_interval=0.02, timeout=10)
    assert_is_film(output["outputs"][0], tmp_path)


def test_wavespeed_waits_in_sync_mode(wave, simulator):
    simulator.behave("wavespeed", times={"duration": 0.2})
    assert len(wave.run(I2V, INPUT, enable_sync_mode=True)["outputs"]) == 1


def test_wavespeed_uploads_a_photo(wave, tmp_path):
    photo = tmp_path / "me.jpg"
    photo.write_bytes(bytes(range(256)) * 4)
    url = wave.upload(str(photo))
    assert requests.get(url, timeout=10).content == photo.read_bytes()
    assert wave.run(I2V, {**INPUT, "image": url}, poll_interval=0.02)["outputs"]


def test_wavespeed_sees_a_failure_with_its_reason(wave, simulator):
    simulator.next("wavespeed", "outcome", "refuse")
    with pytest.raises(RuntimeError, match="content moderation"):
        wave.run(I2V, INPUT, poll_interval=0.02)


def test_wavespeed_never_repeats_a_submit_and_repeats_a_poll(wave, simulator):
    simulator.next("wavespeed", "submit", "busy")
    with pytest.raises(RuntimeError, match=re.escape('429: {"code":429,"message":"Too Many Requests"}')):
        wave.run(I2V, INPUT)
    simulator.next("wavespeed", "fetch", "status", status=503, times=2)
    wave.run(I2V, INPUT, poll_interval=0.02)
    assert simulator.state("wavespeed")["calls"] == {"fetch": 3, "submit": 2}


def test_wavespeed_webhook_passes_the_documented_check(wave, simulator, listener):
    """The client has no check of its own; this is the recipe of the provider's documentation."""
    webhook = listener.hook("ours").replace(":", "%3A").replace("/", "%2F")
    wave.run(f"{I2V}?webhook={webhook}", INPUT, poll_interval=0.02)
    (came,) = listener.wait("ours")
    secret = requests.get(
        f"{simulator.url}/wavespeed/api/v3/webhook/secret", headers={"Authorization": "Bearer key"}, timeout=10
    ).json()["data"]["secret"]
    message = f"{came.headers['webhook-id']}.{came.headers['webhook-timestamp']}.".encode() + came.body
    wanted = hmac.new(secret.removeprefix("whsec_").encode(), message, hashlib.sha256).hexdigest()
    assert came.headers["webhook-signature"] == f"v3,{wanted}"
    assert abs(time.time() - int(came.headers["webhook-timestamp"])) < 300
    assert list(came.json) == [
        *("id", "model", "input", "outputs", "urls", "has_nsfw_contents", "status", "created_at", "error"),
        *("executionTime", "timings"),
    ]
    assert came.json["id"] == came.headers["webhook-id"]
    assert came.json["status"] == "completed"
    assert came.json["input"] == INPUT


# --- Replicate 1.0.7 ---


@pytest.fixture
def kling(simulator, monkeypatch):
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.02")
    client = replicate.Client(api_token="r8_key", base_url=f"{simulator.url}/replicate")
    yield client
    client._client.close()


def test_replicate_submits_polls_and_gets_a_film(kling, simulator, tmp_path):
    simulator.behave("replicate", times={"duration": None})
    prediction = kling.predictions.create(model=KLING, input=REPLICATE_INPUT)
    assert prediction.status == "starting"
    prediction.reload()
    assert prediction.status == "processing"
    simulator.finish("replicate", prediction.id)
    prediction.wait()
    assert prediction.status == "succeeded"
    assert_is_film(prediction.output, tmp_path)
    assert prediction.progress.percentage == 1.0


def test_replicate_shows_progress_in_its_logs(kling, simulator):
    simulator.behave("replicate", times={"duration": 60})
    prediction = kling.predictions.create(model=KLING, input=REPLICATE_INPUT)
    wait_for(lambda: prediction.reload() or prediction.status == "processing", "it to run")
    assert prediction.progress.total == 30
    assert 0 <= prediction.progress.percentage < 0.5


@pytest.mark.parametrize(
    "way",
    [
        {"version": "a" * 64},
        {"version": f"{KLING}:{'b' * 64}"},
        {"version": KLING},
        {"deployment": "selfie/hero"},
    ],
)
def test_replicate_takes_every_way_to_name_a_model(kling, way):
    prediction = kling.predictions.create(**way, input=REPLICATE_INPUT)
    prediction.wait()
    assert prediction.status == "succeeded"


def test_replicate_run_waits_for_the_film(kling, tmp_path):
    assert_is_film(kling.run(KLING, input=REPLICATE_INPUT), tmp_path)


def test_replicate_holds_a_creation_that_prefers_to_wait(kling, simulator):
    simulator.behave("replicate", times={"duration": 0.2})
    assert kling.predictions.create(version="a" * 64, input=REPLICATE_INPUT, wait=5).status == "succeeded"
    simulator.behave("replicate", times={"duration": None})
    assert kling.predictions.create(version="a" * 64, input=REPLICATE_INPUT, wait=1).status == "processing"


def test_replicate_rejects_a_wrong_version_in_its_own_format(kling):
    with pytest.raises(replicate.exceptions.ReplicateError) as caught:
        kling.predictions.create(version="nonsense", input={})
    assert caught.value.status == 422
    assert caught.value.title == "Invalid version or not permitted"
    assert caught.value.detail.startswith("The specified version does not exist")


def test_replicate_lists_by_cursor(kling, simulator):
    for _ in range(205):
        kling.predictions.create(model=KLING, input=REPLICATE_INPUT)
    pages = list(replicate.pagination.paginate(kling.predictions.list))
    assert [len(page) for page in pages] == [100, 100, 5]
    ids = [one.id for page in pages for one in page]
    assert ids == [entry["prediction_id"] for entry in reversed(simulator.entries("replicate"))]
    assert pages[0][0].input == REPLICATE_INPUT
    newer = kling.predictions.list(pages[2].previous)
    assert [one.id for one in newer] == [one.id for one in pages[1]]


def test_replicate_cancels(kling, simulator):
    simulator.behave("replicate", times={"duration": 60})
    prediction = kling.predictions.create(model=KLING, input=REPLICATE_INPUT)
    prediction.cancel()
    assert prediction.status == "canceled"
    assert simulator.state("replicate")["open"] == 0


def test_replicate_keeps_files(kling, tmp_path):
    photo = tmp_path / "me.jpg"
    photo.write_bytes(b"\r\n--not a boundary\x00\xff\r\n" * 20)
    made = kling.files.create(photo, metadata={"for": "hero"})
    assert (made.name, made.content_type, made.size) == ("me.jpg", "image/jpeg", len(photo.read_bytes()))
    assert made.metadata == {"for": "hero"}
    assert kling.files.get(made.id) == made
    assert [one.id for one in kling.files.list()] == [made.id]
    assert requests.get(f"{made.urls['get']}/download", timeout=10).content == photo.read_bytes()
    assert kling.files.delete(made.id)
    assert kling.files.list() == []


def test_replicate_honours_retry_after_on_a_poll(kling, simulator):
    prediction = kling.predictions.create(model=KLING, input=REPLICATE_INPUT)
    simulator.next("replicate", "fetch", "busy", retry_after="iso", seconds=0)
    prediction.reload()
    assert simulator.state("replicate")["calls"]["fetch"] == 2


def test_replicate_itself_validates_the_webhooks(kling, simulator, listener):
    kling.predictions.create(
        model=KLING, input=REPLICATE_INPUT, webhook=listener.hook("ours"), webhook_events_filter=["start", "completed"]
    )
    came = listener.wait("ours", 2)
    secret = kling.webhooks.default.secret()
    for one in came:
        Webhooks.validate(headers=one.headers, body=one.body.decode(), secret=secret, tolerance=300)
        with pytest.raises(InvalidSignatureError):
            Webhooks.validate(headers=one.headers, body=one.body.decode() + " ", secret=secret)
    assert [one.json["status"] for one in came] == ["processing", "succeeded"]
    assert came[0].headers["webhook-id"] != came[1].headers["webhook-id"]
    other = WebhookSigningSecret(key=simulator.control("POST", "replicate/secret")["secret"])
    with pytest.raises(InvalidSignatureError):
        Webhooks.validate(headers=came[0].headers, body=came[0].body.decode(), secret=other)


def test_replicate_without_a_filter_sends_output_and_completed(kling, listener):
    kling.predictions.create(model=KLING, input=REPLICATE_INPUT, webhook=listener.hook("ours"))
    came = listener.wait("ours", 2)
    assert [(one.json["status"], bool(one.json["output"])) for one in came] == [
        ("processing", True),
        ("succeeded", True),
    ]


# --- fal-client 1.0.3, its addresses patched; the unpatched client is in test_official_fal_over_tls ---


@pytest.fixture
def wan(simulator, monkeypatch):
    base = f"{simulator.url}/fal"
    monkeypatch.setattr(fal_globals, "QUEUE_URL_FORMAT", f"{base}/")
    monkeypatch.setattr(fal_globals, "RUN_URL_FORMAT", f"{base}/run/")
    monkeypatch.setattr(fal_globals, "REST_URL", f"{base}/rest")
    monkeypatch.setattr(fal_globals, "CDN_URL", f"{base}/cdn")
    client = fal_client.SyncClient(key="kid:ksec")
    opened = [client._client]

    open_cdn_client = fal_client.SyncClient._get_cdn_client

    def remember(self: fal_client.SyncClient) -> httpx.Client:
        opened.append(open_cdn_client(self))
        return opened[-1]

    monkeypatch.setattr(fal_client.SyncClient, "_get_cdn_client", remember)  # it closes none of those itself
    yield client
    for one in opened:
        one.close()


def test_fal_submits_polls_and_gets_a_film(wan, simulator, tmp_path):
    simulator.behave("fal", times={"duration": None})
    handle = wan.submit(WAN, FAL_INPUT)
    assert isinstance(handle.status(), fal_client.InProgress)
    simulator.finish("fal", handle.request_id)
    result = handle.get(interval=0.02)
    assert_is_film(result["video"]["url"], tmp_path)
    assert result["video"]["file_size"] == (tmp_path / "film.mp4").stat().st_size
    assert isinstance(handle.status(with_logs=True), fal_client.Completed)


def test_fal_finds_a_request_again_by_its_id(wan):
    request_id = wan.submit(WAN, FAL_INPUT).request_id
    assert wan.result(WAN, request_id)["video"]["content_type"] == "video/mp4"


def test_fal_runs_directly(wan, simulator):
    simulator.behave("fal", times={"duration": 0.2})
    assert wan.run(WAN, FAL_INPUT)["video"]["file_name"] == "output.mp4"


def test_fal_shows_the_place_in_the_queue(wan, simulator):
    simulator.behave("fal", times={"duration": None}, limits={"concurrent": 1})
    running, first, second = (wan.submit(WAN, FAL_INPUT) for _ in range(3))
    assert isinstance(running.status(), fal_client.InProgress)
    assert (first.status(), second.status()) == (fal_client.Queued(position=0), fal_client.Queued(position=1))
    simulator.finish("fal", running.request_id)
    assert isinstance(first.status(), fal_client.InProgress)
    assert second.status() == fal_client.Queued(position=0)


def test_fal_cancels(wan, simulator):
    simulator.behave("fal", times={"duration": None})
    handle = wan.submit(WAN, FAL_INPUT)
    handle.cancel()
    assert handle.status().error_type == "client_cancelled"
    with pytest.raises(fal_client.client.FalClientHTTPError) as caught:
        handle.cancel()
    assert caught.value.response.json() == {"status": "ALREADY_COMPLETED"}


def test_fal_sees_a_failure_with_its_reason(wan, simulator):
    simulator.next("fal", "outcome", "refuse")
    with pytest.raises(fal_client.client.FalClientHTTPError) as caught:
        wan.submit(WAN, FAL_INPUT).get(interval=0.02)
    assert caught.value.status_code == 422
    assert caught.value.message[0]["type"] == "content_policy_violation"
    assert caught.value.response_headers["x-fal-retryable"] == "false"


def test_fal_sees_that_it_gave_up_waiting_for_the_start(wan, simulator):
    simulator.behave("fal", times={"duration": None}, limits={"concurrent": 1})
    wan.submit(WAN, FAL_INPUT)
    handle = wan.submit(WAN, FAL_INPUT, start_timeout=1.01)
    with pytest.raises(fal_client.client.FalClientHTTPError) as caught:
        handle.get(interval=0.05)
    assert (caught.value.status_code, caught.value.error_type) == (504, "request_timeout")
    assert caught.value.response_headers["x-fal-request-timeout-type"] == "user"


def test_fal_repeats_a_busy_submit_and_pays_once(wan, simulator):
    simulator.next("fal", "submit", "busy", times=2)
    wan.submit(WAN, FAL_INPUT)
    state = simulator.state("fal")
    assert (state["submits"], state["accepted"], state["refused"]) == (3, 1, {"429": 2})


@pytest.mark.parametrize(("repository", "threshold"), [("fal_v3", 10**9), ("fal", 10**9), ("fal_v3", 1000)])
def test_fal_uploads_a_photo_in_each_way(wan, monkeypatch, repository, threshold):
    monkeypatch.setattr(fal_globals, "MULTIPART_THRESHOLD", threshold)
    monkeypatch.setattr(fal_globals, "MULTIPART_CHUNK_SIZE", 700)
    photo = bytes(range(256)) * 8
    url = wan.upload(photo, "image/jpeg", "me.jpg", repository=repository, fallback_repository=[])
    answer = requests.get(url, timeout=10)
    assert answer.content == photo
    assert answer.headers["Content-Type"] == "image/jpeg"


def test_fal_webhook_passes_the_documented_check(wan, simulator, listener):
    """The client has no check of its own; this is the recipe of the provider's documentation."""
    handle = wan.submit(WAN, FAL_INPUT, webhook_url=listener.hook("ours"))
    (came,) = listener.wait("ours")
    keys = requests.get(f"{simulator.url}/fal/rest/.well-known/jwks.json", timeout=10).json()["keys"]
    head = came.headers
    lines = [head["x-fal-webhook-request-id"], head["x-fal-webhook-user-id"], head["x-fal-webhook-timestamp"]]
    message = "\n".join([*lines, hashlib.sha256(came.body).hexdigest()]).encode()
    fits = []
    for key in keys:
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "="))
        try:
            public.verify(bytes.fromhex(head["x-fal-webhook-signature"]), message)
            fits.append(key["kid"])
        except InvalidSignature:
            continue
    assert len(keys) == 2
    assert len(fits) == 1
    assert came.json["request_id"] == handle.request_id == head["x-fal-webhook-request-id"]
    assert came.json["status"] == "OK"
    assert came.json["payload"]["video"]["url"].startswith("http")


def test_fal_without_a_key_gets_its_error(simulator):
    answer = httpx.post(f"{simulator.url}/fal/{WAN}", json=FAL_INPUT)
    assert (answer.status_code, answer.json()) == (401, {"detail": "No user found for Key ID and Secret"})
