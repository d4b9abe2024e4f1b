"""fal's webhooks: signatures, keys, and what they report."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers.errors import (
    BadSignature,
    StaleSignature,
)
from providers.types import PredictionStatus
from tests.providers.adapters.fal import ADAPTER, account
from tests.support.vendors import fal_secret

# Computed by the recipe of fal's documentation; the private key is the bytes 00 to 1f.
KEY = "ed25519:A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
AT = 1700000000
BODY = (
    b'{"request_id":"req-1","gateway_request_id":"req-1","status":"OK",'
    b'"payload":{"video":{"url":"https://cdn.example/out.mp4"}}}'
)
HEADERS = {
    "x-fal-webhook-request-id": "req-1",
    "x-fal-webhook-user-id": "user-1",
    "x-fal-webhook-timestamp": "1700000000",
    "x-fal-webhook-signature": "5df1de093c75f8284c2f809c270335339d23bb7a97fe48a63fd5287fc9ae0b8f"
    "9ebb98bf9643737ad9ec83da282c2cd702d00e554a5a472da922fe0fea3f5d0a",
}
NOW = datetime.fromtimestamp(AT, UTC)


def test_the_vector_of_the_contracts_verifies():
    assert fal_secret(Ed25519PrivateKey.from_private_bytes(bytes(range(32)))).shown == KEY
    holder = account("http://x", webhook_secrets=(fal_secret().shown, KEY))
    assert ADAPTER.verify(holder, HEADERS, BODY, now=NOW) == "req-1:OK"
    event = ADAPTER.parse(BODY)
    assert (event.prediction_id, event.video_url) == ("req-1", "https://cdn.example/out.mp4")


@pytest.mark.parametrize("name", [*HEADERS])
def test_every_header_is_signed(name):
    holder = account("http://x", webhook_secrets=(KEY,))
    with pytest.raises(BadSignature) as caught:
        ADAPTER.verify(holder, HEADERS | {name: "1" * len(HEADERS[name])}, BODY, now=NOW)
    assert not isinstance(caught.value, StaleSignature)


def test_an_old_delivery_is_stale():
    holder = account("http://x", webhook_secrets=(KEY,))
    with pytest.raises(StaleSignature):
        ADAPTER.verify(holder, HEADERS, BODY, now=NOW + timedelta(seconds=301))


@pytest.mark.parametrize(
    "secret", ["A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg", "ed25519:AAAA", "whsec_x", "ed25519:" + "+" * 43]
)
def test_what_is_no_public_key_is_rejected_with_a_message(secret):
    assert "ed25519:" in ADAPTER.check_secret(secret)


def test_an_ok_in_other_words_changes_nothing(caplog):
    event = ADAPTER.parse(json.dumps({"request_id": "r", "status": "FINE", "payload": {}}).encode())
    assert event.status == PredictionStatus.UNKNOWN
    assert "status_unknown provider=fal" in caplog.text
