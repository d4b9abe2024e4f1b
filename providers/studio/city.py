"""The backdrop: a canyon of a street at night, in one-point perspective.

It comes as three plates (far, mid, near) that the camera moves by different amounts.
Building one takes most of a second, so `bake.py` stores a city per look; what differs
from film to film (signs, weather, traffic) is added by `signs.py`, `weather.py` and `traffic.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import FOCAL_LENGTH, PLATE_HEIGHT, PLATE_WIDTH, VANISHING_POINT, bgr, blur
from .looks import Look
from .streetwork import GROUND, Plane, facade, hologram_texture, sign_texture, upright

CITY_SEED = 3  # the city that was chosen by eye
HORIZON_Y = VANISHING_POINT[1]
FLOOR_Y = int(HORIZON_Y + FOCAL_LENGTH * GROUND / 60)  # plate px, where the street's floor begins
SUN_X, SUN_Y, SUN_RADIUS = PLATE_WIDTH / 2, PLATE_HEIGHT * 0.345, PLATE_WIDTH * 0.40
BEAMS = (  # searchlights: foot (share of the width), angle, width (radians), gain
    (0.16, -0.34, 0.030, 0.30),
    (0.30, -0.10, 0.022, 0.20),
    (0.74, 0.16, 0.026, 0.24),
    (0.90, 0.38, 0.034, 0.30),
)


@dataclass(frozen=True)
class City:
    """BGRA uint8 plates; far is opaque, the others premultiplied with glow beyond their alpha."""

    far: np.ndarray
    mid: np.ndarray
    near: np.ndarray


def fog_at(z: float) -> float:
    """How much of what stands at a distance is fog, 0..1."""
    return 1 - np.exp(-(z - 6) / 34)


def build_city(look: Look, seed: int = CITY_SEED) -> City:
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:PLATE_HEIGHT, :PLATE_WIDTH].astype(np.float32)
    far = _sky(random, look)
    _sun_and_beams(far, look, rows, columns)
    _skyline(far, random, look)
    mid, near = _canyon(random, look)
    far[FLOOR_Y:] = _wet_floor(random, far, (mid, near), rows, columns)
    haze = np.exp(-(((rows - HORIZON_Y - 40) / 150) ** 2))[..., None] * bgr(look.fog)
    far += haze * 0.30
    mid.colours += haze * 0.16 * mid.alpha[..., None]
    far += _bloom(far, 0.30)
    opaque = np.full((PLATE_HEIGHT, PLATE_WIDTH), 255)
    far_plate = np.dstack([np.clip(far, 0, 255), opaque]).astype(np.uint8)
    return City(far_plate, _packed(mid, 0), _packed(near, 1.6))


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


def _sun_and_beams(far: np.ndarray, look: Look, rows: np.ndarray, columns: np.ndarray) -> None:
    """The sun stands behind the head; searchlights fan out of the skyline."""
    distance = np.hypot(columns - SUN_X, rows - SUN_Y)
    ratio = np.clip((rows - (SUN_Y - SUN_RADIUS)) / (2 * SUN_RADIUS), 0, 1)[..., None]
    colour = bgr(look.sun[0]) * (1 - ratio) + bgr(look.sun[1]) * ratio
    disc = np.clip(SUN_RADIUS - distance, 0, 1)
    if look.sun_shape == "slit":
        height = (rows - SUN_Y) / SUN_RADIUS
        slits = ((height * 9) % 1) < np.clip(0.12 + 0.36 * height, 0, 0.6)
        disc = disc * (1 - slits * (height > -0.15))
    if look.sun_shape == "ring":
        ticks = ((np.arctan2(rows - SUN_Y, columns - SUN_X) * 30 / np.pi) % 2) < 1
        disc = np.exp(-(((distance - SUN_RADIUS) / 7) ** 2))
        disc += 0.5 * np.exp(-(((distance - SUN_RADIUS * 0.84) / 3) ** 2))
        disc = np.clip(disc + 0.25 * (np.abs(distance - SUN_RADIUS * 1.13) < 2) * ticks, 0, 1)
    disc = blur(disc.astype(np.float32), 1.2)[..., None]
    for foot, angle, width, gain in BEAMS:
        x, y = foot * PLATE_WIDTH, HORIZON_Y + 60
        direction = np.arctan2(columns - x, y - rows)
        fall = np.exp(-np.hypot(columns - x, rows - y) / (PLATE_HEIGHT * 0.42))
        beam = np.exp(-(((direction - angle) / width) ** 2)) * fall * gain * (rows < y)
        far += beam[..., None] * bgr(look.right_light if gain > 0.25 else look.left_light)
    halo = np.exp(-np.maximum(distance - SUN_RADIUS, 0) / (SUN_RADIUS * 0.42))
    far += halo[..., None] * bgr(look.sun[1]) * 0.34
    far[...] = far * (1 - disc * 0.96) + colour * disc * 0.96


def _skyline(far: np.ndarray, random: np.random.Generator, look: Look) -> None:
    """Two rows of distant towers, lower in the middle so that the sun stays whole."""
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


def _canyon(random: np.random.Generator, look: Look) -> tuple[Plane, Plane]:
    """Buildings left and right of the street, a bridge, and two holograms."""
    mid, near, fog_colour = Plane(), Plane(), bgr(look.fog)
    block = _Block(random, look)
    for start, end in ((21, 26), (28, 34), (36, 44), (46, 60)):
        block.build(mid, start, end, half_street=6.0, heights=(5, 12.5), cell=(7, 11), lit=0.36)
    block.build(mid, 15, 19, half_street=5.0, heights=(7, 11), cell=(7, 11), lit=0.36)
    for start, end in ((8.6, 10.4), (11.6, 14.4)):
        block.build(near, start, end, half_street=4.3, heights=(5.5, 15), cell=(8, 12), lit=0.30)
    bridge = facade(random, 300, 26, look.windows, (6, 9), 0.7)
    mid.put(bridge, upright(-6, 6, -7.2, -6.4, 34), fog_at(34), fog_colour * 0.8)
    for side, word, colour, z, top in (
        (-1, look.signs[0][:2], look.right_light, 17, -6.6),
        (1, look.signs[1][:2], look.left_light, 20, -8.2),
    ):
        texture = hologram_texture(word, colour)
        width, middle = 2.5 * z / 17, side * 3.15 * z / 17
        height = width * texture.shape[0] / texture.shape[1]
        corners = upright(middle - width / 2, middle + width / 2, top, top + height, z)
        mid.put(texture, corners, 0, fog_colour * 0, add=True)
    return mid, near


class _Block:
    """Builds the two houses that face each other across the street."""

    def __init__(self, random: np.random.Generator, look: Look) -> None:
        self.random, self.look, self.fog_colour = random, look, bgr(look.fog)

    def build(
        self,
        plane: Plane,
        start: float,
        end: float,
        *,
        half_street: float,
        heights: tuple[float, float],
        cell: tuple[int, int],
        lit: float,
    ) -> None:
        random = self.random
        for side in (-1, 1):
            top = -random.uniform(*heights)
            edge = half_street + random.uniform(0, 0.5)
            fog = float(np.clip(fog_at(start), 0, 0.93))
            wall, outer = side * edge, side * (edge + random.uniform(2.5, 5))
            height = int((GROUND - top) * 34)
            street_side = self._street_side(int(max(60, (end - start) * 38)), height, cell, lit, side, start)
            back, front = (wall, top, end), (wall, top, start)
            ground_front, ground_back = (wall, GROUND, start), (wall, GROUND, end)
            corners = [back, front, ground_front, ground_back]
            if side > 0:
                corners = [front, back, ground_back, ground_front]
            plane.put(street_side, corners, fog, self.fog_colour * 0.8)
            face = self._face(int(abs(outer - wall) * 40), height, cell, lit, side, start)
            corners = upright(min(wall, outer), max(wall, outer), top, GROUND, start)
            plane.put(face, corners, fog, self.fog_colour * 0.6)
            if random.random() < 0.6:  # a neon tube along the corner
                tube = np.ones((8, 8, 3), np.float32) * bgr(self._colour())
                plane.put(tube, upright(wall - 0.03, wall + 0.03, top, GROUND, start), fog * 0.5, self.fog_colour)
            self._protruding_signs(plane, start, end, side, wall, top, fog)

    def _colour(self):
        return self.look.left_light if self.random.random() < 0.5 else self.look.right_light

    def _word(self) -> str:
        return self.look.signs[int(self.random.integers(len(self.look.signs)))]

    def _sign(self, size: int, margin: int, start: float, filled_share: float = 0.3) -> np.ndarray:
        word, colour = self._word(), self._colour()
        filled = bool(self.random.random() < filled_share) and start > 18
        return sign_texture(word, colour, size, margin, filled)

    def _street_side(self, width, height, cell, lit, side, start) -> np.ndarray:
        random = self.random
        wall = facade(random, width, height, self.look.windows, cell, lit)
        for _ in range(int(random.integers(1, 4))):
            sign = self._sign(44, 10, start)
            scale = random.uniform(0.5, 1.3)
            sign = cv2.resize(sign, None, fx=scale, fy=scale)
            sign_height, sign_width = sign.shape[:2]
            if height > sign_height + 20 and width > sign_width + 6:
                y = int(random.integers(10, height - sign_height - 5))
                x = int(random.integers(2, width - sign_width - 2))
                wall[y : y + sign_height, x : x + sign_width] = sign
        shops = bgr(self._colour()) * random.uniform(0.3, 0.9) * (random.random((1, width, 1)) > 0.25)
        street_level = int(height * 0.965) - 40
        wall[street_level:] = np.maximum(wall[street_level:], shops)
        return wall

    def _face(self, width, height, cell, lit, side, start) -> np.ndarray:
        random = self.random
        face = facade(random, width, height, self.look.windows, cell, lit) * 0.8
        height, width = face.shape[:2]
        if width > 110 and height > 300:
            sign = self._sign(60, 14, start)
            scale = min(1.6, (width - 20) / sign.shape[1], (height - 40) / sign.shape[0])
            sign = cv2.resize(sign, None, fx=scale, fy=scale)
            sign_height, sign_width = sign.shape[:2]
            if side < 0:
                random.integers(4, width - sign_width - 3)  # keeps the dice in step with the chosen city
            x = width - sign_width - 10 if side < 0 else 10
            y = int(random.integers(int((height - sign_height) * 0.35), height - sign_height - 8))
            face[y : y + sign_height, x : x + sign_width] = sign
        return face

    def _protruding_signs(self, plane, start, end, side, wall, top, fog) -> None:
        random = self.random
        for _ in range(int(random.integers(2, 4)) if start < 34 else 0):
            sign = self._sign(56, 14, start, filled_share=0.25)
            width = random.uniform(0.75, 1.25) * (1 + start * 0.022)
            height = width * sign.shape[0] / sign.shape[1]
            y = random.uniform(max(top + 0.3, -4.2 * start / 9), 0.2 * start / 9)
            inner, z = wall - side * width, random.uniform(start, end)
            corners = upright(min(wall, inner), max(wall, inner), y, y + height, z)
            plane.put(sign, corners, fog * 0.55, self.fog_colour, alpha=0.96)


def _wet_floor(random, far, planes, rows, columns) -> np.ndarray:
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


def _bloom(colours: np.ndarray, gain: float) -> np.ndarray:
    bright = cv2.resize(np.clip(colours - 70, 0, 255), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    light = blur(bright, 3) + 0.9 * blur(bright, 10) + 0.7 * blur(bright, 26)
    return cv2.resize(light, (PLATE_WIDTH, PLATE_HEIGHT), interpolation=cv2.INTER_LINEAR) * gain


def _packed(plane: Plane, defocus: float) -> np.ndarray:
    colours, alpha = plane.colours, plane.alpha
    if defocus:
        colours, alpha = blur(colours, defocus), blur(alpha, defocus)
    colours = colours * 0.94 + _bloom(plane.colours, 0.42)
    return np.dstack([np.clip(colours, 0, 255), np.clip(alpha * 255, 0, 255)]).astype(np.uint8)
