"""The camera's moves in each shot: their kinds, and how the seed's numbers vary them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import FRAME_HEIGHT, FRAME_WIDTH, PLATE_HEIGHT, PLATE_WIDTH, camera, smoothstep
from .variation import ShotList

FACE_LEVEL = PLATE_HEIGHT * 0.415  # plate px: the camera moves up or down for faces away from it


@dataclass(frozen=True)
class Move:
    """The camera in one frame, for the hero's plate and for the street behind."""

    zoom: float
    x: float  # plate px from the middle
    y: float
    roll: float  # radians
    street_zoom: float
    street_x: float  # plate px
    street_y: float

    def matrix(self) -> np.ndarray:
        """The hero's plate → frame matrix, clamped so that the plate's edges are never seen."""
        free_x, free_y = PLATE_WIDTH / 2 * (1 - 1 / self.zoom), PLATE_HEIGHT / 2 * (1 - 1 / self.zoom)
        x, y = float(np.clip(self.x, -free_x, free_x)), min(self.y, free_y)
        return camera(self.zoom, PLATE_WIDTH / 2 + x, PLATE_HEIGHT / 2 + y, self.roll)


def hero_move(shots: ShotList, face_y: float, progress: float) -> Move:
    """The shot that introduces the hero: from full figure to a slow push in."""
    lean, ease = shots.lean, smoothstep(-0.2, 1.2, progress)
    rise = (face_y - FACE_LEVEL) * 0.5 * ease
    push, drift = 0.12 + 0.08 * shots.push, 12 + 14 * shots.drift
    roll = (0.004 + 0.006 * shots.tilt) * np.sin(progress * 3.4) * lean
    kick = np.exp(-progress * 13)  # every kind begins with a fast zoom
    x = drift * (2 * progress - 1) * lean
    if shots.hero == "crash":
        zoom = 1.02 + push * ease + 0.42 * kick
        return Move(zoom, x * 0.35, rise, roll, zoom + 0.03, x, -6 * progress)
    if shots.hero == "crane":  # from the emblem up to the face
        climb = (1 - progress) ** 2.6
        zoom = 1.08 + push * (0.5 + 0.5 * ease) + 0.16 * climb + 0.20 * kick
        y = 170 * climb + rise
        return Move(zoom, x * 0.3, y, roll, zoom + 0.02, x * 0.6, 60 * climb - 4)
    if shots.hero == "dolly":  # past the street, from the side
        way = (1 - smoothstep(-0.35, 1.0, progress)) * lean
        zoom = 1.10 + push * ease + 0.24 * kick
        return Move(zoom, -(44 + drift) * way, rise, roll * 1.6, zoom + 0.06, (90 + 2 * drift) * way, -4 * progress)
    zoom = 1.17 + push * 0.4 - 0.10 * ease + 0.32 * kick  # vertigo: the street comes nearer, the hero does not
    return Move(zoom, x * 0.3, rise, roll, 1.05 + (0.24 + push) * ease + 0.30 * kick, x * 0.6, -6 * progress)


def close_up_move(
    shots: ShotList, eyes: np.ndarray, face_height: float, progress: float
) -> tuple[np.ndarray, np.ndarray]:
    """The close-up: the matrix for the hero's plate, and the one for the street out of focus behind."""
    lean, ease = shots.lean, smoothstep(-0.15, 1.15, progress)
    tilt = (-0.040 - 0.030 * shots.tilt + 0.02 * progress) * lean
    zoom, x, y = 1.62 + (0.10 + 0.10 * shots.push) * progress, (8 - 16 * progress) * lean, face_height * 0.16
    if shots.close_up == "push":
        zoom, tilt = 1.48 + (0.34 + 0.14 * shots.push) * ease, tilt * 0.2
    elif shots.close_up == "pass":
        zoom, tilt, x = zoom + 0.08, tilt * 0.5, (48 + 16 * shots.drift) * (1 - 2 * ease) * lean * 0.7
    elif shots.close_up == "rise":
        y, tilt, zoom = y + face_height * 0.36 * (1 - ease), tilt * 0.4, zoom + 0.04
    matrix = camera(zoom, eyes[0] + x, eyes[1] + y, tilt, to=(FRAME_WIDTH * 0.5, FRAME_HEIGHT * 0.44))
    behind = camera(
        1.5 + 0.05 * progress + (zoom - 1.62) * 0.2,
        PLATE_WIDTH / 2 + (30 - 50 * progress) * lean + x * 0.4,
        PLATE_HEIGHT * 0.44 + (y - face_height * 0.16) * 0.3,
        tilt + 0.005 * lean,
    )
    return matrix, behind


def title_move(shots: ShotList, face_y: float, progress: float) -> Move:
    """The last shot: the camera comes to rest above the title."""
    lean, rise = shots.lean, (face_y - FACE_LEVEL) * 0.3
    settled = 1 - (1 - min(1.0, progress * 1.15)) ** 3
    drift = 14 + 8 * shots.drift
    x = (drift - (drift + 6) * progress) * lean
    zoom, y = 1.27 + 0.06 * shots.push - 0.22 * settled, 26.0
    if shots.title == "rise":
        y, zoom = 26 + 110 * (1 - settled), 1.20 + 0.06 * shots.push - 0.10 * settled
    elif shots.title == "drift":
        x, zoom = (60 + drift) * (1 - settled) * lean - 6 * progress, 1.16 + 0.04 * shots.push - 0.04 * settled
    elif shots.title == "press on":
        zoom = 1.04 + (0.07 + 0.05 * shots.push) * settled
    return Move(zoom, x * 0.35, rise + y, 0.0, zoom + 0.02, x, (y - 26) * 0.4)
