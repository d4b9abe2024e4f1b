"""The end of the street: sky, sun, searchlights and skyline."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, VANISHING_POINT, bgr, blur
from providers.studio.film.looks import Look

from .buildings import Picture, pagoda, spire
from .heights import dome, mesa, peak
from .streetwork import facade

HORIZON_Y = VANISHING_POINT[1]
SUN_X, SUN_Y, SUN_RADIUS = PLATE_WIDTH / 2, PLATE_HEIGHT * 0.345, PLATE_WIDTH * 0.40
SMALL_SUN = (PLATE_WIDTH * 0.80, PLATE_HEIGHT * 0.135)  # the second of two suns
# What stands at the end of the street, and between which widths (px).
HOUSES: dict[str, tuple[Callable[[np.random.Generator, int, int, Look], Picture], tuple[int, int]]] = {
    "pagodas": (pagoda, (64, 120)),
    "spires": (spire, (26, 64)),
    "mesas": (mesa, (150, 270)),
    "peaks": (peak, (190, 330)),
    "domes": (dome, (54, 104)),
}
BEAMS = (  # searchlights: foot (share of the width), angle, width (radians), gain
    (0.16, -0.34, 0.030, 0.30),
    (0.30, -0.10, 0.022, 0.20),
    (0.74, 0.16, 0.026, 0.24),
    (0.90, 0.38, 0.034, 0.30),
)


def backdrop(random: np.random.Generator, look: Look, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Draw the end of the street over the whole plate, float32 BGR."""
    far = _sky(random, look)
    _sun(far, look, rows, columns)
    _skyline(far, random, look)
    return far


def _sky(random: np.random.Generator, look: Look) -> np.ndarray:
    zenith, middle, horizon = (bgr(colour) for colour in look.sky)
    height = np.linspace(0, 1, PLATE_HEIGHT, dtype=np.float32)[:, None]
    ratio = np.clip(height / (HORIZON_Y / PLATE_HEIGHT), 0, 1)
    lower = middle + (horizon - middle) * np.clip((ratio - 0.6) / 0.4, 0, 1) ** 1.5
    gradient = np.where(ratio < 0.6, zenith + (middle - zenith) * (ratio / 0.6), lower)
    sky = np.repeat(gradient[:, None, :], PLATE_WIDTH, 1).astype(np.float32)
    clouds = np.zeros((PLATE_HEIGHT, PLATE_WIDTH), np.float32)
    for cells, gain in ((6, 0.5), (12, 0.3), (28, 0.2)):
        noise = random.random((cells * 2, cells)).astype(np.float32)
        clouds += gain * cv2.resize(noise, (PLATE_WIDTH, PLATE_HEIGHT), interpolation=cv2.INTER_CUBIC)
    return sky * (0.65 + 0.7 * clouds)[..., None]


def _sun(far: np.ndarray, look: Look, rows: np.ndarray, columns: np.ndarray) -> None:
    """Draw the sun behind the head, and searchlights that fan out of the skyline."""
    distance = np.hypot(columns - SUN_X, rows - SUN_Y)
    ratio = np.clip((rows - (SUN_Y - SUN_RADIUS)) / (2 * SUN_RADIUS), 0, 1)[..., None]
    colour = bgr(look.sun[0]) * (1 - ratio) + bgr(look.sun[1]) * ratio
    disc = np.clip(SUN_RADIUS - distance, 0, 1)
    if look.sun_shape == "slit":
        height = (rows - SUN_Y) / SUN_RADIUS
        slits = ((height * 9) % 1) < np.clip(0.26 + 0.24 * height, 0, 0.6)
        disc = disc * (1 - slits * (height > -0.80))
    if look.sun_shape == "ring":
        disc = _rings(distance, rows, columns)
    if look.sun_shape == "twin":
        disc = np.maximum(
            disc, np.clip(SUN_RADIUS * 0.26 - np.hypot(columns - SMALL_SUN[0], rows - SMALL_SUN[1]), 0, 1)
        )
    if look.sun_shape == "moon":
        disc = disc * _craters(rows, columns)
    if look.sun_shape == "rays":
        far += (_rays(rows, columns) * np.exp(-distance / (SUN_RADIUS * 2.2)))[..., None] * bgr(look.sun[0]) * 0.30
    disc = blur(disc.astype(np.float32), 1.2)[..., None]
    if look.city.searchlights:
        _searchlights(far, look, rows, columns)
    halo = np.exp(-np.maximum(distance - SUN_RADIUS, 0) / (SUN_RADIUS * 0.42))
    far += halo[..., None] * bgr(look.sun[1]) * 0.34
    far[...] = far * (1 - disc * 0.96) + colour * disc * 0.96


