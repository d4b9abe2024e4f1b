"""The headers of every answer, whoever makes it: a view, an event stream, or the server before Django is asked."""

from __future__ import annotations

from functools import lru_cache

# What no page of ours uses is off, for frames too; the camera is for the selfie.
PERMISSIONS = "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), serial=(), midi=()"


@lru_cache(maxsize=4)
def of_all(*, hsts_seconds: int) -> dict[str, str]:
    """Return the headers of every answer but Cross-Origin-Resource-Policy, which shared films have looser."""
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": PERMISSIONS,
    }
    if hsts_seconds:
        headers["Strict-Transport-Security"] = f"max-age={hsts_seconds}; includeSubDomains"
    return headers


@lru_cache(maxsize=4)
def of_data(*, hsts_seconds: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer that is no page, as ASGI has them: nobody keeps it, and nothing in it runs."""
    headers = of_all(hsts_seconds=hsts_seconds) | {
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Cache-Control": "private, no-store",
        "X-Frame-Options": "DENY",
    }
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
