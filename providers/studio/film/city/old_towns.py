"""The sides of streets without neon: a souk of clay, a bastion of stone and ice, white terraces."""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.canvas import bgr, blur
from providers.studio.film.looks import Look

from .landmarks import Set
from .streetwork import GROUND, Corner, Plane, fog_at, upright


def _along(wall: float, top: float, start: float, end: float, side: int, bottom: float = GROUND) -> list[Corner]:
    """The corners of a wall along the street at x = `wall`."""
    corners = [(wall, top, end), (wall, top, start), (wall, bottom, start), (wall, bottom, end)]
    return [corners[1], corners[0], corners[3], corners[2]] if side > 0 else corners


def _across(side: int, half: float, deep: float, top: float, z: float) -> list[Corner]:
    """The corners of a wall that faces the camera beside the street."""
    near, away = sorted((side * half, side * (half + deep)))
    return upright(near, away, top, GROUND, z)


def _noise(random: np.random.Generator, width: int, height: int, cell: int) -> np.ndarray:
    """Soft blotches, 0..1."""
    small = random.random((height // cell + 2, width // cell + 2)).astype(np.float32)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def souk(scene: Set) -> None:
    """Houses of clay with round corners, arched doors that glow, beams that stick out of the walls."""
    random, look = scene.random, scene.look
    for start, end, half, height, plane in (
        (50, 60, 6.6, 8.5, scene.mid),
        (40, 47, 6.4, 6.0, scene.mid),
        (30, 37, 6.3, 9.5, scene.mid),
        (22, 27, 6.0, 6.2, scene.mid),
        (15.5, 19, 5.5, 8.6, scene.mid),
        (9, 12, 4.7, 6.4, scene.near),
    ):
        for side in (-1, 1):
            tall = height * random.uniform(0.85, 1.2)
            fog, fog_colour = float(np.clip(fog_at(start), 0, 0.9)), scene.fog_colour * 0.8
            top, storeys = GROUND - tall, max(2, round(tall / 3))
            flank, _ = _clay(random, int((end - start) * 46), int(tall * 40), storeys, look)
            plane.put(flank * 0.66, _along(side * half, top, start, end, side), fog, fog_colour)
            front, outline = _clay(random, 200, int(tall * 40), storeys, look)
            plane.put(front, _across(side, half, 4.2, top, start), fog, fog_colour, outline=outline)
            if random.random() < 0.7:  # a dome or a chimney on the roof
                cap = np.ones((60, 90, 3), np.float32) * bgr(look.walls) * np.linspace(1.1, 0.5, 90)[None, :, None]
                shape = np.zeros((60, 90), np.float32)
                cv2.ellipse(shape, (45, 60), (44, 58), 0, 180, 360, 1.0, -1, cv2.LINE_AA)
                middle = side * (half + random.uniform(1.4, 2.6))
                plane.put(
                    cap,
                    upright(middle - 1.2, middle + 1.2, top - 1.4, top + 0.15, start + 0.5),
                    fog,
                    fog_colour,
                    outline=shape,
                )


def _clay(
    random: np.random.Generator, width: int, height: int, storeys: int, look: Look
) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    wall = (
        bgr(look.walls)
        * (0.72 + 0.36 * _noise(random, width, height, 26) + 0.12 * _noise(random, width, height, 5))[..., None]
    )
    storey, bay = height / storeys, width / max(1, round(width / 60))
    for level in range(storeys):
        for x in np.arange(bay / 2, width, bay):
            y, glowing = (level + 0.72) * storey, random.random() < 0.52
            half = bay * random.uniform(0.12, 0.19)
            opening = ((np.abs(columns - x) < half) & (rows > y - storey * 0.26) & (rows < y + storey * 0.10)) | (
                np.hypot(columns - x, rows - (y - storey * 0.26)) < half
            )
            light = (
                bgr(look.windows[int(random.integers(4))]) * random.uniform(0.55, 1.0)
                if glowing
                else bgr(look.walls) * 0.14
            )
            wall = np.where(opening[..., None], light, wall)
    beams = (np.abs((rows % storey) / storey - 0.14) < 0.035) & ((columns % 17) < 6)
    wall = np.where(beams[..., None], bgr(look.walls) * 0.22, wall)
    under = (np.abs((rows % storey) / storey - 0.22) < 0.04) & ((columns % 17) < 6)
    wall = wall * np.where(under, 0.6, 1.0)[..., None]
    outline = np.zeros((height, width), np.float32)
    cv2.rectangle(outline, (0, 30), (width, height), 1.0, -1)
    cv2.rectangle(outline, (30, 0), (width - 31, height), 1.0, -1)
    for x in (30, width - 31):
        cv2.circle(outline, (x, 30), 30, 1.0, -1, cv2.LINE_AA)
    for x in range(14, width, 44):  # notches in the parapet
        outline[:14, x : x + 16] = 0
    return wall.astype(np.float32), outline


def bastion(scene: Set) -> None:
    """Walls of blocks with snow on every ledge, narrow warm windows, and crystals of ice between them."""
    random, look = scene.random, scene.look
    for start, end, half, height, plane in (
        (48, 60, 7.0, 11.0, scene.mid),
        (35, 42, 6.8, 13.0, scene.mid),
        (24, 29, 6.3, 9.0, scene.mid),
        (15, 18.5, 5.6, 11.0, scene.mid),
    ):
        for side in (-1, 1):
            tall = height * random.uniform(0.9, 1.15)
            fog, fog_colour = float(np.clip(fog_at(start), 0, 0.9)), scene.fog_colour * 0.7
            top = GROUND - tall
            plane.put(
                _blocks(random, int((end - start) * 40), int(tall * 30), look) * 0.7,
                _along(side * half, top, start, end, side),
                fog,
                fog_colour,
            )
            front = _blocks(random, 170, int(tall * 30), look)
            outline = np.ones(front.shape[:2], np.float32)
            outline[:22] = (np.arange(170) // 24 % 2 == 0)[None]
            plane.put(front, _across(side, half, 4.4, top, start), fog, fog_colour, outline=outline)
    for side, z, x, tall, lean, plane in (
        (-1, 44, 5.4, 8.0, 1.3, scene.mid),
        (1, 40, 5.6, 9.4, -1.2, scene.mid),
        (-1, 31, 5.0, 9.8, 0.8, scene.mid),
        (1, 30, 5.3, 7.0, -1.5, scene.mid),
        (1, 20.5, 5.3, 9.4, -0.9, scene.mid),
        (-1, 20, 5.5, 7.2, 1.4, scene.mid),
        (-1, 12.5, 4.9, 7.2, 0.8, scene.near),
        (1, 11.8, 5.1, 8.2, -0.9, scene.near),
        (1, 10.6, 4.4, 4.6, -0.5, scene.near),
        (-1, 10.2, 4.5, 5.0, 0.4, scene.near),
    ):
        _crystal(scene, plane, side * x, z, tall, lean)


def _blocks(random: np.random.Generator, width: int, height: int, look: Look) -> np.ndarray:
    """A wall of large stones, snow along its ledges."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    course = (rows // 24).astype(int)
    stone = ((columns + 18 * (course % 2)) // 38).astype(int)
    tones = random.uniform(0.62, 1.12, (course.max() + 1, stone.max() + 1)).astype(np.float32)
    wall = bgr(look.walls) * tones[course, stone][..., None]
    joint = ((rows % 24) < 2) | (((columns + 18 * (course % 2)) % 38) < 2)
    wall = wall * np.where(joint, 0.5, 1.0)[..., None]
    for y in np.arange(60, height - 40, 92):
        for x in np.arange(28, width - 14, 52):
            if random.random() < 0.5:
                slit = (np.abs(columns - x) < 4.5) & (rows > y) & (rows < y + 36)
                wall = np.where(slit[..., None], bgr(look.windows[int(random.integers(2))]), wall)
    ledges = _noise(random, width, 1, 9)[0] * 14
    for y in np.arange(0, height, 92):
        snow = (rows > y - 1) & (rows < y + 7 + ledges[None])
        wall = np.where(snow[..., None], bgr(look.sun[1]) * 0.78, wall)
    return wall.astype(np.float32)


def _crystal(scene: Set, plane: Plane, x: float, z: float, tall: float, lean: float) -> None:
    """A shaft of ice with three faces, bright along its edges."""
    look, width, height = scene.look, 120, 420
    tip = 60 + lean * 22
    left, middle, right = [(18, 90), (6, 420)], [(tip, 0), (tip + 4, 70), (50, 420)], [(100, 110), (114, 420)]
    faces = (
        ([left[0], middle[0], middle[1], middle[2], left[1]], 0.50),
        ([middle[0], right[0], right[1], middle[2], middle[1]], 0.26),
    )
    picture, outline = np.zeros((height, width, 3), np.float32), np.zeros((height, width), np.float32)
    fall = np.linspace(1.15, 0.45, height, dtype=np.float32)[:, None, None]
    for corners, gain in faces:
        face = np.zeros((height, width), np.float32)
        cv2.fillPoly(face, [np.round(np.array(corners) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        picture = picture * (1 - face[..., None]) + bgr(look.circuit_colour) * gain * fall * face[..., None]
        outline = np.maximum(outline, face)
    edges = np.zeros((height, width), np.float32)
    for line in ([left[1], left[0], middle[0], right[0], right[1]], middle):
        cv2.polylines(edges, [np.round(np.array(line) * 16).astype(np.int32)], False, 1.0, 2, cv2.LINE_AA, 4)
    picture += (edges * 0.8 + blur(edges, 4) * 0.8)[..., None] * bgr(look.sun[1]) * 0.6
    half = tall * width / height / 2 * 1.4
    plane.put(
        picture,
        upright(x - half, x + half, GROUND - tall, GROUND, z),
        fog_at(z) * 0.7,
        scene.fog_colour * 0.8,
        outline=outline,
    )


def terraces(scene: Set) -> None:
    """White houses that step back, with arcades in the shade and gardens on every terrace."""
    random, look = scene.random, scene.look
    for start, end, half, storeys, plane in (
        (50, 60, 6.8, 5, scene.mid),
        (38, 46, 6.6, 4, scene.mid),
        (28, 34, 6.4, 5, scene.mid),
        (20, 24.5, 6.0, 4, scene.mid),
        (13.5, 16.5, 5.3, 4, scene.mid),
        (8.8, 10.8, 4.6, 3, scene.near),
    ):
        for side in (-1, 1):
            fog, fog_colour = float(np.clip(fog_at(start), 0, 0.92)), scene.fog_colour
            for level in range(storeys - 1, -1, -1):  # the highest first: lower ones stand in front
                back = half + 0.55 * level
                top, bottom = GROUND - 2.35 * (level + 1), GROUND - 2.35 * level
                begin = start + 0.25 * level
                flank = _arcade(random, int((end - start) * 44), 96, look)
                plane.put(
                    flank * (0.80 if side > 0 else 0.98),
                    _along(side * back, top, begin, end, side, bottom),
                    fog,
                    fog_colour,
                )
                near, away = sorted((side * back, side * (back + 4.4)))
                front = _arcade(random, 190, 96, look)
                plane.put(
                    front * (0.96 if side > 0 else 0.86), upright(near, away, top, bottom, begin), fog, fog_colour
                )
                green, shape = _garden(random, 220, 66, look)
                plane.put(
                    green,
                    upright(near - 0.1, away + 0.1, top - 0.42, top + 0.46, begin - 0.05),
                    fog * 0.9,
                    fog_colour,
                    outline=shape,
                )


def _arcade(random: np.random.Generator, width: int, height: int, look: Look) -> np.ndarray:
    """One storey: a row of arches, a golden ledge above."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    bay = width / max(2, round(width / 46))
    wall = bgr(look.walls) * (0.96 + 0.08 * _noise(random, width, height, 30))[..., None]
    off = np.abs((columns % bay) - bay / 2)
    opening = ((off < bay * 0.30) & (rows > 52) & (rows < height - 8)) | (np.hypot(off, rows - 52) < bay * 0.30)
    depth = np.clip((rows - 30) / 70, 0, 1)[..., None]
    inside = bgr(look.windows[2]) * (0.80 - 0.35 * depth)
    lit = (random.random(int(width / bay) + 2) < 0.25)[(columns // bay).astype(int)] & opening
    wall = np.where(opening[..., None], inside, wall)
    wall = np.where(lit[..., None], bgr(look.windows[0]) * (1.0 - 0.2 * depth), wall)
    wall = np.where((rows < 7)[..., None], bgr(look.suit.trim), wall)
    wall = wall * np.where((rows >= 7) & (rows < 13), 0.80, 1.0)[..., None]
    return wall.astype(np.float32)


def _garden(random: np.random.Generator, width: int, height: int, look: Look) -> tuple[np.ndarray, np.ndarray]:
    """Leaves that hang over a ledge."""
    shape, tone = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    for _ in range(150):
        x, y = random.uniform(0, width), 28 + random.normal(0, 9)
        if random.random() < 0.16:
            y += random.uniform(6, 26)
        size, light = random.uniform(3, 8), random.uniform(0.5, 1.1)
        for mask, value in ((shape, 1.0), (tone, light)):
            cv2.ellipse(
                mask,
                (int(x), int(y)),
                (int(size), int(size * 0.7)),
                random.uniform(0, 180),
                0,
                360,
                value,
                -1,
                cv2.LINE_AA,
            )
    return bgr((92, 132, 84)) * tone[..., None], shape
