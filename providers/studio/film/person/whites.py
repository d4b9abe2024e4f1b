"""Teeth and the whites of the eyes, which stay white in the city's light, and the light in the eyes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.eyes import LOWER_RIM, RIM
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, blur, sixteenths, smoothsteps

from .cutout import Cutout
from .skin import LUMA

INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)  # mesh points
OPEN_MOUTH = 0.006  # face heights squared: a smaller area shows no teeth
NEUTRAL = np.array([0.955, 0.995, 1.02], np.float32)  # BGR: a white in warm light
COLOURLESS = (0.30, 0.52)  # saturation: whites have less, gums and lips more
MARGIN = 3  # px


@dataclass(frozen=True)
class _White:
    """How the white inside a ring is treated."""

    from_light: tuple[float, float]  # luma, as a share of the skin's: what is lighter is white
    share: float  # of the way to white
    least: float  # of the light they have already
    most: float  # of 1: none is brighter


TEETH = _White(from_light=(0.45, 0.85), share=0.85, least=0.9, most=0.82)
EYES = _White(from_light=(0.50, 0.95), share=0.55, least=0.8, most=0.62)
EYE_LIGHT = 84.0  # of 255, in the middle of the light in an eye


def inner_lips(points: np.ndarray) -> np.ndarray:
    """The ring between the lips, n x 2."""
    return points[list(INNER_LIPS), :2]


def lid_ring(eye: np.ndarray) -> np.ndarray:
    """The edges of an eye's lids as a ring, n x 2."""
    return np.vstack([eye[:LOWER_RIM], eye[LOWER_RIM:RIM][::-1]])


def whiteness(picture: np.ndarray, skin: float, from_light: tuple[float, float]) -> np.ndarray:
    """How much each pixel of a BGR picture (0..1) looks like a tooth or the white of an eye beside skin of a luma."""
    gray, highest = picture @ LUMA, picture.max(2)
    colour = (highest - picture.min(2)) / np.maximum(highest, 0.02)
    low, high = (limit * max(skin, 0.05) for limit in from_light)
    return (smoothsteps(low, high, gray) * (1 - smoothsteps(*COLOURLESS, colour))).astype(np.float32)


def whiten(cutout: Cutout, base: np.ndarray, skin: float, luma: float) -> None:
    """Give teeth and whites in a graded base layer the light they have beside skin, and light the eyes, in place.

    `skin` is the photo's luma of skin, `luma` the film's, 0..1.
    """
    gain = luma / max(skin, 0.05)
    lips = inner_lips(cutout.points)
    if cv2.contourArea(lips.astype(np.float32)) > OPEN_MOUTH * cutout.face_height**2:
        _whiten(cutout, base, lips, TEETH, skin, gain)
    for eye in cutout.eyes:
        _whiten(cutout, base, lid_ring(eye), EYES, skin, gain)
        _shine(cutout, base, eye)


def _box(ring: np.ndarray, rows: int) -> tuple[slice, slice] | None:
    left, top = np.maximum(ring.min(0).astype(int) - MARGIN, 0).tolist()
    right, bottom = np.minimum(ring.max(0).astype(int) + MARGIN, (PLATE_WIDTH, min(rows, PLATE_HEIGHT))).tolist()
    return np.s_[top:bottom, left:right] if right - left > 2 * MARGIN and bottom - top > 4 else None


def _inside(ring: np.ndarray, box: tuple[slice, slice], soft: float) -> np.ndarray:
    mask = np.zeros((box[0].stop - box[0].start, box[1].stop - box[1].start), np.uint8)
    cv2.fillPoly(mask, [sixteenths(ring - (box[1].start, box[0].start))], 255, cv2.LINE_AA, 4)
    return blur(mask.astype(np.float32) / 255, soft)


def _whiten(cutout: Cutout, base: np.ndarray, ring: np.ndarray, kind: _White, skin: float, gain: float) -> None:
    """Inside a ring, give back their light to pixels that are colourless and about as light as skin."""
    box = _box(ring, cutout.photo_rows)
    if box is None:
        return
    photo = cutout.colours[box].astype(np.float32) / 255
    gray = photo @ LUMA
    white = blur(whiteness(photo, skin, kind.from_light), 0.8) * _inside(ring, box, 1.0) * kind.share
    film = base[box][..., :3].astype(np.float32)
    knee = kind.most * 0.75
    wanted = gray * gain
    wanted = np.where(wanted > knee, knee + (wanted - knee) * 0.5, wanted)
    wanted = np.clip(np.maximum(wanted, film @ LUMA / 255 * kind.least), 0, kind.most)[..., None] * 255 * NEUTRAL
    base[box][..., :3] = np.clip(film + (wanted - film) * white[..., None], 0, 255).astype(np.uint8)


def _shine(cutout: Cutout, base: np.ndarray, eye: np.ndarray) -> None:
    """Put a small light on the iris, above its middle, on the side of the key light."""
    iris, rim = eye[RIM:], lid_ring(eye)
    radius = float(np.hypot(*(iris[1] - iris[3]))) / 2
    box = _box(rim, cutout.photo_rows)
    if box is None or radius < 3 or np.ptp(rim[:, 1]) < 0.9 * radius:
        return
    rows, columns = np.mgrid[box].astype(np.float32)
    right, down = columns - np.float32(iris[0, 0]), rows - np.float32(iris[0, 1])
    spot = np.exp(-(((right + 0.32 * radius) ** 2 + (down + 0.36 * radius) ** 2) / (0.24 * radius) ** 2)) * EYE_LIGHT
    below = np.clip(down / radius, 0, 1) * np.clip(1 - np.hypot(right, down) / radius, 0, 1) * EYE_LIGHT * 0.45
    inside, film = _inside(rim, box, 0.8), base[box][..., :3].astype(np.float32)
    tint = film / np.maximum(film.max(2, keepdims=True), 8)
    # The spot is white, the iris below it glows in its own colour.
    film += (spot * inside)[..., None] + (below * inside)[..., None] * tint
    base[box][..., :3] = np.clip(film, 0, 255).astype(np.uint8)
