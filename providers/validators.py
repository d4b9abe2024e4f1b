"""Ranges of a provider's settings, each with the message that staff read at its field.

Values beyond them would fail later: a deadline in a hundred million days, for example, is not a date.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import urlsplit

from .errors import AccountProblem
from .http import hosts

_SECOND, _DAY = timedelta(seconds=1), timedelta(hours=24)
SHORTEST_SILENCE, LONGEST_SILENCE = _SECOND, timedelta(hours=1)
# Field, minimum, maximum, message. The minimum of limits and weight is checked by the fields' own validators.
_RANGES: tuple[tuple[str, Any, Any, str], ...] = (
    ("connect_timeout", _SECOND / 10, 60 * _SECOND, "This is between 0.1 seconds and one minute."),
    ("submit_timeout", _SECOND, 300 * _SECOND, "This is between one second and five minutes."),
    ("silence", SHORTEST_SILENCE, LONGEST_SILENCE, "This is between one second and one hour."),
    ("attempt_deadline", None, _DAY, "This is 24 hours at most."),
    ("keep_warm_interval", 10 * _SECOND, _DAY, "This is between ten seconds and 24 hours."),
    ("warm_for", _SECOND, _DAY, "This is between one second and 24 hours."),
    ("price", Decimal(0), Decimal(1000), "A film costs between 0 and 1,000 dollars."),
    ("daily_budget", Decimal(0), None, "A budget is not less than 0; empty means none."),
    ("max_concurrent", None, 100_000, "This is between 1 and 100,000."),
    ("max_per_minute", None, 100_000, "This is between 1 and 100,000."),
    ("weight", None, 1000, "A weight is between 1 and 1,000."),
    ("order", 0, 32767, "An order is between 0 and 32,767."),
)
_QUOTES = "\"'`"
_PLAIN = re.compile(r"[\x20-\x7e]+")
# What vendors' documents write before a key.
_WORD = re.compile(r"authorization:|(bearer|token|key|basic) ", re.IGNORECASE)


class Settings(Protocol):
    """The fields of `models.ProviderConfig` that are checked here by name; _RANGES names the others."""

    base_url: Any
    connect_timeout: Any
    submit_timeout: Any
    attempt_deadline: Any


def problems_of(provider: Settings) -> dict[str, str]:
    """Return a message for each field whose value is not allowed."""
    problems: dict[str, str] = {}
    for name, minimum, maximum, message in _RANGES:
        value = getattr(provider, name)
        if value is not None and (
            (minimum is not None and value < minimum) or (maximum is not None and value > maximum)
        ):
            problems[name] = message
    if "attempt_deadline" not in problems and {"connect_timeout", "submit_timeout"}.isdisjoint(problems):
        submit = provider.connect_timeout + provider.submit_timeout
        if provider.attempt_deadline <= submit:
            problems["attempt_deadline"] = (
                f"This has to be longer than connecting and submitting may take: {submit.total_seconds():g} seconds."
            )
    if problem := check_base_url(provider.base_url):
        problems["base_url"] = problem
    return problems


def check_base_url(url: str) -> str | None:
    """Return what is wrong with a base URL, or None. An empty one is checked by the form."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "This is not an address."
    if "@" in parts.netloc:
        return "Leave the user name and password out: a key goes into its own field, where it is encrypted."
    if parts.scheme != "https" and not hosts.is_near(host):
        return "Write https: by http the key and the photos would cross the internet for everybody to read."
    try:
        # Which network a name leads into is found out at each call.
        hosts.permit_call(url)
    except AccountProblem:
        return "No provider is there: this address is kept for something else."
    return None


def check_api_key(key: str) -> str | None:
    """Return what is wrong with a key that cannot be sent in a header or is surely none, or None."""
    if not _PLAIN.fullmatch(key):
        return "A key is one line of plain ASCII letters, digits and signs."
    if key[0] in _QUOTES or key[-1] in _QUOTES:
        return "Enter the key without the quotation marks around it."
    if _WORD.match(key):
        return "Enter the key alone, without the word of the header before it."
    if " " in key:
        return "A key has no space within it: this is two values, or a piece is missing."
    if key.startswith("whsec_"):
        return "This is a webhook secret. The API key is another value of the provider's."
    return None
