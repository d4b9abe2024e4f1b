"""Receipts: what we signed about a job, for its owner to keep. They stay true after photo and row are gone.

    shr1.<key id>.<payload>.<signature>          about 320 characters, safe to copy and to mail

The payload is JSON in base64url: what we did (`accepted` or `erased`), to which job, when, and the SHA-256 of the photo
as it was received. The same job gives the same receipt, letter by letter, however often it is asked for.

It is signed with Ed25519 over everything before the last dot. An HMAC would be shorter, but only whoever has the secret
could check it, and whoever can check it could have made it: no proof against us, whom a receipt is to hold to our word.
With the public keys (`public_keys`, served at /receipts/keys) anybody can check one offline.

The signing keys are derived from FIELD_KEYS, for this purpose alone: the first signs, all of them verify. So a rotation
keeps old receipts good until the old key is dropped; a receipt signed with a dropped one is told from a forged one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from common.times import rfc3339

from .models import Job

PURPOSE = b"selfiehero receipts 1"
ACCEPTED, ERASED = "accepted", "erased"
# A signature is 64 bytes, so that a receipt is found in a whole text that was pasted, whatever stands after it.
_RECEIPT = re.compile(r"shr1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{40,800})\.([A-Za-z0-9_-]{86})", re.ASCII)
MOST_CHARACTERS = 4000


class NotOurs(Exception):
    """This is no receipt, or not one of ours."""


class KeyUnknown(NotOurs):
    """Signed with a key that is not here: not ours, or of a key that was dropped since."""


@dataclass(frozen=True)
class Receipt:
    """What a receipt states."""

    did: str
    job_id: UUID
    at: datetime
    photo_sha256: str | None
    key_id: str


@dataclass(frozen=True)
class _Keys:
    signing: Ed25519PrivateKey
    signing_id: str
    public: dict[str, Ed25519PublicKey]


def for_accepted(job: Job) -> str | None:
    """Return the receipt for a photo that was taken in; None once the job was erased, for its digest went with it."""
    if not job.photo_sha256:
        return None
    return _sign(ACCEPTED, job.id, job.created_at, sha256=job.photo_sha256)


def for_erased(job: Job) -> str | None:
    """Return the receipt for an erasure; None before it."""
    return _sign(ERASED, job.id, job.erased_at) if job.erased_at else None


def check(text: str) -> Receipt:
    """Return what the receipt in this text states; raise NotOurs. White space and words around it do no harm."""
    found = _RECEIPT.search("".join(text[:MOST_CHARACTERS].split()))
    if found is None:
        raise NotOurs
    key_id, payload, signature = found.groups()
    key = _keys(tuple(settings.FIELD_KEYS)).public.get(key_id)
    if key is None:
        raise KeyUnknown
    try:
        key.verify(_decoded(signature), f"shr1.{key_id}.{payload}".encode())
    except (InvalidSignature, binascii.Error):
        raise NotOurs from None
    said = json.loads(_decoded(payload))
    return Receipt(said["did"], UUID(said["job"]), datetime.fromisoformat(said["at"]), said.get("sha256"), key_id)


def public_keys() -> list[dict[str, str]]:
    """Return the keys that receipts can be checked with, as a JSON Web Key Set lists them, the newest first."""
    keys = _keys(tuple(settings.FIELD_KEYS)).public
    return [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": key_id,
            "x": _encoded(key.public_bytes_raw()),
        }
        for key_id, key in keys.items()
    ]


def _sign(did: str, job_id: UUID, at: datetime, **more: str) -> str:
    said: dict[str, Any] = {"did": did, "job": str(job_id), "at": rfc3339(at), **more}
    keys = _keys(tuple(settings.FIELD_KEYS))
    signed = f"shr1.{keys.signing_id}.{_encoded(json.dumps(said, separators=(',', ':')).encode())}"
    return f"{signed}.{_encoded(keys.signing.sign(signed.encode()))}"


@lru_cache(maxsize=4)
def _keys(field_keys: tuple[str, ...]) -> _Keys:
    pairs = []
    for text in field_keys:
        seed = HKDF(hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(base64.urlsafe_b64decode(text))
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key()
        pairs.append((hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16], private, public))
    return _Keys(pairs[0][1], pairs[0][0], {key_id: public for key_id, _private, public in pairs})


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    """Return the bytes of the one way to write them; binascii.Error for another, so that nothing has two receipts."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _encoded(data) != text:
        raise binascii.Error
    return data
