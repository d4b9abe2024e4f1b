"""Signs films and stills by C2PA: about 2 ms of CPU and 3 kB for each. Safe to use from several threads.

A file is signed in the process that stores it, because the key is there; films were checked by the sandbox before, and
the library that parses them is written in Rust. Nobody is asked for a timestamp.
"""

from __future__ import annotations

import io
import json
import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import IO, Any

import c2pa
from django.conf import settings

from . import authority, xmp

logger = logging.getLogger(__name__)

FILM, STILL = "video/mp4", "image/jpeg"
_RENEWED_BEFORE = timedelta(days=60)
# Nothing is fetched and no thumbnail made: a label costs what it costs.
_SETTINGS = {
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}


class LabelFailed(Exception):
    """The file cannot be labelled, so it is not delivered."""


class NoSigner(OSError):
    """LABEL_CERTIFICATES or LABEL_KEY cannot be used: trouble of ours, never of a film."""


class _Labeller:
    """The library's signer, made on first use and again before its certificate lapses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made_of: object = None
        self._lapses_at = datetime.min.replace(tzinfo=UTC)
        self._signer: Any = None
        self._context: Any = None

    def sign(self, kind: str, manifest: dict[str, Any], source: IO[bytes], into: IO[bytes]) -> None:
        with self._lock:
            self._renew(now=datetime.now(UTC))
            try:
                with c2pa.Builder(json.dumps(manifest), self._context) as builder:
                    builder.sign(self._signer, kind, source, into)
            except c2pa.C2paError as error:
                raise LabelFailed(f"{type(error).__name__}: {error}"[:300]) from error

    def _renew(self, *, now: datetime) -> None:
        made_of = (tuple(settings.FIELD_KEYS), settings.LABEL_FILES)
        if made_of == self._made_of and self._lapses_at - now > _RENEWED_BEFORE:
            return
        files = settings.LABEL_FILES
        try:
            chosen = authority.given_signer(*files) if files else authority.own_signer(made_of[0], now=now)
            self._context = c2pa.Context(c2pa.Settings.from_dict(_SETTINGS))
            info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chosen.chain, chosen.key, None)
            self._signer = c2pa.Signer.from_info(info)
        except (ValueError, c2pa.C2paError) as error:
            raise NoSigner(f"LABEL_CERTIFICATES and LABEL_KEY cannot sign: {error}"[:300]) from error
        logger.info("label_authority is_listed=%s", bool(files))
        # One that was given is used until it is replaced; a lapsed one still signs, and readers say so.
        self._made_of, self._lapses_at = made_of, datetime.max.replace(tzinfo=UTC) if files else chosen.lapses_at


_labeller = _Labeller()


def sign_still(data: bytes, *, source: str, made_by: str = "") -> bytes:
    """Return a JPEG that says how it came to be, by XMP and a signed label. Raise LabelFailed."""
    signed = io.BytesIO()
    try:
        marked = xmp.into_jpeg(data, source)
    except ValueError as error:
        raise LabelFailed(str(error)) from error
    _labeller.sign(STILL, _manifest(source, made_by), io.BytesIO(marked), signed)
    return signed.getvalue()


def sign_film(film: IO[bytes], into: IO[bytes], *, source: str, made_by: str = "") -> int:
    """Write the film into another open file, labelled likewise, and return its size in bytes. Raise LabelFailed.

    `film` is open for writing too, and has the XMP afterwards. The index stays where it is.
    """
    xmp.into_film(film, source)
    film.seek(0)
    _labeller.sign(FILM, _manifest(source, made_by), film, into)
    return into.seek(0, 2)


def _manifest(source: str, made_by: str) -> dict[str, Any]:
    created: dict[str, Any] = {"action": "c2pa.created", "digitalSourceType": source}
    if made_by:
        created["softwareAgent"] = {"name": made_by}
    return {
        "claim_generator_info": [{"name": authority.ORGANISATION, "version": settings.PRODUCT_VERSION}],
        "title": "Selfie Hero",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
