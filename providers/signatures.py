"""Standard Webhooks signatures: `id.timestamp.body` under HMAC-SHA256.

Specification: standardwebhooks.com (spec/standard-webhooks.md, read 2026-11): secrets are
`whsec_` + base64 of 24 to 64 random bytes, the header `webhook-signature` holds a
space-separated list of `v1,<base64>`, and receivers refuse timestamps more than five minutes off.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from .errors import BadSignature, StaleSignature

PREFIX = "whsec_"
TOLERANCE = timedelta(seconds=300)
MAX_ID_CHARACTERS = 128
MIN_KEY_BYTES = 16  # an empty or tiny key is one that anybody can guess


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
    """Return the message id of a genuine, fresh message.

    `headers` has lower-case names. Whatever is malformed counts as forged: nothing but
    BadSignature and StaleSignature comes out of here.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "")
    if not message_id or len(message_id) > MAX_ID_CHARACTERS or not given:
        raise BadSignature("headers missing")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and timestamp[0] != "0"):
        raise BadSignature("timestamp is not a number")
    offered = [part.encode("utf-8", "surrogatepass") for part in given.split(" ") if part.startswith("v1,")]
    genuine = False
    for secret in secrets_:
        try:
            wanted = sign(secret, message_id=message_id, timestamp=int(timestamp), body=body).encode()
        except (ValueError, UnicodeError):
            continue
        # Every pair is compared, so that time does not tell which secret fitted.
        for candidate in offered:
            genuine |= hmac.compare_digest(wanted, candidate)
    if not genuine:
        raise BadSignature("no signature fits")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
        raise StaleSignature("timestamp outside the tolerance")
    return message_id
