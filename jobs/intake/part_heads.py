"""Lets every part of a form be read by what it holds, however long its header is and whatever its file is called.

Django's parser leaves a file out, without a word, whose name is a path, dots, invisible or in no encoding; refuses a
header of more than 1,024 bytes; and goes on reading within a part that it left out, so that a photo becomes rubbish
between parts. There is no setting or method for it, so the function that reads a header is wrapped: Django gets each
header in few plain lines. No name of a file is ever used.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any
from urllib.parse import unquote

from django.http import multipartparser
from django.http.multipartparser import MultiPartParserError

MOST_HEAD_BYTES = 16 * 1024
PLAIN_NAME = "file"
_END = b"\r\n\r\n"
# As Django begins: nearly every header ends within.
_FIRST_BYTES = 1024
_LONGEST_NAME = 100
_FOLDED = re.compile(r"\r\n[ \t]+")
_PARAMETER = re.compile(r"[\s;]*([^=;]*?)\s*(?:=\s*|;|\Z)")
# A quoted value ends at a quote that only a semicolon or nothing follows: old browsers escape neither \ nor ".
_VALUE = [
    re.compile(pattern, re.DOTALL)
    for pattern in (r'"((?:[^"\\]|\\.)*)"\s*(?:;|\Z)', r'"(.*?)"\s*(?:;|\Z)', r'"(.*)\Z', r"([^;]*)(?:;|\Z)")
]
_NOT_PLAIN = re.compile(r"[^\w.-]+")


class HeadTooLong(MultiPartParserError):
    """The header of a part is longer than MOST_HEAD_BYTES."""


def install() -> None:
    """Read every form of this process so."""
    read = multipartparser.parse_boundary_stream  # type: ignore[attr-defined]  # django-stubs leave it out
    if not hasattr(read, "__wrapped__"):
        multipartparser.parse_boundary_stream = _with_plain_head(read)  # type: ignore[attr-defined]


def _with_plain_head(read: Callable[[Any, int], Any]) -> Callable[[Any, int], Any]:
    @wraps(read)
    def read_plain(stream: Any, max_header_size: int) -> Any:
        start = stream.read(_FIRST_BYTES)
        if _END not in start:
            start += stream.read(MOST_HEAD_BYTES + len(_END) - len(start))
        head, end, content = start.partition(_END)
        if not end and len(start) > MOST_HEAD_BYTES:
            raise HeadTooLong(f"the header of a part is longer than {MOST_HEAD_BYTES} bytes")
        if end:
            content = content or stream.read(1)  # an empty part is no file that has no name
            head = _plain(head, has_content=bool(content))
        stream.unget(head + end + content)
        kind, headers, rest = read(stream, 4 * MOST_HEAD_BYTES)
        if "name" not in headers.get("content-disposition", ("", {}))[1]:
            # Django would look for the next part within this one.
            multipartparser.exhaust(rest)  # type: ignore[attr-defined]  # see above
        return kind, headers, rest

    return read_plain


def plain_name(name: str) -> str:
    """Return a file's name as letters, digits, dots and dashes of any script: the last part of a path."""
    base = re.split(r"[/\\]", html.unescape(name))[-1]
    base = _NOT_PLAIN.sub("_", base)[-_LONGEST_NAME:]
    return base if base.strip(".") else PLAIN_NAME


def _plain(head: bytes, *, has_content: bool) -> bytes:
    """Return a part's header in the lines that Django reads, with a plain file name."""
    kept = []
    for line in _FOLDED.sub(" ", head.decode("utf-8", "replace")).split("\r\n"):
        name, colon, value = line.partition(":")
        match name.strip().lower():
            case "content-disposition" if colon:
                kept.append(f"Content-Disposition: {_disposition(value, has_content=has_content)}")
            case "content-type" | "content-transfer-encoding" as known if colon and len(value) <= _FIRST_BYTES:
                kept.append(f"{known}:{value}")
    return "\r\n".join(kept).encode()


def _disposition(value: str, *, has_content: bool) -> str:
    kind, _, rest = value.partition(";")
    said = dict(_parameters(rest))
    words = [kind.strip()]
    if "name*" in said and "name" not in said:
        said["name"] = unquote(said["name*"].rpartition("'")[2])
    if "name" in said:
        words.append('name="{}"'.format(said["name"].replace("\\", "\\\\").replace('"', '\\"')))
    names = [text for key, text in said.items() if key == "filename" or key.startswith("filename*")]
    if any(names) or (names and has_content):
        words.append(f'filename="{plain_name(said.get("filename", ""))}"')
    return "; ".join(words)


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters of a header in their order, however their values are quoted."""
    place = 0
    while place < len(text):
        found = _PARAMETER.match(text, place)
        assert found is not None
        place = found.end()
        if "=" not in found[0]:
            continue
        value = next(match for pattern in _VALUE if (match := pattern.match(text, place)))
        place = value.end()
        is_quoted = value[0].startswith('"')
        yield found[1].lower(), re.sub(r'\\(["\\])', r"\1", value[1]) if is_quoted else value[1].strip()
