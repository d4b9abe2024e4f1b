"""Coordinates of a face: along the line of the eyes, in eye distances, inside a small window of the plate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from providers.faces.vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, NOSE_BRIDGE
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, sixteenths


@dataclass(frozen=True)
class FaceFrame:
    """Where things are drawn on a face. `unit` is the distance of the outer corners of the eyes in plate px."""

    points: np.ndarray  # mesh on the plate, 468 x 2
    unit: float
    right: np.ndarray  # unit vector along the eyes
    down: np.ndarray  # unit vector across them
    window: tuple[int, int, int, int]  # left, top, right, bottom on the plate

    @classmethod
    def of(cls, points: np.ndarray) -> FaceFrame:
        eyes = points[EYE_OUTER_RIGHT] - points[EYE_OUTER_LEFT]
        unit = max(1.0, float(np.hypot(*eyes)))
        right = eyes / unit
        margin = int(unit * 0.9)
        left, top = np.maximum((points.min(0) - margin).astype(int), 0).tolist()
        far_x, far_y = (points.max(0) + margin).astype(int).tolist()
        window = (left, top, max(left + 8, min(PLATE_WIDTH, far_x)), max(top + 8, min(PLATE_HEIGHT, far_y)))
        return cls(points, unit, right, np.array([-right[1], right[0]]), window)

    @property
    def slice(self) -> tuple[slice, slice]:
        left, top, right, bottom = self.window
        return np.s_[top:bottom, left:right]

    @property
    def width(self) -> int:
        return self.window[2] - self.window[0]

    @property
    def height(self) -> int:
        return self.window[3] - self.window[1]

    @property
    def hairline(self) -> float:
        """The width of a thin line, in px."""
        return max(1.0, self.unit / 110)

    def blank(self) -> np.ndarray:
        """An empty byte mask of the window."""
        return np.zeros((self.height, self.width), np.uint8)

    def along(self, number: int) -> float:
        """How far right of the nose's bridge a mesh point lies, in px."""
        return float((self.points[number] - self.points[NOSE_BRIDGE]) @ self.right)

    def below(self, number: int) -> float:
        """How far below the nose's bridge a mesh point lies, in px."""
        return float((self.points[number] - self.points[NOSE_BRIDGE]) @ self.down)

    def at(self, along: float, below: float) -> np.ndarray:
        """The plate point at px along and below the nose's bridge."""
        return self.points[NOSE_BRIDGE] + self.right * along + self.down * below

    def local(self, points: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Plate points as sixteenths of a pixel in the window, for drawing with shift=4."""
        return sixteenths(np.asarray(points) - np.array(self.window[:2]))

    def local_point(self, point: np.ndarray) -> tuple[int, int]:
        x, y = self.local(point).tolist()
        return x, y
