"""Receipts: signed statements about a job, for its owner to keep. They stay verifiable after photo and row are gone.

    <header>.<payload>.<signature>          a compact JWS (RFC 7515), about 370 characters, safe to copy and to mail

The header names algorithm and key. The payload is JSON: what we did (`accepted` or `erased`), to which job, when, and
the SHA-256 of the photo as it was received. The same job gives the same receipt, letter by letter, however often it is
asked for.

It is signed with Ed25519. An HMAC would be shorter, but only whoever has the secret could check it, and whoever can
check it could have made it: no proof against us, whom a receipt is to hold to our word. With the public keys
(`public_keys`, a JSON Web Key Set at /receipts/keys) any JWS library checks one offline. The algorithm is called
“Ed25519” and not “EdDSA”, the older name that leaves the curve open and that RFC 9864 deprecates.

The signing keys are derived from FIELD_KEYS, for this purpose alone: the first signs, all of them verify. So a rotation
keeps old receipts good until the old key is dropped; a receipt signed with a dropped one is told from a forged one.

Receipts were `shr1.<key id>.<payload>.<signature>` before, signed with the same keys; those are still verified.
"""

from __future__ import annotations

import base64
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
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from common import base64url
from common.times import rfc3339

from .models import Job

PURPOSE = b"selfiehero receipts 1"
ACCEPTED, ERASED = "accepted", "erased"
_ALGORITHM = "Ed25519"
# The header is always as long and begins alike, and a signature is 64 bytes, so that a receipt is found in a whole text
# that was pasted, whatever stands around it.
_BEGINNING = base64url.encode(b'{"alg":"Ed25519","kid":"')
_RECEIPT = re.compile(rf"({_BEGINNING}[A-Za-z0-9_-]{{24}}\.[A-Za-z0-9_-]{{40,800}})\.([A-Za-z0-9_-]{{86}})", re.ASCII)
_OLD_RECEIPT = re.compile(r"(shr1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{40,800}))\.([A-Za-z0-9_-]{86})", re.ASCII)
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


def for_accepted(job: Job) -> str | None:
    """Return the receipt for a photo that was taken in; None once the job was erased, for its digest went with it."""
    if not job.photo_sha256:
        return None
    return _sign(ACCEPTED, job.id, job.created_at, sha256=job.photo_sha256)


def for_erased(job: Job) -> str | None:
    """Return the receipt for an erasure; None before it."""
    return _sign(ERASED, job.id, job.erased_at) if job.erased_at else None


@dataclass(frozen=True)
class Held:
    """What a provider may still have of an erased job: until when at the latest, None when it has confirmed."""

    provider: str
    until: datetime | None

    def as_dict(self) -> dict[str, Any]:
        return {"provider": self.provider, "until": rfc3339(self.until) if self.until else None}


def statement(job: Job) -> dict[str, Any]:
    """Return what is said of a job's erasure: the signed receipt, what was removed, what providers may still have."""
    return {
        "id": str(job.id),
        "erased_at": rfc3339(job.erased_at) if job.erased_at else None,
        "receipt": for_erased(job),
        "removed": removed(job),
        "held": [held.as_dict() for held in held_elsewhere(job)],
    }


def removed(job: Job) -> list[str]:
    """Return what was removed with an erased job, as codes."""
    if job.erased_at is None:
        return []
    film = ["film", "poster"] if job.video_seconds is not None else []
    return ["photo", "preview", *film, "hero_name", "email", "links", "reports", "notifications"]


