"""WaveSpeed's webhooks: signatures, secrets."""

from datetime import UTC, datetime, timedelta

import pytest

from providers.errors import (
    BadSignature,
    StaleSignature,
)
from tests.providers.adapters.wavespeed import ADAPTER, account

# Computed by the recipe of WaveSpeed's documentation, whose own example does not verify.
SECRET, AT = "whsec_demoSecret123", 1700000000
BODY = b'{"id":"task-1","status":"completed","outputs":["https://cdn.example/out.mp4"]}'
HEADERS = {
    "webhook-id": "task-1",
    "webhook-timestamp": "1700000000",
    "webhook-signature": "v3,871bb214d83ead9e4c85a389c235837c785c4c50ac4c705075db1a3a849207b4",
}
NOW = datetime.fromtimestamp(AT, UTC)


def test_the_vector_of_the_contracts_verifies_with_the_secret_as_text():
    for secret in (SECRET, SECRET.removeprefix("whsec_")):
        holder = account("http://x", webhook_secrets=("whsec_another-secret", secret))
        assert ADAPTER.verify(holder, HEADERS, BODY, now=NOW) == "task-1:completed"
    event = ADAPTER.parse(BODY)
    assert (event.prediction_id, event.video_url) == ("task-1", "https://cdn.example/out.mp4")


@pytest.mark.parametrize(
    "signature",
    [
        HEADERS["webhook-signature"].upper(),
        HEADERS["webhook-signature"].replace("v3,", "v1,"),
        HEADERS["webhook-signature"].replace("v3,", ""),
        "v3,hxsytTq8uA==",
        "v3,",
    ],
)
def test_another_form_of_the_signature_is_forged(signature):
    holder = account("http://x", webhook_secrets=(SECRET,))
    with pytest.raises(BadSignature):
        ADAPTER.verify(holder, HEADERS | {"webhook-signature": signature}, BODY, now=NOW)


def test_an_old_delivery_is_stale():
    holder = account("http://x", webhook_secrets=(SECRET,))
    with pytest.raises(StaleSignature):
        ADAPTER.verify(holder, HEADERS, BODY, now=NOW + timedelta(seconds=301))


@pytest.mark.parametrize(
    ("secret", "is_usable"), [(SECRET, True), ("whsec_short", False), ("", False), ("é" * 20, False)]
)
def test_a_secret_that_could_be_guessed_is_rejected(secret, is_usable):
    assert (ADAPTER.check_secret(secret) == "") == is_usable


@pytest.mark.parametrize(
    "copied",
    [
        f"v1,{SECRET}",
        f"v3,{'0' * 64}",
        f"{SECRET} {SECRET}",
        f"{SECRET},{SECRET}",
        f"{SECRET}\n",
        f"whsec_{SECRET}",
        "whsec_a secret with spaces",
        "r8_0123456789abcdefghijklmnopqrstuvwxyzA",
        "0f6a6e2c-5a3d-4a8e-9b1f-1c2d3e4f5a6b:0123456789abcdef",
        "ed25519:" + "A" * 43,
        "0123456789abcdef" * 4,
    ],
)
def test_what_is_copied_instead_of_a_secret_gets_a_sentence(copied):
    assert ADAPTER.check_secret(copied).startswith("A WaveSpeed secret is whsec_")
