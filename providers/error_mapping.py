"""Mapping of vendors' error messages to failure codes and waits.

Adapters map error codes where their vendor has them; the patterns here are for messages without a code. They are
narrow, because a wrong match blocks an account or tells a person that their photo is bad.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from . import payloads


@dataclass(frozen=True)
class VendorError:
    """One parsed error body: a text for staff, and one of `errors.FAILURE_CODES`."""

    text: str = ""
    code: str = "request_refused"


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_NO_MONEY = _words(
    r"insufficient[\s_-]+(?:account[\s_-]+)?(?:credits?|balance|funds?|quota)",
    r"exhausted[\s_-]+balance",
    r"balance[\s_-]+(?:is[\s_-]+)?(?:exhausted|insufficient|not[\s_-]+enough|too[\s_-]+low)",
    r"(?:out[\s_-]+of|no|not[\s_-]+enough)[\s_-]+(?:credits?|balance|funds)\b(?! card)",
    r"payment[\s_-]+required",
)
# fal's messages for an account that may not submit: "User is locked. Reason: Exhausted balance …", `TOP_UP`,
# `Admin lock` (public issues of its clients, read 2026-11). Not used for a 429: Replicate links its billing page there.
_LOCKED = _words(_NO_MONEY.pattern, r"user[\s_-]+is[\s_-]+locked", r"top[\s_-]?up", r"admin[\s_-]+lock", r"billing")
# Envoy's and nginx's messages for an upstream that was lost after it had received the request.
_LOST_UPSTREAM = _words(r"disconnect/reset before headers", r"upstream (?:prematurely closed|connection reset)")

_MODERATION = _words(
    r"\bE005\b",  # Replicate: "The input or output was flagged as sensitive. … (E005)"
    r"flagged (?:as|by|for)",
    r"sensitive[\s_-]*(?:content|information|material)",  # Seedance: InputImageSensitiveContentDetected
    r"\bcontain(?:s|ing)? (?:an? |the )?real (?:person|people|human|face)",  # Seedance
    r"(?:inappropriate|prohibited|unsafe|harmful|disallowed)[\s_-]*(?:content|material|imagery)",
    r"data[\s_-]*inspection[\s_-]*failed",  # Alibaba's Wan
    r"responsible[\s_-]+ai\b",  # Azure, Google
    r"\b(?:request|prompt|input|output|image|photo|video|content)[\s_-]+(?:(?:was|is|has been|got)[\s_-]+)?moderated",
    r"\bnsfw\b",
    r"content[\s_-]+(?:policy|moderation)",
    r"moderation",
    r"safety (?:filter|system|checker|policy)",
    r"risk control",
)
# The check itself broke, and said nothing about the photo.
_CHECK = r"(?:moderation|safety|risk control|content policy|responsible ai)"
_BROKEN = (
    r"(?:tim(?:ed?|ing)[\s-]?out|unavailable|unreachable|overloaded|down\b|crashed"
    r"|not (?:available|respond\w*|reachable)|(?:failed|unable) to (?:load|start|respond|initiali[sz]e)"
    r"|internal (?:server )?error|deadline exceeded)"
)
_CALLING = (
    r"(?:tim(?:ed?|ing)[\s-]?out|(?:failed|unable) to (?:reach|call|contact|connect to|load)"
    r"|(?:could not|cannot|can't|couldn't) (?:reach|call|contact|connect to|load)"
    r"|error (?:calling|reaching|contacting|loading|from))"
)
_CHECK_BROKE = _words(
    rf"{_CHECK}\b[^.:;]{{0,40}}?\b{_BROKEN}", rf"\b{_CALLING}\b[^.:;]{{0,40}}?{_CHECK}(?:[\s_-]+\w+)?"
)
_NO_FACE = _words(r"\bno face", r"face (?:was |is )?not (?:found|detected)", r"(?:detect|find) (?:a|any) face")
# A photo that could not be fetched is a fault of our URL or the network, not of the photo.
_NOT_FETCHED = _words(r"download", r"\bfetch", r"unable to access", r"not accessible", r"\burl\b")
_UNREADABLE = _words(
    r"cannot identify image",
    r"(?:unsupported|invalid|corrupt(?:ed)?) image",
    r"(?:could not|cannot|failed to|unable to) (?:read|decode|load|open|parse) (?:the |this |input )*image",
    r"image (?:file )?is (?:truncated|corrupt|unreadable)",
)
_TIMED_OUT = _words(r"timed? ?out", r"deadline exceeded")


def is_about_empty_account(message: str) -> bool:
    """Tell whether an error message, with any status, is about an account without money."""
    return bool(_NO_MONEY.search(message))


def is_about_locked_account(message: str) -> bool:
    """Tell whether the message of a 403 is about the account and not about the key."""
    return bool(_LOCKED.search(message))


def is_about_lost_upstream(message: str) -> bool:
    """Tell whether the message of a 503 is a gateway's that had already forwarded the request."""
    return bool(_LOST_UPSTREAM.search(message))


def failure_code(message: str, *, otherwise: str) -> str:
    """Return the failure code of a vendor's error message, `otherwise` when no pattern matches."""
    message = _CHECK_BROKE.sub(" ", message)
    if _MODERATION.search(message):
        return "photo_refused"
    if _NO_FACE.search(message):
        return "no_face"
    if _UNREADABLE.search(message) and not _NOT_FETCHED.search(message):
        return "photo_unreadable"
    if otherwise == "provider_failed" and _TIMED_OUT.search(message):
        return "provider_timeout"
    return otherwise


# --- How long to wait ---------------------------------------------------------------------------------

_WAIT_FIELDS = {
    "retry_after": 1.0,
    "retryAfter": 1.0,
    "retry-after": 1.0,
    "retry_after_seconds": 1.0,
    "retry_after_ms": 0.001,
    "retryAfterMs": 0.001,
}
# "Your rate limit resets in ~30s." (Replicate's documentation of its rate limits), "try again in 2 minutes".
_WAIT_IN_WORDS = re.compile(
    r"(?:resets?|retry|try again|wait|available)\b[^.\n]{0,40}?\s(?:in |after |for )?~?\s*"
    r"(\d{1,6}(?:\.\d{1,3})?)\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?)\b",
    re.IGNORECASE,
)
_UNITS = {"m": 60.0, "s": 1.0}


def requested_seconds(body: bytes) -> float | None:
    """Return the seconds that an error body asks to wait, or None when it does not say."""
    try:
        data = payloads.json_object(body)
    except ValueError:
        data = {}
    for part in (data, *(payloads.mapping(data.get(name)) for name in ("error", "data", "detail"))):
        for name, unit in _WAIT_FIELDS.items():
            number = _number(part.get(name))
            if number is not None:
                return number * unit
    words = _WAIT_IN_WORDS.search(body[:4000].decode("utf-8", "replace"))
    if words is None:
        return None
    name = words[2].lower()
    return float(words[1]) * (0.001 if name.startswith(("ms", "milli")) else _UNITS[name[0]])


def _number(value: Any) -> float | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 10**9:
        return None
    return float(value) if math.isfinite(value) else None
