"""Limits on the size of requests, by address, and the answers to larger ones.

The server refuses by the declared length before a byte of the body is read; what declares none is cut when it grows
past the limit. Views check again by their own rules: these limits protect the server's memory and disk.
"""

from __future__ import annotations

import json

from common.problem import body

KIB, MIB = 2**10, 2**20

# A photo of 12 MiB with the form around it.
UPLOAD_BYTES = 13 * MIB
# A little more than the view takes, so that it is the view that answers what is somewhat too long.
WEBHOOK_BYTES = 1 * MIB + 8 * KIB
OTHER_BYTES = 1 * MIB

UPLOAD_PATHS = frozenset({"/api/v1/jobs/", "/api/v1/jobs", "/", "/verify/"})
WEBHOOK_PREFIX = "/webhooks/"


def body_limit(path: str) -> int:
    """Return how many bytes the body of a request to this path may have."""
    if path in UPLOAD_PATHS:
        return UPLOAD_BYTES
    return WEBHOOK_BYTES if path.startswith(WEBHOOK_PREFIX) else OTHER_BYTES


def problem(status: int, code: str, title: str, detail: str) -> bytes:
    """Return a problem+json body, for answers that are given before Django is asked."""
    return json.dumps(body(status, code, title, detail)).encode()


def too_large(path: str) -> tuple[int, bytes]:
    """Return status and body for a request with more bytes than its limit."""
    if path in UPLOAD_PATHS:
        return 413, problem(413, "photo_too_big", "Too large", "The photo is larger than 12 MB. Send a smaller copy.")
    return 413, problem(413, "too_large", "Too large", "The request is larger than this address takes.")


def no_room() -> tuple[int, bytes]:
    """Return status and body for a request that the disk has no room for."""
    return 507, problem(507, "storage_full", "No room", "There is no room for uploads right now. Try again later.")


def address_too_long() -> tuple[int, bytes]:
    """Return status and body for a request whose first line is longer than the server reads."""
    return 414, problem(414, "address_too_long", "Address too long", "The address is longer than 16 kB.")


def head_too_large() -> tuple[int, bytes]:
    """Return status and body for a request with a header longer than the server reads."""
    return 431, problem(431, "header_too_large", "Header too large", "A header is longer than 16 kB.")


def bad_request() -> tuple[int, bytes]:
    """Return status and body for what is no HTTP request."""
    return 400, problem(400, "bad_request", "Bad request", "This is not a request the server can read.")
