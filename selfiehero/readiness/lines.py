"""A line of the readiness report."""

from __future__ import annotations

from dataclasses import dataclass

GREEN, AMBER, RED = "green", "amber", "red"
LEVELS = (RED, AMBER, GREEN)


@dataclass(frozen=True)
class Line:
    """One thing: how it is, in words and as measured, and what to do when it is not green."""

    area: str
    name: str
    level: str
    words: str
    measured: str = ""
    mend: str = ""

    def as_json(self) -> dict[str, str]:
        return dict(self.__dict__)


def judged(area: str, name: str, problem: str, *, good: str, mend: str, level: str = RED, measured: str = "") -> Line:
    """Return a green line without a problem, otherwise one of this level with its mend."""
    if problem:
        return Line(area, name, level, problem, measured, mend)
    return Line(area, name, GREEN, good, measured)
