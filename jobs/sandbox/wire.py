"""The frames between sandbox and child: a kind, a small JSON header, a body of bytes; both lengths come first.

JSON and raw bytes, never pickle: the child has read hostile bytes, so the parent believes nothing it cannot check.
"""

import json
import struct
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from common import plain_json

PREFIX = struct.Struct(">cII")
MOST_HEADER_BYTES = 8 * 1024
MOST_BODY_BYTES = 64 * 2**20


class Kind(bytes, Enum):
    """What a frame says. The parent sends orders; all other kinds are answers."""

    ORDER = b"O"
    READY = b"R"  # the child is loaded and locked down
    BROKEN = b"X"  # it could not be loaded
    DONE = b"D"
    REFUSED = b"B"  # the bytes are bad, and the work says why
    FAULT = b"F"  # the work ended in an exception it does not know


class BadFrame(Exception):
    """Bytes that are no frame: the other side is not what it should be."""


@dataclass(frozen=True, slots=True)
class Frame:
    kind: Kind
    header: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""
    file: int | None = None  # an open descriptor that goes with an order, beside the pipe

    def prefix(self) -> bytes:
        """Return everything but the body, which may be large and need not be copied."""
        header = json.dumps(self.header if self.file is None else self.header | {"has_file": True}).encode()
        return PREFIX.pack(self.kind.value, len(header), len(self.body)) + header


def parse_prefix(prefix: bytes) -> tuple[Kind, int, int]:
    """Return kind, header length and body length; raise BadFrame for what no honest side sends."""
    letter, header_length, body_length = PREFIX.unpack(prefix)
    if header_length > MOST_HEADER_BYTES or body_length > MOST_BODY_BYTES:
        raise BadFrame("a frame that is too long")
    try:
        return Kind(letter), header_length, body_length
    except ValueError as error:
        raise BadFrame(f"a frame of kind {letter!r}") from error


def parse_header(header: bytes) -> dict[str, Any]:
    """Return the header of a frame; raise BadFrame when it is not a JSON object."""
    try:
        parsed = plain_json.loads_repaired(header)
    except ValueError as error:
        raise BadFrame("a header that is not JSON") from error
    if not isinstance(parsed, dict):
        raise BadFrame("a header that is not an object")
    return parsed
