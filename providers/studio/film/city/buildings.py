"""Houses that are more than a wall of windows, as pictures with an outline: pagodas, spires, gates, walls of data."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from providers.studio.film.canvas import Colour, bgr, blur, sixteenths, to_unit
from providers.studio.film.looks import Look
from providers.studio.film.titles.lettering import vertical_mask

Picture = tuple[np.ndarray, np.ndarray]  # float32 BGR, and its outline 0..1

LACQUER = np.array([20, 16, 30], np.float32)  # BGR of timber at night


def outline_mask(width: int, height: int, *outlines: Any) -> np.ndarray:
    """Outlines, each n x 2 px, filled; 0..1."""
    mask = np.zeros((height, width), np.uint8)
    for outline in outlines:
        cv2.fillPoly(mask, [sixteenths(np.asarray(outline, float))], 255, cv2.LINE_AA, 4)
    return to_unit(mask)


def eaves(width: float, height: float, x: float = 0.0, y: float = 0.0, lift: float = 0.5) -> np.ndarray:
    """The outline of a curved roof whose corners turn up; (x, y) is its top left corner, `lift` of its height."""
    t = np.linspace(0, 1, 13)
    half, ridge = width / 2, width * 0.20
    slope_x = half - (half - ridge) * (1 - (1 - t) ** 2)  # from the corner to the ridge, hollow
    slope_y = height * (1 - t**1.0) * (1 - lift * (1 - t) ** 3)
    under_x = np.linspace(half, 0, 9)
    under_y = height * (1 - lift * (under_x / half) ** 4 * 0.72)
    right = np.stack([np.concatenate([slope_x[::-1], under_x]), np.concatenate([slope_y[::-1], under_y])], 1)
    left = right[::-1] * np.array([-1, 1])
    return np.vstack([right, left]) + np.array([x + half, y])


def pagoda(random: np.random.Generator, width: int, height: int, look: Look) -> Picture:
    """A tower of roofs, each smaller than the one below, with a spire."""
    picture = np.zeros((height, width, 3), np.float32)
    outline = np.zeros((height, width), np.float32)
    tiers = max(2, min(6, round(height / (width * 0.52))))
    mast = height * 0.14
    storey = (height - mast) / tiers
    glow, rim = bgr(look.windows[0]), bgr(look.sun[1])
    for tier in range(tiers):  # from the ground up
        share = 1 - 0.52 * tier / tiers
        bottom = height - tier * storey
        body_width, roof_width = width * 0.56 * share, width * 0.98 * share
        left = (width - body_width) / 2
        body = outline_mask(width, height, [(left, bottom - storey), (width - left, bottom - storey),
                                     (width - left, bottom), (left, bottom)])  # fmt: skip
        roof = outline_mask(
            width, height, eaves(roof_width, storey * 0.62, (width - roof_width) / 2, bottom - storey * 1.08)
        )
        columns = np.arange(width)
        lattice = ((columns - left) % max(4, body_width / 7) > 1.5).astype(np.float32) * random.uniform(0.25, 0.95)
        lit = glow * lattice[None, :, None] * np.float32(0.8)
        picture = picture * (1 - body[..., None]) + (LACQUER + lit) * body[..., None]
        edge = np.clip(roof - np.roll(roof, 2, 0), 0, 1) * 0.9 + np.clip(roof - np.roll(roof, -2, 0), 0, 1) * 0.4
        picture = picture * (1 - roof[..., None]) + (LACQUER * 0.7) * roof[..., None] + edge[..., None] * rim * 0.5
        outline = np.maximum(outline, np.maximum(body, roof))
    middle = width / 2
    pole = outline_mask(
        width, height, [(middle - 1.5, 0), (middle + 1.5, 0), (middle + 2, mast * 1.4), (middle - 2, mast * 1.4)]
    )
    for ring in np.linspace(0.25, 0.85, 4):
        cv2.ellipse(pole, (int(middle), int(mast * ring)), (int(2 + 5 * ring), 2), 0, 0, 360, 1.0, -1, cv2.LINE_AA)
    picture = picture * (1 - pole[..., None]) + (LACQUER + rim * 0.15) * pole[..., None]
    return picture, np.maximum(outline, pole)


def spire(random: np.random.Generator, width: int, height: int, look: Look) -> Picture:
    """A tapered tower of dark glass with lit edges and one light at its tip."""
    waist, tip = width * random.uniform(0.30, 0.44), width * random.uniform(0.04, 0.14)
    middle, neck = width / 2, height * random.uniform(0.28, 0.45)
    half = [(middle + tip, height * 0.10), (middle + waist * 0.7, neck), (middle + waist, height)]
    outline = outline_mask(width, height, half + [(width - x, y) for x, y in half[::-1]])
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    colour = bgr(look.windows[int(random.integers(3))])
    picture = np.ones((height, width, 3), np.float32) * (14, 12, 6)
    bands = ((rows / height * 26) % 1 < 0.12) * 0.22 * (random.random((height, 1)) < 0.8)
    streams = (random.random((1, width)) < 0.16) * (random.random((height // 3 + 1, width)) < 0.5).repeat(3, 0)[:height]
    picture += (bands + streams * 0.45)[..., None] * colour
    inner = cv2.erode(outline, np.ones((3, 3), np.uint8))
    picture += (outline - inner)[..., None] * colour * 0.8
    mast = (np.abs(columns - middle) < 1) * (rows < height * 0.14)
    tipped = np.exp(-(((columns - middle) / 3) ** 2 + ((rows - 4) / 3) ** 2))
    picture += (mast * 0.3 + tipped)[..., None] * colour
    return picture, np.maximum(outline, np.maximum(mast, tipped).astype(np.float32))


def roof_front(width: int, height: int, look: Look, lift: float = 0.5) -> Picture:
    """One curved roof seen from the front: rows of tiles, a bright rim below."""
    outline = outline_mask(width, height, eaves(width, height, lift=lift))
    columns = np.arange(width, dtype=np.float32)
    tiles = 0.55 + 0.45 * np.abs(np.sin((columns - width / 2) * np.pi / max(7, width / 26)))
    picture = np.repeat((tiles[:, None] * (LACQUER * 1.5))[None], height, 0)
    shifted = np.vstack([outline[3:], np.zeros((3, width), np.float32)])
    below = np.clip(outline - shifted, 0, 1)
    above = np.clip(outline - np.vstack([np.zeros((2, width), np.float32), outline[:-2]]), 0, 1)
    picture += below[..., None] * bgr(look.right_light) * 0.75 + above[..., None] * bgr(look.sun[1]) * 0.5
    return picture, outline


def shoji(random: np.random.Generator, width: int, height: int, look: Look, storeys: int) -> np.ndarray:
    """A timber wall: paper screens that glow, dark beams between them, float32 BGR."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    storey, bay = height / storeys, max(18.0, width / max(1, round(width / 46)))
    level, panel = (rows // storey).astype(int), (columns // bay).astype(int)
    light = random.uniform(0.10, 0.85, (storeys + 1, panel.max() + 1)) * (random.random((storeys + 1, 1)) < 0.85)
    light *= random.random(light.shape) < 0.72
    tone = bgr(look.windows[0]) * 0.62 + bgr(look.windows[1]) * 0.30
    in_bay, in_storey = (columns % bay) / bay, (rows % storey) / storey
    paper = (in_bay > 0.10) & (in_bay < 0.90) & (in_storey > 0.34) & (in_storey < 0.86)
    grid = (np.abs((in_bay * 4) % 1 - 0.5) < 0.43) & (np.abs((in_storey * 6) % 1 - 0.5) < 0.42)
    wall = LACQUER * (0.8 + 0.5 * (in_bay < 0.08))[..., None]
    soft = 0.72 + 0.28 * np.cos((in_storey - 0.6) * 3)
    return np.clip(wall + (paper * grid * soft * light[level, panel])[..., None] * tone, 0, 255).astype(np.float32)


def data_wall(random: np.random.Generator, width: int, height: int, colours: tuple[Colour, ...]) -> np.ndarray:
    """Black glass with streams of light running down it and circuits between them, float32 BGR."""
    wall = np.ones((height, width, 3), np.float32) * (15, 13, 7) * random.uniform(0.7, 1.3)
    for x in range(3, width - 3, 6):
        if random.random() < 0.42:
            colour, gain = bgr(colours[int(random.integers(len(colours)))]), random.uniform(0.15, 0.9)
            dash, start = int(random.integers(3, 16)), int(random.integers(0, height))
            length = int(height * random.uniform(0.15, 0.8))
            on = (np.arange(length) // dash % 2 == 0) & (random.random(length // 4 + 1).repeat(4)[:length] < 0.85)
            fall = np.linspace(0.1, 1, length) * on * gain
            rows = (start + np.arange(length)) % height
            wall[rows, x : x + 2] += fall[:, None, None] * colour
    for _ in range(max(1, width * height // 14000)):
        colour = bgr(colours[int(random.integers(len(colours)))]) * random.uniform(0.3, 0.8)
        x, y = int(random.integers(0, width)), int(random.integers(0, height))
        run, drop = int(random.integers(10, 40)), int(random.integers(-30, 30))
        route = np.array([(x, y), (x + run, y), (x + run + abs(drop), y + drop), (x + 2 * run + abs(drop), y + drop)])
        cv2.polylines(wall, [route.astype(np.int32)], False, colour.tolist(), 1)
        cv2.circle(wall, (int(route[-1][0]), int(route[-1][1])), 2, colour.tolist(), -1)
    panels = ((np.arange(height) % 64) < 2)[:, None, None]
    return np.clip(wall * np.where(panels, 0.4, 1), 0, 255).astype(np.float32)


def torii(look: Look, word: str, scale: int = 90) -> Picture:
    """A gate to a shrine, 8 x 7.4 units, `scale` px to a unit: vermilion posts, two beams, a tablet with a word."""
    width, height = 8 * scale, int(7.4 * scale)
    s = float(scale)

    def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
        return [(left * s, top * s), (right * s, top * s), (right * s, bottom * s), (left * s, bottom * s)]

    left_post = np.array([(0.98, 0.9), (1.44, 0.9), (1.26, 7.4), (0.66, 7.4)]) * s
    posts = outline_mask(width, height, left_post, left_post * (-1, 1) + (width, 0))
    tie = outline_mask(width, height, box(0.40, 1.62, 7.60, 2.04))
    tablet = outline_mask(width, height, box(3.62, 0.8, 4.38, 1.9))
    t = np.linspace(-1, 1, 33)

    def beam(half: float, top: float, thick: float) -> np.ndarray:  # turns up at its ends
        upper = np.stack([(4 + t * half) * s, (top - 0.34 * np.abs(t) ** 3) * s], 1)
        return np.vstack([upper, upper[::-1] * (0.985, 1) + (0.015 * 4 * s, thick * s)])

    lintel, cap = (
        outline_mask(width, height, beam(3.72, 0.72, 0.42)),
        outline_mask(width, height, beam(3.98, 0.42, 0.34)),
    )
    red = bgr((206, 40, 24))
    columns = np.arange(width, dtype=np.float32)
    roundness = 0.35 + 0.75 * np.abs(np.sin(((columns / s) - 0.7) * np.pi / 0.62)) ** 0.7
    picture = np.zeros((height, width, 3), np.float32)
    outline = np.zeros((height, width), np.float32)
    parts = (
        (posts, red * 0.62, roundness[None, :, None]),
        (tie, red * 0.66, 1.0),
        (tablet, LACQUER * 0.8, 1.0),
        (lintel, red * 0.74, 1.0),
        (cap, LACQUER * 1.2, 1.0),
    )
    for mask, tone, shading in parts:
        edge = np.clip(mask - np.roll(mask, 3, 0), 0, 1)[..., None] * 0.7
        picture = picture * (1 - mask[..., None]) + tone * shading * mask[..., None]
        picture += edge * bgr(look.right_light) * 0.55
        outline = np.maximum(outline, mask)
    letters = to_unit(vertical_mask(word, int(0.5 * s), int(0.06 * s)))
    top, left = int(0.98 * s), int(4 * s) - letters.shape[1] // 2
    window = np.s_[top : top + letters.shape[0], left : left + letters.shape[1]]
    picture[window] += letters[..., None] * bgr(look.circuit_colour) * 0.95
    lamp = np.zeros((height, width), np.float32)
    cv2.line(lamp, (int(0.5 * s), int(2.08 * s)), (int(7.5 * s), int(2.08 * s)), 1.0, 3, cv2.LINE_AA)
    for x, lean in ((1.48, -0.18), (6.52, 0.18)):
        ends = (int(x * s), int(2.3 * s)), (int((x + lean) * s), int(7.4 * s))
        cv2.line(lamp, *ends, 1.0, 2, cv2.LINE_AA)
    picture += (lamp + blur(lamp, 7) * 2.2)[..., None] * bgr(look.left_light) * 0.8
    picture *= np.clip(1.25 - 0.10 * (np.arange(height) / s), 0.45, 1)[:, None, None]
    return np.clip(picture, 0, 255), np.clip(np.maximum(outline, lamp), 0, 1)