def held_elsewhere(job: Job) -> list[Held]:
    """Return, for each provider that had the photo of an erased job, until when it may still have something.

    A provider that can be told is told; until it has confirmed, and where there is no such call, the time counts after
    which it removes everything by itself.
    """
    if job.erased_at is None:
        return []
    found: dict[str, Held] = {}
    for attempt in job.attempts.select_related("provider").order_by("number"):
        vendor, title = attempt.provider.capabilities, attempt.provider.title
        if attempt.prediction_id is None and not attempt.cleanup and vendor.can_delete:
            continue  # a submit that was refused left nothing there
        is_confirmed = vendor.can_delete and not attempt.cleanup
        since = job.erased_at if vendor.can_delete else attempt.finished_at or job.erased_at
        until = None if is_confirmed else since + vendor.keeps
        known = found.get(title)
        if known is None or (until is not None and (known.until is None or until > known.until)):
            found[title] = Held(title, until)
    return list(found.values())


def check(text: str) -> Receipt:
    """Return what the receipt in this text states; raise NotOurs. White space and words around it do no harm."""
    pasted = "".join(text[:MOST_CHARACTERS].split())
    if (found := _RECEIPT.search(pasted)) is not None:
        key_id, payload = _verified(*found.groups())
    elif (found := _OLD_RECEIPT.search(pasted)) is not None:
        key_id, payload = _verified_old(*found.groups())
    else:
        raise NotOurs
    said = json.loads(payload)
    return Receipt(said["did"], UUID(said["job"]), datetime.fromisoformat(said["at"]), said.get("sha256"), key_id)


def public_keys() -> list[dict[str, Any]]:
    """Return the keys that receipts can be checked with, as a JSON Web Key Set lists them, the newest first."""
    return [key.as_dict(private=False) for key in _keys(tuple(settings.FIELD_KEYS)).values()]


def _verified(signed: str, signature: str) -> tuple[str, bytes]:
    """Return key id and payload of a JWS; raise NotOurs."""
    token = f"{signed}.{signature}"
    try:
        key_id = str(jws.extract_compact(token.encode()).headers()["kid"])
        found = jws.deserialize_compact(token, _public_key(key_id), algorithms=[_ALGORITHM])
    except JoseError:
        raise NotOurs from None
    _require_canonical(signature)
    return key_id, found.payload


def _verified_old(signed: str, key_id: str, payload: str, signature: str) -> tuple[str, bytes]:
    """Return key id and payload of a receipt of the form before JWS; raise NotOurs."""
    try:
        key = _public_key(key_id).public_key
        assert isinstance(key, Ed25519PublicKey)
        key.verify(base64url.decode(signature), signed.encode())
    except InvalidSignature:
        raise NotOurs from None
    _require_canonical(signature)
    return key_id, base64url.decode(payload)


def _public_key(key_id: str) -> OKPKey:
    """Return the key of this id; raise KeyUnknown."""
    key = _keys(tuple(settings.FIELD_KEYS)).get(key_id)
    if key is None:
        raise KeyUnknown
    return key


def _require_canonical(signature: str) -> None:
    """Raise NotOurs for another way to write the same bytes in base64url, so that nothing has two receipts."""
    if base64url.encode(base64url.decode(signature)) != signature:
        raise NotOurs


def _sign(did: str, job_id: UUID, at: datetime, **more: str) -> str:
    said: dict[str, Any] = {"did": did, "job": str(job_id), "at": rfc3339(at), **more}
    key_id, key = next(iter(_keys(tuple(settings.FIELD_KEYS)).items()))
    header = {"alg": _ALGORITHM, "kid": key_id}
    return jws.serialize_compact(header, json.dumps(said, separators=(",", ":")), key, algorithms=[_ALGORITHM])


@lru_cache(maxsize=4)
def _keys(field_keys: tuple[str, ...]) -> dict[str, OKPKey]:
    """Return the keys by their ids; the first signs."""
    keys = {}
    for text in field_keys:
        seed = HKDF(hashes.SHA256(), length=32, salt=None, info=PURPOSE).derive(base64.urlsafe_b64decode(text))
        private = Ed25519PrivateKey.from_private_bytes(seed)
        key_id = hashlib.sha256(private.public_key().public_bytes_raw()).hexdigest()[:16]
        keys[key_id] = OKPKey.import_key(private, {"kid": key_id, "use": "sig", "alg": _ALGORITHM})
    return keys
