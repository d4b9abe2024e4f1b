"""Webhook signatures: Standard Webhooks, and the checks that other schemes share with it.

Standard Webhooks signs `id.timestamp.body` under HMAC-SHA256.
Specification: standardwebhooks.com (read 2026-11): secrets are
`whsec_` + base64 of 24 to 64 random bytes, the header `webhook-signature` holds a
space-separated list of `v1,<base64>`, and receivers refuse timestamps more than five minutes off.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from common import base64url

from .errors import BadSignature, StaleSignature

PREFIX = "whsec_"
PUBLIC_KEY_PREFIX = "ed25519:"
TOLERANCE = timedelta(seconds=300)
MAX_ID_CHARACTERS = 128
_PUBLIC_X = re.compile(r"[A-Za-z0-9_-]{43}")
MIN_KEY_BYTES = 16  # shorter keys could be guessed


def new_secret() -> str:
    """Return a fresh webhook secret (32 random bytes)."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_key(secret: str) -> bytes:
    """Return the key bytes of a `whsec_` secret. Raise ValueError when it is not one."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a webhook secret is whsec_ followed by base64") from error
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"a webhook secret has at least {MIN_KEY_BYTES} bytes")
    return key


def sign(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature` for one message. `timestamp` is in whole seconds."""
    message = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret_key(secret), message, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def verify(secrets_: Iterable[str], headers: Mapping[str, str], body: bytes, *, now: datetime) -> str:
    """Return the message id of a genuine and fresh message. Raise BadSignature or StaleSignature otherwise.

    `headers` has lower-case names. A malformed message counts as forged.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not message_id or len(message_id) > MAX_ID_CHARACTERS or not given:
        raise BadSignature("headers missing")
    sent_at = seconds_of(timestamp)
    wanted = []
    for secret in secrets_:
        with contextlib.suppress(ValueError):
            wanted.append(sign(secret, message_id=message_id, timestamp=sent_at, body=body))
    require_match(wanted, given.split(" "))
    require_fresh(sent_at, now=now)
    return message_id


def require_match(wanted: Sequence[str], offered: Iterable[str]) -> None:
    """Raise BadSignature unless one of the offered signatures is one of the wanted ones."""
    genuine = False
    for candidate in offered:
        given = candidate.encode("utf-8", "surrogatepass")
        # Every pair is compared, so that the time does not reveal which secret matched.
        for one in wanted:
            genuine |= hmac.compare_digest(one.encode(), given)
    if not genuine:
        raise BadSignature("no signature fits")


def seconds_of(timestamp: str) -> int:
    """Return a timestamp header as whole Unix seconds. Raise BadSignature for anything else."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and timestamp[0] != "0"):
        raise BadSignature("timestamp is not a number")
    return int(timestamp)


def require_fresh(sent_at: int, *, now: datetime) -> None:
    """Raise StaleSignature when a signature is older than TOLERANCE, or that far in the future."""
    if abs(now.timestamp() - sent_at) > TOLERANCE.total_seconds():
        raise StaleSignature("timestamp outside the tolerance")


def public_key(secret: str) -> Ed25519PublicKey:
    """Return the key of `ed25519:<x>`, where x is that of a JWK (RFC 8037). Raise ValueError for anything else."""
    x = secret.removeprefix(PUBLIC_KEY_PREFIX)
    if x == secret or not _PUBLIC_X.fullmatch(x):
        raise ValueError("a public key is ed25519: followed by 43 characters")
    return Ed25519PublicKey.from_public_bytes(base64url.decode(x))


def is_signed_by(secret: str, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature of a message is valid under an `ed25519:` public key."""
    try:
        public_key(secret).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True
