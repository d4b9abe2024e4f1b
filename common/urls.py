"""Addresses that hold a login: `scheme://user:password@host/…`."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")


def with_escaped_login(url: str) -> str:
    """Return the address with user and password percent-encoded, however they were written.

    Passwords are pasted as they are, and each client reads an address in its own way: some split it at a comma, all end
    it at a slash. The login ends at the last @ in front of the host. What is percent-encoded already stays as it is.
    """
    scheme, mark, rest = url.partition("://")
    at = _end_of_login(rest)
    if not mark or at < 0:
        return url
    user, colon, password = rest[:at].partition(":")
    return f"{scheme}://{_escaped(user)}{colon}{_escaped(password)}{rest[at:]}"


def _end_of_login(rest: str) -> int:
    if rest.startswith("/"):
        return -1  # a path
    address, mark, _ = rest.partition("?")
    host, _, path = address.partition("/")
    if mark and "@" not in path and _HOST.fullmatch(host):
        return -1  # the @ is in the query
    return rest.rfind("@")


def _escaped(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="")
