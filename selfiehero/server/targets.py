"""The target in a request's first line: the path that is asked for, and the host when it is named there."""

from __future__ import annotations

import re

# All sockets are below.
SOCKETS = "/ws/"
_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(|[/?].*)", re.IGNORECASE)


def read_target(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query, and the host that the target names, b"" for none. Raise ValueError for any other target.

    A whole address (RFC 9112, 3.2.2) is what a client sends that takes us for its proxy; its host counts, whatever the
    header Host says. `CONNECT` (3.2.3), other schemes and user names are nothing that a website serves.
    """
    if target.startswith(b"/") or target == b"*":
        return target, b""
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise ValueError("no target that is served here")
    host, path = found.groups()
    return path if path.startswith(b"/") else b"/" + path, host
