"""A complete HTTP response of a vendor, and the formats that all vendors use in theirs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from common.times import rfc3339

JSON = "application/json"


@dataclass(slots=True)
class SimulatedResponse:
    """A complete response, in the vendor's format."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> SimulatedResponse:
    return SimulatedResponse(status, dump(value), JSON, headers or {})


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def retry_after_headers(form: str, seconds: float, value: str = "") -> dict[str, str]:
    """Return the Retry-After header in one of `faults.RETRY_AFTER_FORMS`; {} for the forms without a header."""
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    match form:
        case "seconds":
            return {"Retry-After": str(math.ceil(seconds))}
        case "date":
            # An HTTP date has whole seconds; it is rounded up, so that it is never too early.
            return {"Retry-After": format_datetime(when.replace(microsecond=0) + timedelta(seconds=1), usegmt=True)}
        case "iso":
            return {"Retry-After": when.isoformat()}
        case "raw":
            return {"Retry-After": value}
    return {}


def format_time(seconds: float | None) -> str | None:
    """Return a Unix time as vendors write it: UTC with milliseconds and a Z."""
    if seconds is None:
        return None
    return rfc3339(datetime.fromtimestamp(seconds, UTC), timespec="milliseconds")


def parse_time(value: Any) -> float | None:
    """Return an ISO 8601 time as a Unix time, without an offset as UTC; None for none. Raise ValueError."""
    if value in (None, ""):
        return None
    when = datetime.fromisoformat(str(value))
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
