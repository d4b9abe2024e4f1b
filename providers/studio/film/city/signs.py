"""Neon signs that differ from film to film, hung into a stored city."""

from __future__ import annotations

import random
from typing import Any

import cv2
import numpy as np

from providers.studio.film.canvas import bgr
from providers.studio.film.looks import Look

from .city import City
from .streetwork import fog_at, project_texture, sign_texture, upright

GLOW_MARGIN = 26  # plate px around a sign that its light reaches
# Where signs may hang: plane, side of the street, wall (x), depth (z), and how high (y, from and to).
PLACES = (
    ("mid", -1, 5.2, 16.0, (-5.6, -3.6)),
    ("mid", 1, 5.2, 17.0, (-5.6, -3.4)),
    ("mid", -1, 5.4, 20.0, (-3.2, -0.6)),
    ("mid", 1, 5.4, 21.0, (-3.0, -0.4)),
    ("near", -1, 4.5, 11.0, (-4.8, -2.4)),
    ("near", 1, 4.5, 10.0, (-4.6, -2.0)),
)


def hang_signs(city: City, look: Look, dice: random.Random) -> City:
    """Return a copy of the city with a few more signs."""
    planes = {"mid": city.mid.copy(), "near": city.near.copy()}
    # From the back to the front, so that a nearer sign covers a farther one.
    places = sorted(dice.sample(PLACES, look.city.film_signs), key=lambda place: -place[3])
    for plane, side, wall, z, (highest, lowest) in places:
        colour = look.left_light if dice.random() < 0.5 else look.right_light
        texture = sign_texture(
            dice.choice(look.signs + look.film_signs), colour, 56, 14, filled=dice.random() < 0.3 and z > 18
        )
        width = dice.uniform(0.85, 1.25) * (1 + z * 0.022)
        height = width * texture.shape[0] / texture.shape[1]
        top, x = dice.uniform(highest, lowest), side * wall
        inner = x - side * width
        corners = upright(min(x, inner), max(x, inner), top, top + height, z)
        _hang(planes[plane], texture, corners, fog_at(z) * 0.55, bgr(look.fog))
    return City(city.far, planes["mid"], planes["near"])


def _hang(plate: np.ndarray, texture: np.ndarray, corners: Any, fog: float, fog_colour: np.ndarray) -> None:
    projected = project_texture(texture, corners, GLOW_MARGIN)
    if projected is None:
        return
    region, drawn, cover = projected
    drawn = (drawn * (1 - fog) + fog_colour * fog) * cover
    window = plate[region]
    kept = 1 - cover * 0.96
    spread = 2 * GLOW_MARGIN // 3 | 1
    light = cv2.blur(cv2.blur(np.maximum(drawn - 70, 0), (spread, spread)), (spread, spread))
    window[..., :3] = np.clip(window[..., :3] * kept + drawn * 0.9 + light * 0.9, 0, 255)
    window[..., 3] = np.clip(window[..., 3] * kept[..., 0] + cover[..., 0] * (255 * 0.96), 0, 255)
