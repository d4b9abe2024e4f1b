"""URL-safe base64 without padding (RFC 4648, section 5), as tokens and web push keys are written."""

from __future__ import annotations

import base64


def encode(raw: bytes) -> str:
    """Return the bytes as text, without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Return what the text stands for, padded or not. Raise ValueError when it is not base64."""
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
