"""The sides of a street: houses full of signs, a temple road, an avenue of data towers; `old_towns.py` has more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from providers.studio.film.canvas import Colour, bgr
from providers.studio.film.looks import Look

from .buildings import data_wall, pagoda, roof_front, shoji
from .landmarks import Set
from .old_towns import bastion, souk, terraces
from .streetwork import GROUND, Plane, facade, fog_at, sign_texture, upright


def canyon(scene: Set) -> None:
    """High houses, windows, neon signs along and across the street."""
    block = _Block(scene.random, scene.look)
    for start, end in ((21, 26), (28, 34), (36, 44), (46, 60)):
        block.build(scene.mid, start, end, half_street=6.0, heights=(5, 12.5), cell=(7, 11), lit=0.36)
    block.build(scene.mid, 15, 19, half_street=5.0, heights=(7, 11), cell=(7, 11), lit=0.36)
    for start, end in ((8.6, 10.4), (11.6, 14.4)):
        block.build(scene.near, start, end, half_street=4.3, heights=(5.5, 15), cell=(8, 12), lit=0.30)


def temple(scene: Set) -> None:
    """Timber houses with curved roofs, pagodas behind them, banners on their posts."""
    random, look = scene.random, scene.look
    for z, x, height in (
        (64, -15, 15),
        (58, 16, 17),
        (46, -14.5, 17),
        (42, 14.5, 15.5),
        (31, 13.2, 14),
        (29, -12.8, 15),
    ):
        width = height * 0.62
        texture, outline = pagoda(random, 260, 420, look)
        corners = upright(x - width / 2, x + width / 2, GROUND - height, GROUND, z)
        scene.mid.put(texture, corners, fog_at(z) * 0.85, scene.fog_colour * 0.7, outline=outline)
    for start, end, half, height, storeys, plane in (
        (48, 60, 6.4, 5.6, 2, scene.mid),
        (36, 45, 6.4, 7.0, 3, scene.mid),
        (26, 33, 6.2, 5.2, 2, scene.mid),
        (19, 24, 5.9, 7.2, 3, scene.mid),
        (13.6, 17, 5.3, 5.6, 2, scene.mid),
        (8.8, 11.6, 4.7, 6.6, 3, scene.near),
    ):
        for side in (-1, 1):
            _timber_house(scene, plane, side, start, end, half, height * random.uniform(0.9, 1.2), storeys)


def _timber_house(
    scene: Set, plane: Plane, side: int, start: float, end: float, half: float, height: float, storeys: int
) -> None:
    random, look = scene.random, scene.look
    fog, fog_colour = float(np.clip(fog_at(start), 0, 0.9)), scene.fog_colour * 0.75
    wall, outer, top = side * half, side * (half + 4.2), GROUND - height
    flank = shoji(random, int((end - start) * 60), int(height * 46), look, storeys)
    corners = [(wall, top, end), (wall, top, start), (wall, GROUND, start), (wall, GROUND, end)]
    if side > 0:
        corners = [corners[1], corners[0], corners[3], corners[2]]
    plane.put(flank, corners, fog, fog_colour)
    front = shoji(random, 190, int(height * 46), look, storeys)
    plane.put(front, upright(min(wall, outer), max(wall, outer), top, GROUND, start), fog, fog_colour)
    tiles, rise = np.ones((40, 60, 3), np.float32) * (15, 12, 20), height / storeys
    tiles[:, ::6] *= 0.5
    tiles[-5:] += bgr(look.right_light) * 0.5
    for level in range(storeys):  # the highest roof first: lower ones stand out in front of it
        y, reach = top + level * rise, 0.9 if level else 1.25
        eave = side * (half - reach)
        lower, upper = y + 0.10, y - (0.55 if level else 1.1)
        corners = [(wall, upper, end), (wall, upper, start - 0.3), (eave, lower, start - 0.3), (eave, lower, end)]
        if side > 0:
            corners = [corners[1], corners[0], corners[3], corners[2]]
        plane.put(tiles, corners, fog, fog_colour)
        roof, outline = roof_front(420, 92 if level else 150, look, 0.55)
        spread = (half + 4.2 + reach, half - reach)
        near, away = sorted((side * spread[0], side * spread[1]))
        corners = upright(near, away, upper - 0.15, lower + 0.05, start - 0.3)
        plane.put(roof, corners, fog, fog_colour, outline=outline)
    if start < 40:
        colour = look.left_light if random.random() < 0.6 else look.right_light
        banner = sign_texture(look.signs[int(random.integers(len(look.signs)))], colour, 56, 14, random.random() < 0.4)
        width = 0.72 * (1 + start * 0.015)
        tall = width * banner.shape[0] / banner.shape[1]
        inner, z = side * (half - 1.15 - width), start + 0.6
        near, away = sorted((inner, inner + side * width))
        hung = upright(near, away, -1.7 - tall * 0.3, -1.7 + tall * 0.7, z)
        plane.put(banner, hung, fog * 0.5, fog_colour, alpha=0.96)


def monoliths(scene: Set) -> None:
    """Slabs of black glass full of running data, in step on both sides."""
    random, look = scene.random, scene.look
    for start, end, half, height, plane in (
        (50, 58, 6.6, 13, scene.mid),
        (39, 45, 6.6, 9, scene.mid),
        (29, 35, 6.4, 14, scene.mid),
        (21, 25, 6.0, 9, scene.mid),
        (15, 17.5, 5.4, 12, scene.mid),
        (9.2, 10.8, 4.5, 9.5, scene.near),
    ):
        for side in (-1, 1):
            _slab(scene, plane, side, start, end, half, height * random.uniform(0.9, 1.12))
    for side, z, word in ((-1, 26.5, 0), (1, 18.5, 1), (-1, 12.5, 3)):
        colour = look.circuit_colour if side < 0 else look.right_light
        sign = sign_texture(look.signs[word % len(look.signs)], colour, 56, 14, False)
        width = 0.9 * (1 + z * 0.02)
        tall, wall = width * sign.shape[0] / sign.shape[1], side * (6.0 if z > 20 else 5.2)
        near, away = sorted((wall, wall - side * width))
        corners = upright(near, away, -2.8 - tall * 0.5, -2.8 + tall * 0.5, z)
        scene.mid.put(sign, corners, fog_at(z) * 0.5, scene.fog_colour, alpha=0.9)


def _slab(scene: Set, plane: Plane, side: int, start: float, end: float, half: float, height: float) -> None:
    random, look = scene.random, scene.look
    fog, fog_colour = float(np.clip(fog_at(start), 0, 0.9)), scene.fog_colour * 0.7
    wall, outer, top, slant = side * half, side * (half + random.uniform(2.2, 3.4)), GROUND - height, height * 0.16
    flank = data_wall(random, int((end - start) * 46), int(height * 34), look.windows)
    corners = [(wall, top, end), (wall, top, start), (wall, GROUND, start), (wall, GROUND, end)]
    if side > 0:
        corners = [corners[1], corners[0], corners[3], corners[2]]
    plane.put(flank, corners, fog, fog_colour)
    front = data_wall(random, int(abs(outer - wall) * 44), int(height * 34), look.windows) * 0.85
    corners = [(wall, top, start), (outer, top + slant, start), (outer, GROUND, start), (wall, GROUND, start)]
    if side < 0:
        corners = [corners[1], corners[0], corners[3], corners[2]]
    plane.put(front, corners, fog, fog_colour)
    edge = np.ones((8, 8, 3), np.float32) * bgr(look.circuit_colour if random.random() < 0.65 else look.right_light)
    thin = 0.035 * (1 + start / 30)
    plane.put(edge, upright(wall - thin, wall + thin, top, GROUND, start), fog * 0.4, fog_colour)
    for level in (0.12, 0.40, 0.43, 0.78):
        y = top + height * level
        corners = [(wall, y, end), (wall, y, start), (wall, y + 0.07, start), (wall, y + 0.07, end)]
        if side > 0:
            corners = [corners[1], corners[0], corners[3], corners[2]]
        plane.put(edge, corners, fog * 0.5, fog_colour, alpha=0.8)


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

    def _colour(self) -> Colour:
        return self.look.left_light if self.random.random() < 0.5 else self.look.right_light

    def _word(self) -> str:
        return self.look.signs[int(self.random.integers(len(self.look.signs)))]

    def _sign(self, size: int, margin: int, start: float, filled_share: float = 0.3) -> np.ndarray:
        word, colour = self._word(), self._colour()
        filled = bool(self.random.random() < filled_share) and start > 18
        return sign_texture(word, colour, size, margin, filled)

    def _street_side(self, width: int, height: int, cell: Any, lit: float, side: int, start: float) -> np.ndarray:
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

    def _face(self, width: int, height: int, cell: Any, lit: float, side: int, start: float) -> np.ndarray:
        random = self.random
        face = facade(random, width, height, self.look.windows, cell, lit) * 0.8
        height, width = face.shape[:2]
        if width > 110 and height > 300:
            sign = self._sign(60, 14, start)
            scale = min(1.6, (width - 20) / sign.shape[1], (height - 40) / sign.shape[0])
            sign = cv2.resize(sign, None, fx=scale, fy=scale)
            sign_height, sign_width = sign.shape[:2]
            if side < 0:
                random.integers(4, width - sign_width - 3)  # keeps the random sequence of the stored city
            x = width - sign_width - 10 if side < 0 else 10
            y = int(random.integers(int((height - sign_height) * 0.35), height - sign_height - 8))
            face[y : y + sign_height, x : x + sign_width] = sign
        return face

    def _protruding_signs(
        self, plane: Plane, start: float, end: float, side: int, wall: float, top: float, fog: float
    ) -> None:
        random = self.random
        for _ in range(int(random.integers(2, 4)) if start < 34 else 0):
            sign = self._sign(56, 14, start, filled_share=0.25)
            width = random.uniform(0.75, 1.25) * (1 + start * 0.022)
            height = width * sign.shape[0] / sign.shape[1]
            y = random.uniform(max(top + 0.3, -4.2 * start / 9), 0.2 * start / 9)
            inner, z = wall - side * width, random.uniform(start, end)
            corners = upright(min(wall, inner), max(wall, inner), y, y + height, z)
            plane.put(sign, corners, fog * 0.55, self.fog_colour, alpha=0.96)


BUILDERS: dict[str, Callable[[Set], None]] = {
    "canyon": canyon,
    "temple": temple,
    "monoliths": monoliths,
    "souk": souk,
    "bastion": bastion,
    "terraces": terraces,
}
