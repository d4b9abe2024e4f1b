"""Photos that the simulator loads, as a vendor would."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from .outgoing import NoResponse, Outgoing

PHOTO_SECONDS = 15.0
MAX_PHOTO_BYTES = 50 * 2**20


async def load(outgoing: Outgoing, url: str) -> tuple[int, bytes]:
    """Return status and content of a photo at an http(s) or `data:` URL; status 0 when there is no response."""
    if url.startswith("data:"):
        try:
            return 200, base64.b64decode(url.partition(",")[2], validate=True)
        except (ValueError, binascii.Error):
            return 0, b""
    try:
        reply = await outgoing.call("GET", url, seconds=PHOTO_SECONDS, max_bytes=MAX_PHOTO_BYTES)
    except NoResponse:
        return 0, b""
    return reply.status, reply.body


def facts(status: int, content: bytes) -> dict[str, Any]:
    """Return what the ledger keeps of a photo."""
    return {"status": status, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
