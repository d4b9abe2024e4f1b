"""Nothing that opens something is written to a log: the one formatter of all handlers takes it out.

Some paths are keys: a magic link opens a job, a media address is signed, a webhook's names an attempt, a shared name
opens a film. Views and libraries log paths, exceptions quote addresses, and nobody can see to it that none of them
does; so it is done where a line is written, for every logger. What is looked for is what keys look like here.
"""

from __future__ import annotations

import copy
import logging
import re
from typing import Any

SECRET_PREFIXES = ("/media/", "/webhooks/", "/v/", "/t/")

_SLASH = r"(?:/|%(?:25)*2f)"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])"
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # Whatever follows one of the prefixes, wherever it stands and however often it is escaped.
    (re.compile(rf"({_SLASH}(?:media|webhooks|v|t){_SLASH})[^\s'\"<>)\]]+", re.I), r"\1…"),
    # The query of any address: signatures, tokens, e-mails.
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,12}://[^\s?'\"<>]*\?)[^\s'\"<>)\]]+", re.I), r"\1…"),
    # Name and password in an address.
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,12}://)[^/\s@'\"]{0,200}@", re.I), r"\1…@"),
    (re.compile(r"\b(authorization|cookie|set-cookie|x-csrftoken)(['\"]?\s*[:=]\s*['\"]?)[^\r\n'\"]+", re.I), r"\1\2…"),
    (re.compile(r"\b(token|bearer|key)\s+[\w.~+/=:-]{16,}", re.I), r"\1 …"),
    (re.compile(r"[\w.+%'-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+", re.I), "[e-mail]"),
    # API tokens, signatures, magic links out of their place; the ids of jobs stay.
    (re.compile(rf"(?<![\w-])(?!(?i:{_UUID}))(?=[\w-]*\d)[A-Za-z0-9_-]{{36,}}={{0,2}}"), "[key]"),
)


def redact(text: str) -> str:
    """Return a text without what opens something."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def shown(path: str) -> str:
    """Return a request's path as it may be logged: no query, nothing behind a prefix that promises a secret."""
    path = "/" + path.partition("?")[0].lstrip("/")
    folded = path.casefold()
    return next((f"{prefix}…" for prefix in SECRET_PREFIXES if folded.startswith(prefix)), redact(path))


class RedactingMixin(logging.Formatter):
    """Takes what opens something out of whatever a formatter makes of a record, its traceback included."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple) and any(is_path(part) for part in record.args):
            # A whole path in an argument may hold spaces and quotes, which end one in a text.
            record = copy.copy(record)
            record.args = tuple(
                shown(part) if isinstance(part, str) and is_path(part) else part for part in record.args or ()
            )
        return redact(super().format(record))


class RedactingFormatter(RedactingMixin):
    """Formats a record as a line."""


def is_path(part: Any) -> bool:
    return isinstance(part, str) and part.startswith("/")
