"""A call to one vendor, and the route that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common import plain_json

from .responses import SimulatedResponse
from .wire import Request


class BadBody(ValueError):
    """The body is not the JSON object that it should be."""


@dataclass(slots=True)
class Call:
    """A call to one provider. `parts` is its path below the provider's mount, `base` the URL of the mount."""

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
        """Return the body as a JSON object, {} for an empty body. Raise BadBody."""
        try:
            value = plain_json.loads_repaired(self.body) if self.body else {}
        except ValueError as error:
            raise BadBody("not JSON") from error
        if not isinstance(value, dict):
            raise BadBody("not an object")
        return value

    def key(self, *schemes: str) -> str | None:
        """Return the key in the Authorization header when its scheme is one of these."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() or None if scheme in schemes else None


@dataclass(slots=True, frozen=True)
class Route:
    """The stage at which faults for a call are chosen, and the function that responds to it.

    `respond` is None for submits and film downloads: the server responds to those, the same for every vendor.
    """

    stage: str
    respond: Callable[[Call], SimulatedResponse] | None = None
    needs_key: bool = True
