"""The details in which suits of one kind differ, painted per film: a number, stripes, an accent, scratches."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import cv2
import numpy as np

from providers.studio.film.canvas import bgr, to_unit
from providers.studio.film.looks import Look
from providers.studio.film.titles.lettering import HUD, TITLE, text_mask, vertical_mask
from providers.studio.film.variation import SuitDetails, Variation

from .armour import FACE_WIDTH, HEIGHT, WIDTH, Armour, on_canvas
from .shapes import Point

PAINT = 0.82  # how opaque it is
AMBIENT = 64  # 0..255: paint can be read in the dark, too


@dataclass(frozen=True)
class _Places:
    """Positions of paint on the right side, in face widths from the chin; the left side is mirrored."""

    number: Point
    number_height: float
    stripes: tuple[Point, Point, Point]  # upper inner and outer corner, lower inner corner
    upright: bool = False  # a word from top to bottom instead of a number


PLACES = {
    "plated": _Places((0.66, 1.62), 0.22, ((1.32, 0.66), (1.98, 0.84), (1.32, 0.98))),
    "lamellar": _Places((1.86, 0.96), 0.26, ((1.46, 0.94), (2.26, 1.00), (1.46, 1.14)), upright=True),
    "ribbed": _Places((0.70, 1.34), 0.15, ((1.14, 0.84), (1.62, 1.10), (1.22, 1.12))),
    "wrapped": _Places((1.16, 1.46), 0.24, ((1.30, 1.00), (1.84, 1.36), (1.18, 1.30)), upright=True),
    "bulwark": _Places((0.66, 1.52), 0.20, ((1.62, 0.98), (2.30, 1.02), (1.62, 1.30))),
    "radiant": _Places((0.72, 1.62), 0.15, ((1.02, 1.16), (1.40, 1.28), (1.02, 1.50))),
}


def paint_details(armour: Armour, look: Look, variation: Variation) -> Armour:
    """Return a copy of the armour with this film's paint."""
    details, places = variation.suit, PLACES[look.suit.cut]
    base = armour.base.copy()
    _number(base, look, details, places, variation.dice("word"))
    _stripes(base, look, details, places)
    _scratches(base, details)
    return replace(armour, base=base)


def _number(base: np.ndarray, look: Look, details: SuitDetails, places: _Places, dice: random.Random) -> None:
    height = int(places.number_height * FACE_WIDTH)
    if places.upright:
        mask = vertical_mask(dice.choice(look.signs)[:2], height, 4)
    else:
        figures = text_mask(f"{details.number:02d}", TITLE, height)
        unit = text_mask(f"UNIT {details.scratches:05d}", HUD, max(9, height // 4))
        mask = np.zeros((figures.shape[0] + unit.shape[0], max(figures.shape[1], unit.shape[1])), np.uint8)
        mask[: figures.shape[0], : figures.shape[1]] = figures
        mask[figures.shape[0] :, : unit.shape[1]] = unit
    middle = on_canvas([(places.number[0] * details.side, places.number[1])])[0]
    left, top = int(middle[0] - mask.shape[1] / 2), int(middle[1] - mask.shape[0] / 2)
    _paint(base, mask, left, top, bgr(look.suit.marking))


def _stripes(base: np.ndarray, look: Look, details: SuitDetails, places: _Places) -> None:
    """A few stripes on the other shoulder, in the film's accent."""
    inner, outer, lower = (
        on_canvas([(-u * details.side, v)])[0] for u, v in places.stripes
    )  # fmt: skip
    across, down = outer - inner, lower - inner
    shapes: list[list[tuple[float, float]]] = []
    for number in range(details.stripes):
        start, end = number / 3 + 0.06, number / 3 + 0.26
        if details.pattern == "bars":
            shapes.append([(0, start), (1, start), (1, end), (0, end)])
        elif details.pattern == "slants":
            shapes.append([(start, 0), (start + 0.2, 0), (start + 0.34, 1), (start + 0.14, 1)])
        elif details.pattern == "chevrons":
            tip = start + 0.30
            shapes.append([(0, start), (0.5, tip), (1, start), (1, end), (0.5, tip + 0.2), (0, end)])
        else:
            shapes += [[(x, start), (x + 0.16, start), (x + 0.16, end), (x, end)] for x in (0.0, 0.32, 0.64)]
    points = [np.array([inner + across * x + down * y for x, y in shape]) for shape in shapes]
    low = np.floor(np.vstack(points).min(0)).astype(int) - 1
    high = np.ceil(np.vstack(points).max(0)).astype(int) + 2
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    for shape in points:
        cv2.fillPoly(mask, [np.round((shape - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    _paint(base, mask, int(low[0]), int(low[1]), bgr(look.accents[details.accent % len(look.accents)]))


def _scratches(base: np.ndarray, details: SuitDetails) -> None:
    """Bare metal where the suit was hit."""
    dice = random.Random(details.scratches)  # noqa: S311
    for _ in range(10 + details.scratches % 9):
        x, y = dice.uniform(0.12, 0.88) * WIDTH, dice.uniform(0.32, 0.72) * HEIGHT
        length, rise = dice.uniform(12, 46), dice.uniform(-0.8, 0.8)
        mask = np.zeros((int(length * abs(rise)) + 6, int(length) + 6), np.uint8)
        ends = (3, 3 if rise > 0 else mask.shape[0] - 3), (mask.shape[1] - 3, mask.shape[0] - 3 if rise > 0 else 3)
        cv2.line(mask, *ends, dice.randrange(90, 190), 1, cv2.LINE_AA)
        _paint(base, mask, int(x), int(y), np.array([235, 235, 235], np.float32))


def _paint(base: np.ndarray, mask: np.ndarray, x: int, y: int, colour: np.ndarray) -> None:
    """Add paint with the lighting of the metal below it."""
    left, top = max(0, x), max(0, y)
    right, bottom = min(WIDTH, x + mask.shape[1]), min(HEIGHT, y + mask.shape[0])
    if right <= left or bottom <= top:
        return
    window = base[top:bottom, left:right]
    cover = to_unit(mask[top - y : bottom - y, left - x : right - x]) * to_unit(window[..., 3]) * np.float32(PAINT)
    metal = window[..., :3].astype(np.float32)
    light = np.clip(metal.max(2) * 1.5 + AMBIENT, 0, 255)[..., None] / 255
    painted = metal * (1 - cover[..., None]) + colour * light * cover[..., None]
    window[..., :3] = np.clip(painted, 0, 255).astype(np.uint8)
