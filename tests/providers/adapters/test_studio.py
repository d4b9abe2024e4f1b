"""The studio's adapter against a real studio, and against unexpected responses."""

import io
import json
from datetime import UTC, datetime, timedelta

import av
import pytest
import requests

from providers import registry, signatures
from providers.errors import AccountProblem, BadSignature, Busy, PredictionGone, Rejected, StaleSignature, Unavailable
from providers.types import Account, PredictionStatus, SubmitRequest, Watermark
from tests.support.processes import wait_for
from tests.support.raw_server import answering, listening
from tests.support.studio import PHOTO, Receiver, running_studio

ADAPTER = registry.adapter_for("studio")


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with running_studio(tmp_path_factory.mktemp("studio"), waiting_places=2) as running:
        yield running


@pytest.fixture
def account(studio):
    secrets = (studio.credentials.webhook_secret,)
    return Account("studio", studio.url, api_key=studio.credentials.api_key, webhook_secrets=secrets)


def submit_request(reference, **changes):
    texts = {"look": "neon-noir", "prompt": "", "negative_prompt": "", "hero_name": "NOVA-7", "seed": "1"}
    return SubmitRequest(reference, **texts | {"webhook_url": "", "photo_bytes": PHOTO} | changes)


def fetch_until(account, prediction_id, *statuses):
    def reached():
        event = ADAPTER.fetch(account, prediction_id)
        return event if event.status in statuses else None

    return wait_for(reached, f"the prediction to be {statuses}")


def test_a_watermark_reaches_the_renderer(account):
    accepted = ADAPTER.submit(account, submit_request("marked", watermark=Watermark(bytes(32), 4711)))
    done = fetch_until(account, accepted.prediction_id, PredictionStatus.SUCCEEDED)
    film = requests.get(done.video_url, timeout=10).content
    with av.open(io.BytesIO(film)) as container:
        assert container.metadata["comment"] == "1 watermark=4711"
    ADAPTER.delete(account, done.prediction_id)


def test_a_film_from_submit_to_success(account):
    accepted = ADAPTER.submit(account, submit_request("journey"))
    assert accepted.status == PredictionStatus.QUEUED
    assert accepted.queue_position is not None
    done = fetch_until(account, accepted.prediction_id, PredictionStatus.SUCCEEDED)
    assert (done.progress, done.error_code) == (1.0, "")
    assert done.video_url.startswith(f"{account.base_url}/files/")
    assert done.preview_url.endswith("/poster.jpg")
    assert ADAPTER.find(account, "journey") == done
    assert ADAPTER.submit(account, submit_request("journey")).prediction_id == done.prediction_id
    ADAPTER.cancel(account, done.prediction_id)
    assert ADAPTER.fetch(account, done.prediction_id).status == PredictionStatus.SUCCEEDED
    ADAPTER.delete(account, done.prediction_id)
    ADAPTER.delete(account, done.prediction_id)
    ADAPTER.cancel(account, done.prediction_id)
    assert ADAPTER.find(account, "journey") is None
    with pytest.raises(PredictionGone):
        ADAPTER.fetch(account, done.prediction_id)


@pytest.mark.parametrize(
    ("hero_name", "code"),
    [("NOFACE", "no_face"), ("UNREADABLE", "photo_unreadable"), ("BROKEN", "provider_failed")],
)
def test_a_failure_in_our_words(account, hero_name, code):
    accepted = ADAPTER.submit(account, submit_request(f"fails-{hero_name}", hero_name=hero_name))
    failed = fetch_until(account, accepted.prediction_id, PredictionStatus.FAILED)
    assert failed.error_code == code
    assert failed.raw_error


def test_a_full_studio_is_busy_for_as_long_as_it_says(account):
    accepted = [ADAPTER.submit(account, submit_request("busy-0", hero_name="SLOW"))]
    fetch_until(account, accepted[0].prediction_id, PredictionStatus.RUNNING)
    accepted += [ADAPTER.submit(account, submit_request(f"busy-{number}", hero_name="SLOW")) for number in (1, 2)]
    with pytest.raises(Busy) as caught:
        ADAPTER.submit(account, submit_request("busy-3"))
    assert timedelta(seconds=1) <= caught.value.retry_after <= timedelta(minutes=1)
    assert ADAPTER.find(account, "busy-3") is None
    for event in accepted:
        ADAPTER.cancel(account, event.prediction_id)
        assert ADAPTER.fetch(account, event.prediction_id).status == PredictionStatus.CANCELED


