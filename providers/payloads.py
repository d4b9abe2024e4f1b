"""Parsing of vendors' JSON. Types, lengths and nesting depth are checked, because none of them can be relied on.

Optional values that are missing or invalid become empty; required ones raise ValueError.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from common import plain_json

# The sizes of an attempt's columns.
MAX_ID_CHARACTERS = 200
MAX_ADDRESS_CHARACTERS = 2000
MAX_TEXT_CHARACTERS = 2000


def json_object(body: bytes) -> dict[str, Any]:
    """Return a body as a JSON object, its texts without halves of characters. Raise ValueError for anything else."""
    value = plain_json.loads_repaired(body)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def shortened(body: bytes, *, most: int, reading: Callable[[bytes], Any]) -> bytes:
    """Return a body of at most `most` bytes in which `reading` finds what it finds in the whole one, else the whole.

    JSON's long texts and lists are cut, addresses last; what is not a JSON object, or has too many short values, loses
    its end. A body that `reading` cannot read (ValueError, KeyError, TypeError) says nothing, so any cut of it will do.
    """
    if len(body) <= most:
        return body
    shorter = _shorter(body, most)
    try:
        found = reading(body)
    except (ValueError, KeyError, TypeError):
        return shorter
    with contextlib.suppress(ValueError, KeyError, TypeError):
        if reading(shorter) == found:
            return shorter
    return body


def _shorter(body: bytes, most: int) -> bytes:
    with contextlib.suppress(ValueError, RecursionError):
        value: Any = json_object(body)
        for characters, address_characters, items in _CUTS:
            value = _cut(value, characters, address_characters, items)
            shorter = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace")
            if len(shorter) <= most:
                return shorter
    return body[:most]


# Characters of a text, characters of an address, items of a list or object.
_CUTS = ((2000, 8000, 1000), (2000, 2000, 100), (200, 2000, 50), (200, 2000, 20))


def _cut(value: Any, characters: int, address_characters: int, items: int) -> Any:
    if isinstance(value, str):
        is_address = value[:8].lower().startswith(("https://", "http://"))
        return value[: address_characters if is_address else characters]
    if isinstance(value, list):
        return [_cut(one, characters, address_characters, items) for one in value[:items]]
    if isinstance(value, dict):
        kept = list(value.items())[:items]
        return {name[:200]: _cut(one, characters, address_characters, items) for name, one in kept}
    return value


def identifier(value: Any) -> str:
    """Return a vendor's id: 1 to 200 printable characters. Raise ValueError for anything else, also a repaired one."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARACTERS or not value.isprintable():
        raise ValueError("no id")
    if "\ufffd" in value:
        raise ValueError("no id")
    return value


def text(value: Any) -> str:
    """Return at most 2000 characters of a string, without the NULs that PostgreSQL cannot store; '' for no string."""
    return value.replace("\x00", "")[:MAX_TEXT_CHARACTERS] if isinstance(value, str) else ""


def message(value: Any) -> str:
    """Return the text of an error in any form: a text, an object with its words, a list of either; '' for none."""
    if isinstance(value, list):
        return text(". ".join(filter(None, map(_words_of, value[:5]))))
    return text(_words_of(value))


# What vendors call the parts of an error. Others are left out: they may be the photo.
_WORDS_OF_ERRORS = ("code", "type", "title", "message", "msg", "detail", "reason", "description", "error")


def _words_of(value: Any) -> str:
    if isinstance(value, dict):
        parts = (value.get(name) for name in _WORDS_OF_ERRORS)
        # One object within another, as in {"error": {"message": …}}.
        inner = [text(part.get("message")) if isinstance(part, dict) else text(part) for part in parts]
        return ": ".join(filter(None, inner))
    return text(value)


def address(value: Any) -> str:
    """Return an http(s) URL without the white space around it, '' for anything else."""
    value = value.strip() if isinstance(value, str) else ""
    if len(value) > MAX_ADDRESS_CHARACTERS or not value.isprintable():
        return ""
    return value if value.lower().startswith(("https://", "http://")) else ""


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object, {} for anything else."""
    return value if isinstance(value, dict) else {}


def whole(value: Any) -> int | None:
    """Return an integer from 0 to 2**31 − 1, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def fraction(value: Any) -> float | None:
    """Return a number clamped to 0..1, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(1.0, max(0.0, float(value))) if abs(value) < 2**53 and math.isfinite(value) else None


def timestamp(value: Any) -> datetime | None:
    """Return an ISO 8601 time that has an offset, None for anything else."""
    try:
        found = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def texts_in(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, at any depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
