"""One web push: encrypted for its browser (RFC 8291), signed by us (RFC 8292), posted to its push service (RFC 8030).

pywebpush's own parts do the cryptography (`http_ece`, `py_vapid`). Its HTTP is not used: an endpoint is an address that
an untrusted client gave us, and `providers.http.untrusted` connects only to what it has judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from py_vapid import Vapid02

from common import base64url
from providers.http import untrusted
from providers.http.client import Response

CONNECT_SECONDS, TOTAL_SECONDS = 3.0, 8.0
# Push services take a signature for at most a day.
SIGNED_FOR = timedelta(hours=12)
LONGEST_ENDPOINT = 1000


class BadSubscription(ValueError):
    """This is no subscription that can be pushed to; `field` says which part of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.field = name


@dataclass(frozen=True)
class Target:
    """Where a push goes, and with which keys of the browser it is encrypted."""

    endpoint: str
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)


def checked(target: Target) -> Target:
    """Return the target with its keys in one spelling.

    Raise BadSubscription for what no browser would have sent, or where we would not connect to.
    """
    if len(target.endpoint) > LONGEST_ENDPOINT:
        raise BadSubscription("endpoint")
    try:
        untrusted.check_address(target.endpoint, trusted=settings.PUSH_PRIVATE_HOSTS)
    except untrusted.Rejected:
        raise BadSubscription("endpoint") from None
    try:
        point = _public_key(target.p256dh).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    except ValueError:
        raise BadSubscription("keys.p256dh") from None
    try:
        auth = base64url.decode(target.auth)
    except ValueError:
        auth = b""
    if len(auth) != 16:
        raise BadSubscription("keys.auth")
    return Target(target.endpoint, base64url.encode(point), base64url.encode(auth))


def send(target: Target, content: bytes, *, topic: str, ttl: timedelta, now: datetime) -> Response:
    """Post one message and return what the push service answered.

    A later one of the same topic replaces it while it waits there. Raise Rejected where nothing may be sent,
    Unavailable when no answer came.
    """
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Encoding": "aes128gcm",
        "TTL": str(max(0, round(ttl.total_seconds()))),
        "Urgency": "high",
        "Topic": topic,
        "Authorization": authorization(target.endpoint, now=now),
    }
    return untrusted.post(
        target.endpoint,
        encrypt(target, content),
        headers=headers,
        connect_seconds=CONNECT_SECONDS,
        total_seconds=TOTAL_SECONDS,
        trusted=settings.PUSH_PRIVATE_HOSTS,
    )


def encrypt(target: Target, content: bytes) -> bytes:
    """Return the content as only this browser can read it, with a key pair of its own for each message."""
    return http_ece.encrypt(
        content,
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=_public_key(target.p256dh),
        auth_secret=base64url.decode(target.auth),
        version="aes128gcm",
    )


def authorization(endpoint: str, *, now: datetime) -> str:
    """Return the VAPID Authorization header for this push service."""
    url = untrusted.check_address(endpoint, trusted=settings.PUSH_PRIVATE_HOSTS).url
    audience = str(url)[: -len(url.target)]
    claims = {"aud": audience, "sub": settings.VAPID_SUBJECT, "exp": int((now + SIGNED_FOR).timestamp())}
    return _signer(settings.VAPID_PRIVATE_KEY).sign(claims)["Authorization"]


def application_server_key() -> str:
    """Return the public key that browsers subscribe with."""
    point = _signer(settings.VAPID_PRIVATE_KEY).public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64url.encode(point)


def _public_key(text: str) -> ec.EllipticCurvePublicKey:
    point = base64url.decode(text)
    if len(point) != 65:
        raise ValueError("not an uncompressed point")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


@lru_cache(maxsize=2)
def _signer(key: str) -> Vapid02:
    return Vapid02.from_raw(key.encode())
