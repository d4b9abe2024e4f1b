"""Strangers' files, opened in a child process of its own (`jobs.sandbox`): their labels, and what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings

from jobs.sandbox import parent
from jobs.sandbox.parent import OrderFailed, SandboxUnavailable
from jobs.sandbox.wire import BadFrame, Frame, Kind
from providers.watermark.sizes import FLAT_WIDTH, MOST_FLAT_HEIGHT

from . import authority

__all__ = ["Label", "LabelSandbox", "SandboxUnavailable", "shared_sandbox"]


@dataclass(frozen=True)
class Label:
    """What a file says about itself; nothing of it is believed unless `is_valid`."""

    has_label: bool = False
    is_valid: bool = False
    is_ours: bool = False
    source: str = ""
    signer: str = ""


class LabelSandbox(parent.Sandbox):
    """Reads labels, and what a search for a watermark needs. Safe to use from several threads, one file at a time."""

    def __init__(self, anchors: str, organisations: Sequence[str]) -> None:
        super().__init__(
            "jobs.labels.child",
            name="labels",
            cpu_seconds=3,
            memory_bytes=512 * 2**20,
            orders_per_child=500,
            start_seconds=12,
            anchors=anchors,
            organisations=list(organisations),
        )

    def read(self, data: bytes, kind: str) -> Label:
        """Return the label of a file of this type; one that ends the child has none. SandboxUnavailable: try again."""
        order = Frame(Kind.ORDER, {"work": "label", "kind": kind}, data)
        try:
            return self.ask(order, _label, wall_seconds=8, queue_seconds=5)
        except OrderFailed:
            return Label()

    def picture(self, data: bytes, kind: str) -> bytes | None:
        """Return what a file of this type is searched by, None when it shows nothing. SandboxUnavailable: try again.

        Rows of FLAT_WIDTH numbers, two bytes each (`providers.watermark.detect.flattened`).
        """
        order = Frame(Kind.ORDER, {"work": "picture", "kind": kind}, data)
        try:
            return self.ask(order, _picture, wall_seconds=8, queue_seconds=10)
        except OrderFailed:
            return None


@lru_cache(maxsize=1)
def shared_sandbox() -> LabelSandbox:
    """Return the sandbox of this process."""
    chain = settings.LABEL_FILES[0] if settings.LABEL_FILES else None
    return LabelSandbox(authority.anchors(tuple(settings.FIELD_KEYS), chain), authority.organisations(chain))


def _label(answer: Frame) -> Label:
    said: Any = answer.header
    flags = [said.get(name) for name in ("has_label", "is_valid", "is_ours")]
    texts = [said.get(name) for name in ("source", "signer")]
    if not all(type(flag) is bool for flag in flags) or not all(
        type(text) is str and len(text) < 300 for text in texts
    ):
        raise BadFrame("an answer that is no label")
    return Label(*flags, *texts)


def _picture(answer: Frame) -> bytes | None:
    if answer.kind is Kind.REFUSED:
        return None
    height: Any = answer.header.get("height")
    if type(height) is not int or not 0 < height <= MOST_FLAT_HEIGHT or len(answer.body) != 2 * height * FLAT_WIDTH:
        raise BadFrame("an answer that is no picture")
    return answer.body