def test_what_the_studio_will_never_take_is_rejected(account):
    with pytest.raises(Rejected) as caught:
        ADAPTER.submit(account, submit_request("rejected", look="steampunk"))
    assert caught.value.code == "request_refused"
    with pytest.raises(Rejected):
        ADAPTER.submit(account, submit_request("rejected", photo_bytes=b"GIF89a"))


def test_a_wrong_key_is_an_account_problem(account):
    wrong_key = Account("studio", account.base_url, api_key="wrong")
    for call in (
        lambda: ADAPTER.submit(wrong_key, submit_request("stranger")),
        lambda: ADAPTER.fetch(wrong_key, "p_1"),
        lambda: ADAPTER.find(wrong_key, "x"),
        lambda: ADAPTER.cancel(wrong_key, "p_1"),
    ):
        with pytest.raises(AccountProblem):
            call()


def test_its_webhooks_are_verified_and_read(studio, account):
    kept = []
    with Receiver(studio.credentials.webhook_secret) as receiver:
        receiver.take = lambda path, headers, body: kept.append((headers, body)) or 204
        accepted = ADAPTER.submit(account, submit_request("hooks", webhook_url=f"{receiver.url}/x"))
        wait_for(lambda: kept and b"prediction.succeeded" in kept[-1][1], "the last webhook")
    now = datetime.now(UTC)
    event_ids = [ADAPTER.verify(account, headers, body, now=now) for headers, body in kept]
    assert len(set(event_ids)) == len(event_ids)
    events = [ADAPTER.parse(body) for _, body in kept]
    assert {event.prediction_id for event in events} == {accepted.prediction_id}
    assert events[0].status == PredictionStatus.RUNNING
    assert events[-1] == ADAPTER.parse(kept[-1][1])
    assert (events[-1].status, events[-1].is_final) == (PredictionStatus.SUCCEEDED, True)
    assert abs(events[-1].reported_at - now) < timedelta(seconds=10)
    headers, body = kept[-1]
    with pytest.raises(StaleSignature):
        ADAPTER.verify(account, headers, body, now=now + timedelta(minutes=6))
    with pytest.raises(BadSignature):
        ADAPTER.verify(account, headers, body.replace(b"succeeded", b"succeedee"), now=now)
    other = Account("studio", account.base_url, webhook_secrets=(signatures.new_secret(),))
    with pytest.raises(BadSignature):
        ADAPTER.verify(other, headers, body, now=now)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("queued", PredictionStatus.QUEUED),
        ("starting", PredictionStatus.WARMING_UP),
        ("running", PredictionStatus.RUNNING),
        ("succeeded", PredictionStatus.SUCCEEDED),
        ("failed", PredictionStatus.FAILED),
        ("canceled", PredictionStatus.CANCELED),
        ("SUCCEEDED", PredictionStatus.UNKNOWN),
        ("paused", PredictionStatus.UNKNOWN),
        (None, PredictionStatus.UNKNOWN),
        (7, PredictionStatus.UNKNOWN),
    ],
)
def test_words_are_mapped_and_the_unknown_stays_unknown(word, status):
    event = ADAPTER.parse(json.dumps({"prediction": {"id": "p_1", "status": word}}).encode())
    assert event.status == status
    assert event.error_code == ("provider_failed" if status == PredictionStatus.FAILED else "")


@pytest.mark.parametrize(
    ("given", "progress"),
    [
        ("0.5", 0.5),
        ("-1", 0.0),
        ("7", 1.0),
        ("true", None),
        ('"0.5"', None),
        ("NaN", None),
        ("1e999", None),
        ("null", None),
        ("9" * 400, None),
    ],
)
def test_only_a_number_is_progress(given, progress):
    body = f'{{"prediction": {{"id": "p_1", "status": "running", "progress": {given}}}}}'
    assert ADAPTER.parse(body.encode()).progress == progress


def test_a_look_up_that_answers_with_another_prediction_proves_nothing():
    body = b'{"items": [{"id": "p_1", "status": "running", "reference": "another"}]}'
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with listening(answering(head + body)) as url, pytest.raises(Unavailable):
        ADAPTER.find(Account("studio", url.rstrip("/")), "mine")