def _rings(distance: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Draw a sun of circles: a bright one with broken ones around it, like the dial of a lock."""
    turn = np.arctan2(rows - SUN_Y, columns - SUN_X) / (2 * np.pi)
    rings = np.exp(-(((distance - SUN_RADIUS) / 7) ** 2))
    rings += 0.5 * np.exp(-(((distance - SUN_RADIUS * 0.84) / 3) ** 2))
    rings += 0.25 * (np.abs(distance - SUN_RADIUS * 1.13) < 2) * ((turn * 60) % 2 < 1)
    rings += 0.30 * (np.abs(distance - SUN_RADIUS * 0.92) < 7) * ((turn * 90) % 1 < 0.35)
    rings += 0.34 * (np.abs(distance - SUN_RADIUS * 1.24) < 5) * ((turn * 3 + 0.1) % 1 < 0.55)
    rings += 0.16 * (np.abs(distance - SUN_RADIUS * 1.36) < 1.5)
    return np.clip(rings, 0, 1)


def _craters(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The face of a moon: dark seas, and craters with bright rims; 0..1."""
    random = np.random.default_rng(8)
    face = np.ones(rows.shape, np.float32)
    seas = random.random((10, 6)).astype(np.float32)
    seas = cv2.resize(seas, face.shape[::-1], interpolation=cv2.INTER_CUBIC)
    face -= 0.30 * np.clip((seas - 0.5) * 4, 0, 1)
    for _ in range(26):
        turn, out = random.uniform(0, 2 * np.pi), SUN_RADIUS * np.sqrt(random.uniform(0, 0.95))
        size = SUN_RADIUS * random.uniform(0.03, 0.12)
        away = np.hypot(columns - SUN_X - out * np.cos(turn), rows - SUN_Y - out * np.sin(turn)) / size
        face += 0.14 * np.exp(-(((away - 1) / 0.16) ** 2)) - 0.15 * np.exp(-((away / 0.8) ** 4))
    return np.clip(face, 0.3, 1.0)


def _rays(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Rays that fan out from the sun; 0..1."""
    turn = np.arctan2(rows - SUN_Y, columns - SUN_X)
    return (0.5 + 0.5 * np.sin(turn * 22)) * (0.6 + 0.4 * np.sin(turn * 9 + 1)) + 0.3


def _searchlights(far: np.ndarray, look: Look, rows: np.ndarray, columns: np.ndarray) -> None:
    for foot, angle, width, gain in BEAMS:
        x, y = foot * PLATE_WIDTH, HORIZON_Y + 60
        direction = np.arctan2(columns - x, y - rows)
        fall = np.exp(-np.hypot(columns - x, rows - y) / (PLATE_HEIGHT * 0.42))
        beam = np.exp(-(((direction - angle) / width) ** 2)) * fall * gain * (rows < y)
        far += beam[..., None] * bgr(look.right_light if gain > 0.25 else look.left_light)


def _skyline(far: np.ndarray, random: np.random.Generator, look: Look) -> None:
    """Two rows of distant houses, lower in the middle so that the sun stays whole."""
    if look.city.skyline == "towers":
        _towers(far, random, look)
        return
    draw, widths = HOUSES[look.city.skyline]
    for height_limit, fog in ((0.34, 0.84), (0.42, 0.62)):
        x = -30
        while x < PLATE_WIDTH + 20:
            width = int(random.integers(*widths))
            off_centre = abs((x + width / 2) / PLATE_WIDTH - 0.5) * 2
            height = int(PLATE_HEIGHT * height_limit * (0.22 + 0.78 * off_centre**1.2) * random.uniform(0.6, 1.15))
            texture, shape = draw(random, width, max(40, height), look)
            _stand(far, texture, shape, x, int(HORIZON_Y + 44), fog, bgr(look.fog) * 0.75)
            x += int(width * random.uniform(0.55, 1.0))


def _stand(
    far: np.ndarray, texture: np.ndarray, shape: np.ndarray, x: int, ground: int, fog: float, fog_colour: np.ndarray
) -> None:
    """Draw a house in the haze; parts outside the plate are cut off."""
    height, width = shape.shape
    left, right = max(0, x), min(PLATE_WIDTH, x + width)
    top = max(0, ground - height)
    if right <= left:
        return
    rows, columns = slice(top - (ground - height), height), slice(left - x, right - x)
    haze = np.clip(fog + 0.3 * np.linspace(-0.35, 1, height)[rows, None, None], 0, 0.97)
    cover = shape[rows, columns, None]
    house = texture[rows, columns] * (1 - haze) + fog_colour * haze
    far[top:ground, left:right] = far[top:ground, left:right] * (1 - cover) + house * cover


def _towers(far: np.ndarray, random: np.random.Generator, look: Look) -> None:
    """Towers full of windows, with masts."""
    fog_colour = bgr(look.fog)
    for width_limit, height_limit, fog in ((46, 0.30, 0.80), (34, 0.36, 0.62)):
        x = -20
        while x < PLATE_WIDTH + 20:
            width = int(random.integers(18, width_limit + 24))
            off_centre = abs((x + width / 2) / PLATE_WIDTH - 0.5) * 2
            rise = PLATE_HEIGHT * height_limit * (0.25 + 0.75 * off_centre**1.1)
            height = int(rise * random.uniform(0.6, 1.15))
            top = int(HORIZON_Y + 14 - height)
            tower = facade(random, width, height, look.windows, (4, 6), 0.30) * 0.85
            haze = np.clip(fog + 0.3 * np.linspace(-0.35, 1, height)[:, None, None], 0, 0.97)
            tower = tower * (1 - haze) + fog_colour * 0.75 * haze
            left, right = max(0, x), min(PLATE_WIDTH, x + width)
            if right > left:
                far[max(0, top) : top + height, left:right] = tower[max(0, -top) :, left - x : right - x]
            mast = x + width // 2
            if random.random() < 0.4 and 0 < mast < PLATE_WIDTH:
                far[max(0, top - int(random.integers(10, 60))) : top, mast : mast + 2] = fog_colour * 0.5
            x += width + int(random.integers(-4, 10))
