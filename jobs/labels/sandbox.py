"""Labels of strangers' files, read in a child process of its own (`jobs.sandbox`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings

from jobs.sandbox import parent
from jobs.sandbox.parent import OrderFailed, SandboxUnavailable
from jobs.sandbox.wire import BadFrame, Frame, Kind

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
    """Reads labels. Safe to use from several threads, one file at a time."""

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
        order = Frame(Kind.ORDER, {"kind": kind}, data)
        try:
            return self.ask(order, _label, wall_seconds=8, queue_seconds=5)
        except OrderFailed:
            return Label()


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
