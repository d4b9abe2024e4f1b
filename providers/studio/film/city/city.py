"""The backdrop: a street in one-point perspective.

A city is three plates (far, mid, near) that the camera moves by different amounts. Building one takes most of a
second, so `tools/bake.py` stores one per look. `signs.py`, `weather.py` and `scenery.py` add what varies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from providers.studio.film.canvas import FOCAL_LENGTH, PLATE_HEIGHT, PLATE_WIDTH, VANISHING_POINT, bgr, blur
from providers.studio.film.looks import Look

from . import landmarks, streets
from .backdrop import HORIZON_Y, backdrop
from .landmarks import Set
from .streetwork import GROUND, Plane

BRIGHT_AT_NIGHT, BRIGHT_BY_DAY = 70, 225  # 0..255: what is brighter glows
CITY_SEED = 3  # the city that was chosen by eye
FLOOR_Y = int(HORIZON_Y + FOCAL_LENGTH * GROUND / 60)  # plate px, where the street's floor begins


@dataclass(frozen=True)
class City:
    """BGRA uint8 plates; far is opaque, the others premultiplied with glow beyond their alpha."""

    far: np.ndarray
    mid: np.ndarray
    near: np.ndarray


def build_city(look: Look, seed: int = CITY_SEED) -> City:
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:PLATE_HEIGHT, :PLATE_WIDTH].astype(np.float32)
    far = backdrop(random, look, rows, columns)
    mid, near = Plane(), Plane()
    scene = Set(random, look, mid, near)
    streets.BUILDERS[look.city.street](scene)
    for landmark in look.city.landmarks:
        landmarks.BUILDERS[landmark](scene)
    far[FLOOR_Y:] = _wet_floor(random, far, (mid, near), rows, columns)
    if look.city.floor == "dry":
        far[FLOOR_Y:] = _dry_floor(random, look)
    if look.city.floor == "grid":
        far[FLOOR_Y:] = far[FLOOR_Y:] * 0.55 + _grid(look, rows[FLOOR_Y:], columns[FLOOR_Y:])
    haze = np.exp(-(((rows - HORIZON_Y - 40) / 150) ** 2))[..., None]
    if look.daylight:  # haze veils what is behind it
        far += (bgr(look.fog) - far) * haze * 0.45
        mid.colours += (bgr(look.fog) * mid.alpha[..., None] - mid.colours) * haze * 0.20
    else:  # and glows at night
        far += haze * bgr(look.fog) * 0.30
        mid.colours += haze * bgr(look.fog) * 0.16 * mid.alpha[..., None]
    glows_from = BRIGHT_BY_DAY if look.daylight else BRIGHT_AT_NIGHT
    far += _bloom(far, 0.30, glows_from)
    opaque = np.full((PLATE_HEIGHT, PLATE_WIDTH), 255)
    far_plate = np.dstack([np.clip(far, 0, 255), opaque]).astype(np.uint8)
    return City(far_plate, _packed(mid, 0, glows_from), _packed(near, 1.6, glows_from))


def _wet_floor(
    random: np.random.Generator, far: np.ndarray, planes: Any, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """The street reflects the city: flipped, smeared downwards, rippled."""
    scene = far
    for plane in planes:
        scene = scene * (1 - plane.alpha[..., None]) + plane.colours
    count = PLATE_HEIGHT - FLOOR_Y
    mirrored = scene[:FLOOR_Y][::-1][:count]
    if len(mirrored) < count:
        mirrored = np.vstack([mirrored, np.repeat(mirrored[-1:], count - len(mirrored), 0)])
    mirrored = cv2.blur(mirrored, (3, 61))
    ripples = random.random((count // 3, 40)).astype(np.float32)
    ripples = cv2.resize(ripples, (PLATE_WIDTH, count), interpolation=cv2.INTER_LINEAR)
    shifted = (columns[:count] + (ripples - 0.5) * np.linspace(4, 40, count)[:, None]).astype(np.float32)
    mirrored = cv2.remap(mirrored, shifted, rows[:count], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return mirrored * np.linspace(0.75, 0.35, count)[:, None, None] * (0.6 + 0.6 * ripples[..., None])


def _dry_floor(random: np.random.Generator, look: Look) -> np.ndarray:
    """Sand or snow: ripples across, darker towards the camera."""
    count = PLATE_HEIGHT - FLOOR_Y
    drifts = sum(
        gain
        * cv2.resize(
            random.random((down, across)).astype(np.float32), (PLATE_WIDTH, count), interpolation=cv2.INTER_CUBIC
        )
        for down, across, gain in ((10, 4, 0.6), (36, 9, 0.4))
    )
    shade = np.linspace(0.80, 0.34, count, dtype=np.float32)[:, None] * (0.65 + 0.7 * np.asarray(drifts))
    return shade[..., None] * bgr(look.fog)


def _grid(look: Look, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A floor of glowing lines, to the vanishing point and across."""
    z = FOCAL_LENGTH * GROUND / (rows - HORIZON_Y)
    x = (columns - VANISHING_POINT[0]) * z / FOCAL_LENGTH
    thin = 0.018 + z * 0.0016
    lines = np.exp(-((((x + 0.7) % 1.4 - 0.7) / thin) ** 2))
    lines += np.exp(-((((z + 0.9) % 1.8 - 0.9) / (thin * 2.5)) ** 2))
    light = np.clip(lines, 0, 1) * np.exp(-z / 34) * 0.8
    light = light + blur(light.astype(np.float32), 5) * 0.9
    mixed = np.clip(0.5 + x / 9, 0, 1)[..., None]
    return light[..., None] * (bgr(look.circuit_colour) * (1 - mixed) + bgr(look.right_light) * mixed)


def _bloom(colours: np.ndarray, gain: float, glows_from: float) -> np.ndarray:
    bright = cv2.resize(np.clip(colours - glows_from, 0, 255), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    light = blur(bright, 3) + 0.9 * blur(bright, 10) + 0.7 * blur(bright, 26)
    return cv2.resize(light, (PLATE_WIDTH, PLATE_HEIGHT), interpolation=cv2.INTER_LINEAR) * gain


def _packed(plane: Plane, defocus: float, glows_from: float) -> np.ndarray:
    colours, alpha = plane.colours, plane.alpha
    if defocus:
        colours, alpha = blur(colours, defocus), blur(alpha, defocus)
    colours = colours * 0.94 + _bloom(plane.colours, 0.42, glows_from)
    return np.dstack([np.clip(colours, 0, 255), np.clip(alpha * 255, 0, 255)]).astype(np.uint8)
