"""JSON from people, programs and vendors. Python's decoder breaks on some of it and takes some that no database stores.

What is refused, each with a sentence: a text that is no JSON, nesting beyond any use (the decoder raises
RecursionError, SQLite refuses a thousand levels), numbers that JSON cannot write (`NaN`, `1e999`), half of a surrogate
pair, which is no character, and NUL, which PostgreSQL does not store.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

MOST_LEVELS = 64
MOST_DIGITS = 4000  # Python refuses 4,300
_HALF = re.compile("[\ud800-\udfff]")
# Half of a pair in the bytes of a document, as an escape or as what some encoders write for it; whole pairs, too.
_MAYBE_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")


class NotPlain(ValueError):
    """The JSON is refused; its text is a sentence that says why."""


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON document. Raise NotPlain, a ValueError, for what the module's docstring names."""
    value = _decoded(text)
    if fault := fault_in(value):
        raise NotPlain(fault)
    return value


def loads_repaired(text: str | bytes) -> Any:
    """Return the value of a vendor's JSON, with each half of a surrogate pair replaced by U+FFFD.

    Programs cut texts to a length, through an emoji too, put the output of others into them as it came, and measure
    with numbers that nobody can read: no reason to lose what the rest says. Bytes that are no UTF-8 become U+FFFD, and
    a number of thousands of digits infinity. Raise NotPlain for what is no JSON or nested too deeply.
    """
    try:
        value = _decoded(text)
    except NotPlain:
        readable = text.decode("utf-8-sig", "replace") if isinstance(text, bytes) else text
        value = _decoded(readable, parse_int=_number)
    if isinstance(text, bytes) and _MAYBE_HALF.search(text) is None:
        return value
    try:
        return _repaired(value)
    except RecursionError:
        raise NotPlain("The JSON is nested too deeply.") from None


def fault_in(value: Any, *, refuses_nul: bool = True) -> str:
    """Return a sentence about what no database stores in a JSON value, '' when there is nothing of it."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one)
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
            elif isinstance(one, str):
                if _HALF.search(one) is not None:
                    return "Half of a surrogate pair is no character."
                if refuses_nul and "\x00" in one:
                    return "NUL (\\u0000) cannot be stored."
            elif isinstance(one, float) and not math.isfinite(one):
                return "JSON has no NaN and no infinity, and no number as large as that."
        if not below:
            return ""
        level = below
    return "The JSON is nested too deeply."


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else math.inf


def _decoded(text: str | bytes, **how: Any) -> Any:
    try:
        return json.loads(text, **how)
    except RecursionError:
        raise NotPlain("The JSON is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise NotPlain(f"This is not JSON: {error}.") from None
    except ValueError:  # bytes in no encoding, a number of five thousand digits
        raise NotPlain("This is not JSON.") from None


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_repaired(one) for one in value]
    if isinstance(value, dict):
        return {_HALF.sub("\ufffd", name): _repaired(one) for name, one in value.items()}
    return value
