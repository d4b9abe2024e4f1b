"""Bodies of application/problem+json (RFC 9457)."""

from __future__ import annotations

from typing import Any

CONTENT_TYPE = "application/problem+json"


def body(status: int, code: str, title: str, detail: str, *, field: str = "", next_step: str = "") -> dict[str, Any]:
    """Return the JSON body of an error: a stable `code` for programs, a sentence in `detail` for people.

    `field` names the part of the request that is wrong, `next_step` what its sender can do; each is left out when
    empty.
    """
    extra = {name: value for name, value in (("field", field), ("next_step", next_step)) if value}
    return {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail, **extra}
