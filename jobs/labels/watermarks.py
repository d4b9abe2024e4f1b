"""The watermark of a job's film, and the search for it in strangers' files.

Its keys are derived from FIELD_KEYS: the first is embedded, and all are looked for, so that a rotation leaves old films
ours. Its number is the beginning of the job's id, which is random: with the key and our database it leads to the job,
and says nothing to anybody else, nor after the job is erased.

A search takes two processes without rights: one opens the file and knows no key (`sandbox`), the other has the key and
gets a picture of known size. So what breaks a decoder can learn nothing with which a watermark could be forged.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from jobs.sandbox import parent
from jobs.sandbox.parent import OrderFailed
from jobs.sandbox.wire import BadFrame, Frame, Kind
from providers.types import Watermark
from providers.watermark.sizes import KEY_BYTES

from . import sandbox


@dataclass(frozen=True)
class Sighting:
    """Whether a file could be searched, whether a watermark of ours is in it, and its number if that can be read."""

    is_searched: bool = False
    is_found: bool = False
    number: int | None = None


def of_job(job_id: UUID) -> Watermark:
    """Return the watermark of a job's film."""
    return Watermark(keys(tuple(settings.FIELD_KEYS))[0], job_id.int >> 96)


@lru_cache(maxsize=4)
def keys(field_keys: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return the keys of watermarks that are derived from these, 32 bytes each."""
    return tuple(
        HKDF(hashes.SHA256(), length=KEY_BYTES, salt=None, info=b"selfiehero watermark 1").derive(
            base64.urlsafe_b64decode(text)
        )
        for text in field_keys
    )


def search(data: bytes, kind: str) -> Sighting:
    """Return what is found in a film or a still of this type. Raise SandboxUnavailable: try again."""
    picture = sandbox.shared_sandbox().picture(data, kind)
    if picture is None:
        return Sighting()
    return shared_sandbox().search(picture, keys(tuple(settings.FIELD_KEYS)))


class WatermarkSandbox(parent.Sandbox):
    """Searches pictures for watermarks. Safe to use from several threads, one picture at a time."""

    def __init__(self) -> None:
        super().__init__(
            "jobs.labels.watermark_child",
            name="watermarks",
            cpu_seconds=6,
            memory_bytes=256 * 2**20,
            orders_per_child=500,
            start_seconds=12,
        )

    def search(self, picture: bytes, keys: Sequence[bytes]) -> Sighting:
        """Return what is found in a picture of `LabelSandbox.picture` with one of these keys."""
        for key in keys:
            order = Frame(Kind.ORDER, {"key": key.hex()}, picture)
            try:
                sighting = self.ask(order, _sighting, wall_seconds=12, queue_seconds=10)
            except OrderFailed:
                return Sighting()
            if sighting.is_found:
                return sighting
        return Sighting(is_searched=True)


@lru_cache(maxsize=1)
def shared_sandbox() -> WatermarkSandbox:
    """Return the sandbox of this process."""
    return WatermarkSandbox()


def _sighting(answer: Frame) -> Sighting:
    is_found: Any = answer.header.get("is_found")
    number: Any = answer.header.get("number")
    if type(is_found) is not bool or not (number is None or (type(number) is int and is_found)):
        raise BadFrame("an answer that is no sighting")
    return Sighting(True, is_found, number)
