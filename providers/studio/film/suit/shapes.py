"""What the kinds of suits are made of: the canvas they are modelled on, and outlines.

Points are (u, v) in face widths from the chin, u to the right, v down. The right side is mirrored to the left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from providers.studio.film.canvas import Colour

Point = tuple[float, float]
Mirror = Callable[[list[Point]], list[Point]]


class Canvas(Protocol):
    """The methods of `armour.Canvas` that a kind of suit uses."""

    def part(
        self, points: list[Point], level: float, bevel: float, colour: Colour, dome: float = ..., shine: float = ...
    ) -> None: ...

    def strip(self, points: list[Point], width: float, gain: float = ..., closed: bool = ...) -> None: ...

    def groove(self, points: list[Point], width: float = ..., depth: float = ...) -> None: ...


def mirrored(points: list[Point]) -> list[Point]:
    """The points on the other side of the body."""
    return [(-u, v) for u, v in points]


def shade(colour: Colour, gain: float) -> Colour:
    """A colour made darker or brighter."""
    red, green, blue = (int(min(255, channel * gain)) for channel in colour)
    return red, green, blue


def disc(u: float, v: float, radius: float, count: int = 28) -> list[Point]:
    """The outline of a disc."""
    angles = np.arange(count) * 2 * np.pi / count
    return [(u + radius * float(np.cos(a)), v + radius * float(np.sin(a))) for a in angles]


def smooth(points: list[Point]) -> list[Point]:
    """A smooth way through some points."""
    ends, way = np.array(points), []
    for t in np.linspace(0, len(points) - 1, 22):  # Catmull-Rom
        index = min(int(t), len(points) - 2)
        rest = t - index
        p0, p1, p2, p3 = (ends[min(max(index + step, 0), len(ends) - 1)] for step in (-1, 0, 1, 2))
        way.append(0.5 * (2 * p1 + (p2 - p0) * rest + (2 * p0 - 5 * p1 + 4 * p2 - p3) * rest**2
                          + (3 * p1 - p0 - 3 * p2 + p3) * rest**3))  # fmt: skip
    return [(float(u), float(v)) for u, v in way]


def tube(points: list[Point], width: float) -> list[Point]:
    """The outline of a hose along a smooth way through some points."""
    way = np.array(smooth(points))
    along = np.gradient(way, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.hypot(*along.T), 1e-6)[:, None] * width / 2
    return [(float(u), float(v)) for u, v in np.vstack([way + across, (way - across)[::-1]])]


def neck_seal(canvas: Canvas, colour: Colour) -> None:
    """A plain collar up to the jaw: hides shirt collars, and photos that end at the chin."""
    side: list[Point] = [(-0.54, -0.03), (-0.45, 0.05), (-0.34, 0.13), (-0.18, 0.20), (0, 0.228)]
    lower: list[Point] = [(0.62, 0.3), (0.5, 0.8), (-0.5, 0.8), (-0.62, 0.3)]
    canvas.part(side + mirrored(side[:-1])[::-1] + lower, 0.10, 0.05, colour, 0.35, 0.35)
