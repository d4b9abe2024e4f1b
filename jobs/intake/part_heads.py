"""Lets a part of a form be read whose header is in no encoding: a file's name in Latin-1, as older programs send it.

Django decodes each line of a part's header as UTF-8 and leaves a line out that is none, or that names an encoding which
does not exist. So the part loses its name and with it the photo, without a word. There is no setting or method for it,
so the function that reads a header is wrapped. No name of a file is ever used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import multipartparser

_ENCODED_NAME = re.compile(rb"filename\*[0-9*]*=[^;\r\n]*", re.IGNORECASE)
_END = b"\r\n\r\n"
# As Django begins: nearly every header ends within.
_FIRST_BYTES = 1024


def install() -> None:
    """Read every form of this process so."""
    read = multipartparser.parse_boundary_stream  # type: ignore[attr-defined]  # django-stubs leave it out
    if not hasattr(read, "__wrapped__"):
        multipartparser.parse_boundary_stream = _with_readable_head(read)  # type: ignore[attr-defined]


def _with_readable_head(read: Callable[[Any, int], Any]) -> Callable[[Any, int], Any]:
    @wraps(read)
    def read_readable(stream: Any, max_header_size: int) -> Any:
        head = stream.read(_FIRST_BYTES)
        if _END not in head:
            head += stream.read(max(0, max_header_size - len(head)))
        stream.unget(_readable(head))
        return read(stream, max_header_size)

    return read_readable


def _readable(chunk: bytes) -> bytes:
    """Return a part's beginning with a header that can be decoded: other bytes and encoded names are replaced."""
    head, end, content = chunk.partition(_END)
    if not end:
        return chunk
    head = _ENCODED_NAME.sub(b'filename="file"', head)
    try:
        head.decode()
    except UnicodeDecodeError:
        head = head.decode("ascii", "replace").replace("\ufffd", "_").encode()
    return head + end + content
