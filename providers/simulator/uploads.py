"""Uploaded files, and multipart forms."""

from __future__ import annotations

import email.parser
import email.policy
import re
from dataclasses import dataclass, field

from .calls import Call


@dataclass(slots=True, frozen=True)
class Upload:
    """A file that a caller uploaded."""

    content: bytes = field(repr=False)
    content_type: str
    name: str


def safe_name(name: str) -> str:
    """Return a file name that needs no quoting in a URL."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name.rpartition("/")[2]) or "file"


def read_form(call: Call) -> dict[str, Upload]:
    """Return the fields of a multipart form by name, {} when the body is not one."""
    head = _head(f"Content-Type: {call.headers.get('content-type', '')}".encode("latin-1", "replace"))
    boundary = head.get_boundary()
    if head.get_content_type() != "multipart/form-data" or not boundary:
        return {}
    form = {}
    # The first piece is the preamble, the last one the closing delimiter.
    for piece in (b"\r\n" + call.body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))[1:-1]:
        lines, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        part = _head(lines)
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            form[name] = Upload(content, part.get_content_type(), part.get_filename() or name)
    return form


def _head(lines: bytes) -> email.message.EmailMessage:
    return email.parser.BytesHeaderParser(policy=email.policy.HTTP).parsebytes(lines)
