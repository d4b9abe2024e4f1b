"""A call as it arrived, and an answer as it will be sent."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from common.times import rfc3339

if TYPE_CHECKING:
    from .wire import Request

JSON = "application/json"


class BadBody(ValueError):
    """The body is not the JSON object that it should be."""


@dataclass(slots=True)
class Answer:
    """A complete answer in the vendor's words."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Call:
    """A call to one provider. `parts` is its path below the provider's mount, `base` the mount's address."""

    request: Request
    parts: list[str]
    base: str

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, their names in lower case."""
        return self.request.headers

    @property
    def body(self) -> bytes:
        return self.request.body

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body is an empty object."""
        try:
            value = json.loads(self.body) if self.body else {}
        except (ValueError, RecursionError) as error:
            raise BadBody("not JSON") from error
        if not isinstance(value, dict):
            raise BadBody("not an object")
        return value

    def key(self, *schemes: str) -> str | None:
        """Return the key of the Authorization header if it uses one of these schemes."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() or None if scheme in schemes else None


@dataclass(slots=True, frozen=True)
class Route:
    """What a call wants: the stage at which faults are looked for, and who carries it out.

    Creations and downloads are carried out by the server, the same for every vendor.
    """

    stage: str
    carry_out: Callable[[Call], Answer] | None = None
    needs_key: bool = True


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, dump(value), JSON, headers or {})


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def retry_after_headers(form: str, seconds: float, value: str = "") -> dict[str, str]:
    """Return the header in which a vendor says when to come again; none for the forms without one."""
    when = datetime.now(UTC) + timedelta(seconds=seconds)
    match form:
        case "seconds":
            return {"Retry-After": str(math.ceil(seconds))}
        case "date":
            # A date has whole seconds; the next one, so that it is never too early.
            return {"Retry-After": format_datetime(when.replace(microsecond=0) + timedelta(seconds=1), usegmt=True)}
        case "iso":
            return {"Retry-After": when.isoformat()}
        case "raw":
            return {"Retry-After": value}
    return {}


def iso(moment: float | None) -> str | None:
    """Return a moment as vendors write it: UTC with milliseconds and a Z."""
    if moment is None:
        return None
    return rfc3339(datetime.fromtimestamp(moment, UTC), timespec="milliseconds")
