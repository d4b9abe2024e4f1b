"""What the contract tests have to know of each vendor: how it signs, what its answers look like, what its events mean.

An adapter that is registered and not in `VENDORS` fails `test_every_adapter_is_described_here`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from providers import signatures
from providers.types import PredictionStatus
from tests.support.scripted import PAYLOADS

QUEUED, RUNNING, SUCCEEDED = PredictionStatus.QUEUED, PredictionStatus.RUNNING, PredictionStatus.SUCCEEDED
FAILED, CANCELED = PredictionStatus.FAILED, PredictionStatus.CANCELED


@dataclass(frozen=True)
class Secret:
    """What an account holds, and what the vendor signs with."""

    shown: str
    signs_with: Any = field(repr=False)


@dataclass(frozen=True)
class Vendor:
    """`sign(secret, body, at, number)` returns the headers of the number-th delivery, as the vendor sends them."""

    make_secret: Callable[[], Secret]
    sign: Callable[[Secret, bytes, int, int], dict[str, str]]
    # The name of the signature's header, and how to spoil a signature without changing its length.
    signature_header: str
    # What each recorded webhook means: its status and failure code.
    events: Mapping[str, tuple[PredictionStatus, str]]
    # An answer to a submit that was accepted, with this prediction's id; the status it means.
    accepted: Callable[[str], tuple[int, dict[str, Any]]]
    accepted_as: PredictionStatus
    # What the vendor's secrets endpoint answers, and where it is below the base URL.
    secrets_path: str = ""
    secrets_answer: Callable[[Secret], dict[str, Any]] = lambda secret: {}

    @property
    def deliveries(self) -> list[bytes]:
        """Two recorded webhooks of one prediction in two states."""
        return [recorded(self, name) for name in list(self.events)[:2]]


def recorded(vendor: Vendor, event: str) -> bytes:
    """Return a recorded webhook's body."""
    name = next(name for name, one in VENDORS.items() if one is vendor)
    return (PAYLOADS / name / f"webhook-{event}.json").read_bytes()


def _standard_secret() -> Secret:
    secret = signatures.new_secret()
    return Secret(secret, secret)


def _standard_signature(secret: Secret, body: bytes, at: int, number: int) -> dict[str, str]:
    """Made from the specification, not by our own code."""
    key = base64.b64decode(secret.signs_with.removeprefix("whsec_"))
    digest = hmac.new(key, f"msg_{number}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": f"msg_{number}",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def wavespeed_signature(secret: Secret, body: bytes, at: int, number: int) -> dict[str, str]:
    """The id is the task's, so it is the same for every delivery of it."""
    task = json.loads(body)["id"]
    key = secret.signs_with.removeprefix("whsec_").encode()
    digest = hmac.new(key, f"{task}.{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"webhook-id": task, "webhook-timestamp": str(at), "webhook-signature": f"v3,{digest}"}


def fal_secret(private: Ed25519PrivateKey | None = None) -> Secret:
    private = private or Ed25519PrivateKey.generate()
    x = base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).decode().rstrip("=")
    return Secret(f"ed25519:{x}", private)


def fal_signature(secret: Secret, body: bytes, at: int, number: int) -> dict[str, str]:
    request_id = json.loads(body)["request_id"]
    message = f"{request_id}\nuser-1\n{at}\n{hashlib.sha256(body).hexdigest()}"
    return {
        "x-fal-webhook-request-id": request_id,
        "x-fal-webhook-user-id": "user-1",
        "x-fal-webhook-timestamp": str(at),
        "x-fal-webhook-signature": secret.signs_with.sign(message.encode()).hex(),
    }


def _jwk(secret: Secret) -> dict[str, Any]:
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": secret.shown.removeprefix("ed25519:")}]}


VENDORS = {
    "studio": Vendor(
        make_secret=_standard_secret,
        sign=_standard_signature,
        signature_header="webhook-signature",
        events={"running": (RUNNING, ""), "succeeded": (SUCCEEDED, ""), "failed": (FAILED, "no_face")},
        accepted=lambda prediction_id: (202, {"id": prediction_id, "status": "queued"}),
        accepted_as=QUEUED,
    ),
    "wavespeed": Vendor(
        make_secret=_standard_secret,
        sign=wavespeed_signature,
        signature_header="webhook-signature",
        events={
            "completed": (SUCCEEDED, ""),
            "failed": (FAILED, "provider_failed"),
            "failed-moderation": (FAILED, "photo_refused"),
            "failed-no-code": (FAILED, "photo_refused"),
            "failed-media": (FAILED, "provider_failed"),
        },
        accepted=lambda prediction_id: (200, {"code": 200, "data": {"id": prediction_id, "status": "created"}}),
        accepted_as=QUEUED,
        secrets_path="/webhook/secret",
        secrets_answer=lambda secret: {"code": 200, "data": {"secret": secret.shown}},
    ),
    "replicate": Vendor(
        make_secret=_standard_secret,
        sign=_standard_signature,
        signature_header="webhook-signature",
        events={
            "start": (RUNNING, ""),
            "completed": (SUCCEEDED, ""),
            "completed-list": (SUCCEEDED, ""),
            "failed": (FAILED, "provider_failed"),
            "failed-moderation": (FAILED, "photo_refused"),
            "failed-image": (FAILED, "photo_unreadable"),
            "canceled": (CANCELED, ""),
            "aborted": (CANCELED, ""),
        },
        accepted=lambda prediction_id: (
            201,
            {"id": prediction_id, "model": "vendor/model", "version": "hidden", "status": "starting"},
        ),
        accepted_as=PredictionStatus.WARMING_UP,
        secrets_path="/webhooks/default/secret",
        secrets_answer=lambda secret: {"key": secret.shown},
    ),
    "fal": Vendor(
        make_secret=fal_secret,
        sign=fal_signature,
        signature_header="x-fal-webhook-signature",
        events={
            "ok": (SUCCEEDED, ""),
            "error": (FAILED, "request_refused"),
            "error-policy": (FAILED, "photo_refused"),
            "error-platform": (FAILED, "provider_timeout"),
            "ok-no-payload": (RUNNING, ""),
        },
        accepted=lambda prediction_id: (200, {"request_id": prediction_id, "gateway_request_id": prediction_id}),
        accepted_as=QUEUED,
        secrets_path="/rest/.well-known/jwks.json",
        secrets_answer=_jwk,
    ),
}
