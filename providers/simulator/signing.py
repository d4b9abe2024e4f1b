"""The vendors' webhook secrets and signatures.

| provider | secret | scheme |
| --- | --- | --- |
| wavespeed | `whsec_` + text, the text is the key | `v3,` + hex HMAC-SHA256 of `id.timestamp.body` |
| replicate | `whsec_` + base64 of the key | Standard Webhooks |
| fal | an Ed25519 key, the public half in a JWKS | hex signature of four lines |

With a file the secrets stay the same across restarts, and the product need not fetch them again. The command that
seeds the product's rows reads the same file; it may run before, after or at the same time as the simulator.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common import base64url
from common.files import create_file
from providers import signatures

from .behaviour import PROVIDERS

FAL_USER_ID = "simulator|4711"


class BadSecrets(Exception):
    """The file cannot be used; the message is for people."""


def new_secret(provider: str) -> str:
    """Return a fresh secret of the provider's kind."""
    if provider == "fal":
        return base64.b64encode(secrets.token_bytes(32)).decode()
    return signatures.new_secret()


def load_or_create(path: Path | None) -> dict[str, str]:
    """Return each provider's secret: from the file, which is created if missing, or new ones without a file."""
    if path is None:
        return {provider: new_secret(provider) for provider in PROVIDERS}
    return _read(path) or _create(path)


def _read(path: Path) -> dict[str, str] | None:
    try:
        kept = json.loads(path.read_text(encoding="ascii"))
        return {provider: str(kept[provider]) for provider in PROVIDERS}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSecrets(f"{path} cannot be read; remove it, then start again.") from error


def _create(path: Path) -> dict[str, str]:
    """Create the file atomically. When several processes do so at once, the first wins and all read its values."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    create_file(path, json.dumps({provider: new_secret(provider) for provider in PROVIDERS}))
    made = _read(path)
    assert made is not None
    return made


def sign_wavespeed(secret: str, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    key = secret.removeprefix("whsec_").encode()
    digest = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return _standard_headers(event_id, timestamp, f"v3,{digest}")


def sign_replicate(secret: str, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    signature = signatures.sign(secret, message_id=event_id, timestamp=timestamp, body=body)
    return _standard_headers(event_id, timestamp, signature)


def _standard_headers(event_id: str, timestamp: int, signature: str) -> dict[str, str]:
    return {"webhook-id": event_id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def sign_fal(secret: str, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    lines = (event_id, FAL_USER_ID, str(timestamp), hashlib.sha256(body).hexdigest())
    return {
        "X-Fal-Webhook-Request-Id": event_id,
        "X-Fal-Webhook-User-Id": FAL_USER_ID,
        "X-Fal-Webhook-Timestamp": str(timestamp),
        "X-Fal-Webhook-Signature": _fal_key(secret).sign("\n".join(lines).encode()).hex(),
    }


def fal_jwk(secret: str) -> dict[str, str]:
    """Return the public half of fal's key as its JWKS shows it."""
    raw = _fal_key(secret).public_key().public_bytes_raw()
    x = base64url.encode(raw)
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": hashlib.sha256(raw).hexdigest()[:16], "use": "sig"}


def verifying_secret(provider: str, secret: str) -> str:
    """Return the value with which a product verifies webhooks: fal's public key, for the others the secret itself."""
    return f"ed25519:{fal_jwk(secret)['x']}" if provider == "fal" else secret


_FAL_KEYS: dict[str, Ed25519PrivateKey] = {}


def _fal_key(secret: str) -> Ed25519PrivateKey:
    key = _FAL_KEYS.get(secret)
    if key is None:
        key = _FAL_KEYS[secret] = Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret))
    return key


SIGNERS = {"wavespeed": sign_wavespeed, "replicate": sign_replicate, "fal": sign_fal}


def sign(provider: str, secret: str, event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a signed webhook; the signature is the last of them."""
    return SIGNERS[provider](secret, event_id, timestamp, body)


def forge(
    how: str, provider: str, secret: str, event_id: str, timestamp: int, body: bytes
) -> tuple[Mapping[str, str], bytes]:
    """Return headers and body of a webhook with an invalid signature."""
    if how == "wrong_secret":
        return sign(provider, new_secret(provider), event_id, timestamp, body), body
    if how == "stale":
        return sign(provider, secret, event_id, timestamp - 600, body), body
    headers = sign(provider, secret, event_id, timestamp, body)
    signature_header = list(headers)[-1]
    if how == "altered":
        return headers, body[:-1] + b" }"
    if how == "unsigned":
        return {name: value for name, value in headers.items() if name != signature_header}, body
    return headers | {signature_header: "v1,%%% v3,zz \u00e9 ,"}, body
