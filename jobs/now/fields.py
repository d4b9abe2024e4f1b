"""A piece of text of a page that is kept fresh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """Text under a key. `tone` colours it ("", "warn", "bad"), `state` gives it a shape, `fill` is a bar's share."""

    key: str
    text: str
    tone: str = ""
    state: str = ""
    fill: float | None = None
    unit: str = ""

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"text": self.text, "tone": self.tone}
        if self.state:
            found["state"] = self.state
        if self.fill is not None:
            found["fill"] = round(self.fill, 4)
        if self.unit:
            found["unit"] = self.unit
        return found
