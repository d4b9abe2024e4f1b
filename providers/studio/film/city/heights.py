"""What stands at the end of a street, as pictures with an outline: mesas, mountains of snow, domed towers."""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.canvas import bgr
from providers.studio.film.looks import Look

from .buildings import Picture, outline_mask


def mesa(random: np.random.Generator, width: int, height: int, look: Look) -> Picture:
    """A table of rock in layers, its edges worn, with one small light."""
    ledges, points, x = 9, [], 0.10 + random.uniform(0, 0.06)
    for step in range(ledges):
        y = step / (ledges - 1)
        points.append((x * width, y * height))
        x = max(0.0, x - random.uniform(0.0, 0.035) - (0.05 if step == 5 else 0))
        points.append((x * width, (y + 0.02) * height))
    half = np.array(points)
    outline = outline_mask(width, height, np.vstack([half, half[::-1] * (-1, 1) + (width, 0)]))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    grain = cv2.resize(
        random.random((6, max(4, width // 12))).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    layers = 0.72 + 0.28 * np.sin(rows / height * 46 + grain * 2.4)
    turned = np.clip(0.55 + 0.9 * (columns / width - 0.5) * random.choice((-1, 1)), 0.2, 1)
    picture = (bgr(look.walls) * 0.9) * (layers * turned * (0.8 + 0.4 * grain))[..., None]
    rim = np.clip(outline - np.roll(outline, 2, 0), 0, 1)
    return picture + rim[..., None] * bgr(look.sun[0]) * 0.55, outline


def peak(random: np.random.Generator, width: int, height: int, look: Look) -> Picture:
    """A mountain of facets: snow in the light, blue rock in the shade."""
    tip = width * random.uniform(0.40, 0.60)
    steps = np.linspace(0, 1, 12)
    left = tip * (1 - steps) + random.uniform(-0.025, 0.025, 12) * width * (steps > 0)
    right = tip + (width - tip) * steps + random.uniform(-0.025, 0.025, 12) * width * (steps > 0)
    sides = np.vstack([np.stack([left, steps * height], 1), np.stack([right, steps * height], 1)[::-1]])
    outline = outline_mask(width, height, sides)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    jag = cv2.resize(random.random((14, 1)).astype(np.float32), (1, height), interpolation=cv2.INTER_LINEAR) - 0.5
    ridge = tip + jag * width * 0.34
    lit = np.clip((columns - ridge) / 3 + 0.5, 0, 1)
    cracks = cv2.resize(random.random((16, 8)).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    snow = np.clip((0.64 - rows / height + 0.6 * (cracks - 0.5)) * 9, 0, 1)
    rock = bgr(look.walls) * 0.75
    white = bgr(look.sun[1]) * 0.72
    shade = 0.34 + 0.66 * lit
    return (rock + (white - rock) * (snow * (0.55 + 0.45 * lit))[..., None]) * shade[..., None], outline


def dome(random: np.random.Generator, width: int, height: int, look: Look) -> Picture:
    """A white tower with a golden dome and rows of narrow windows."""
    cap, mast = width * 0.56, width * 0.30
    shoulder = min(height * 0.8, mast + cap)
    body = [(width * 0.14, shoulder), (width * 0.86, shoulder), (width * 0.90, height), (width * 0.10, height)]
    turn = np.linspace(0, np.pi, 25)
    bulge = np.stack([width / 2 + width * 0.40 * np.cos(turn), shoulder - cap * np.sin(turn) ** 0.8], 1)
    spike = [(width / 2 - 1.5, 0), (width / 2 + 1.5, 0), (width / 2 + 2.5, mast + 4), (width / 2 - 2.5, mast + 4)]
    tower, hood, needle = (outline_mask(width, height, part) for part in (body, bulge, spike))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    roundness = 0.74 + 0.30 * np.clip(np.cos((columns / width - 0.62) * 3.6), 0, 1)
    wall = bgr(look.walls) * roundness[..., None]
    storey = max(18.0, width * 0.42)
    slit = (np.abs((columns / width * 5) % 1 - 0.5) < 0.16) & (
        np.abs(((rows - shoulder) % storey) / storey - 0.5) < 0.28
    )
    wall = np.where((slit & (rows > shoulder + 6))[..., None], bgr(look.windows[3]) * 0.8, wall)
    ledge = (((rows - shoulder) % storey) < 2.5) & (rows > shoulder)
    wall = np.where(ledge[..., None], bgr(look.suit.trim) * 0.95, wall)
    gold = bgr(look.suit.trim) * (0.55 + 0.75 * np.clip(np.cos((columns / width - 0.60) * 4), 0, 1))[..., None]
    picture = np.where((hood > tower)[..., None], gold, wall)
    return np.where((needle > np.maximum(hood, tower))[..., None], bgr(look.suit.trim), picture), np.maximum.reduce(
        [tower, hood, needle]
    )
