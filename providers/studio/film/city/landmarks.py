"""Landmarks of a street: gates, lanterns, bridges, holograms, rings of data."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, bgr, blur, wide_blur
from providers.studio.film.looks import Look

from .buildings import torii
from .streetwork import GROUND, Plane, facade, fog_at, hologram_texture, project, upright


@dataclass
class Set:
    """A street that is being built."""

    random: np.random.Generator
    look: Look
    mid: Plane
    near: Plane

    @property
    def fog_colour(self) -> np.ndarray:
        return bgr(self.look.fog)


def bridge(scene: Set) -> None:
    """A lit footbridge across the street."""
    deck = facade(scene.random, 300, 26, scene.look.windows, (6, 9), 0.7)
    scene.mid.put(deck, upright(-6, 6, -7.2, -6.4, 34), fog_at(34), scene.fog_colour * 0.8)


def holograms(scene: Set) -> None:
    """Two giant words of light above the street."""
    look = scene.look
    for side, word, colour, z, top in (
        (-1, look.signs[0][:2], look.right_light, 17, -6.6),
        (1, look.signs[1][:2], look.left_light, 20, -8.2),
    ):
        texture = hologram_texture(word, colour)
        width, middle = 2.5 * z / 17, side * 3.15 * z / 17
        height = width * texture.shape[0] / texture.shape[1]
        corners = upright(middle - width / 2, middle + width / 2, top, top + height, z)
        scene.mid.put(texture, corners, 0, scene.fog_colour * 0, add=True)


def gates(scene: Set) -> None:
    """A row of torii, each framing the next and the sun."""
    texture, outline = torii(scene.look, scene.look.signs[0][:1])
    for z, half in ((44, 5.0), (30, 5.0), (19, 5.0), (11.2, 4.9)):
        top = GROUND - 2 * half * 7.4 / 8
        corners = upright(-half, half, top, GROUND, z)
        scene.mid.put(texture, corners, fog_at(z) * 0.8, scene.fog_colour * 0.8, outline=outline)


def lanterns(scene: Set) -> None:
    """Paper lanterns on sagging ropes across the street."""
    look, random = scene.look, scene.random
    for z, height, count, plane in (
        (30, -5.6, 9, scene.mid),
        (22, -4.6, 9, scene.mid),
        (13.5, -3.7, 8, scene.mid),
        (9.2, -3.3, 8, scene.near),
    ):
        ropes, paper = np.zeros((2, PLATE_HEIGHT, PLATE_WIDTH), np.float32)
        along = np.linspace(-1, 1, 41)
        rope = np.array([project((x * 5.2, height + 1.0 * (1 - x * x), z)) for x in along])
        cv2.polylines(ropes, [np.round(rope * 16).astype(np.int32)], False, 1.0, 1, cv2.LINE_AA, 4)
        size = 821 / z * 0.30
        for x in np.linspace(-0.92, 0.92, count):
            if z < 15 and abs(x) < 0.45:
                continue  # the hero stands there
            sag = height + 1.0 * (1 - x * x) + 0.42 + random.uniform(0, 0.12)
            centre_x, centre_y = project((x * 5.2, sag, z))
            centre = round(centre_x * 16), round(centre_y * 16)
            axes = round(size * 0.72 * 16), round(size * 16)
            cv2.ellipse(paper, centre, axes, 0, 0, 360, random.uniform(0.6, 1.0), -1, cv2.LINE_AA, 4)
            cv2.line(ropes, (centre[0], round((centre_y - size * 1.3) * 16)), centre, 1.0, 1, cv2.LINE_AA, 4)
        fog = fog_at(z) * 0.5
        rows = np.arange(PLATE_HEIGHT, dtype=np.float32)[:, None]
        ribs = 0.80 + 0.20 * np.cos(rows * 2 * np.pi / max(3.0, size / 3.2))
        cover = np.clip(paper * 1.6, 0, 1)
        inner = cv2.erode(cover, np.ones((3, 3), np.uint8))
        core = wide_blur(inner, max(2.0, size * 0.22), 2) ** 1.5
        tone = (
            bgr((214, 44, 22)) * (0.55 + 0.5 * paper * ribs)[..., None] + core[..., None] * bgr((255, 190, 90)) * 0.62
        )
        tone = tone * (1 - fog) + scene.fog_colour * fog
        for mask, colour in ((ropes * 0.8, np.array([16, 12, 20], np.float32)), (cover, tone)):
            plane.colours *= 1 - mask[..., None]
            plane.colours += colour * mask[..., None]
            plane.alpha = plane.alpha * (1 - mask) + mask
        plane.colours += wide_blur(paper, size * 0.9)[..., None] * bgr(look.left_light) * 0.34


def light_pillars(scene: Set) -> None:
    """Columns of light that carry data up into the sky."""
    columns = np.arange(PLATE_WIDTH, dtype=np.float32)
    rows = np.arange(PLATE_HEIGHT, dtype=np.float32)[:, None]
    for x, z, colour, gain in (
        (-9.5, 30, scene.look.right_light, 0.55),
        (8.6, 26, scene.look.circuit_colour, 0.45),
        (-5.2, 44, scene.look.circuit_colour, 0.40),
        (5.6, 52, scene.look.right_light, 0.42),
    ):
        foot_x, foot_y = project((x, GROUND, z))
        width = 160 / z
        beam = np.exp(-(((columns - foot_x) / width) ** 2)) + 0.35 * np.exp(-(((columns - foot_x) / (width * 4)) ** 2))
        dashes = 0.72 + 0.28 * (((rows + x * 31) // 14) % 3 > 0)
        height = np.clip((foot_y - rows) / 30, 0, 1) * np.exp(-np.clip(foot_y - rows, 0, None) / 900)
        scene.mid.colours += (beam[None] * dashes * height * gain)[..., None] * bgr(colour)


def data_rings(scene: Set) -> None:
    """Rings of light that float around the street, lying flat in the air."""
    turn = np.linspace(0, 2 * np.pi, 145)
    for z, y, radius, colour, gap in (
        (36, -8.6, 6.5, scene.look.circuit_colour, 0.30),
        (36, -7.4, 7.6, scene.look.right_light, 0.62),
        (24, -5.2, 6.0, scene.look.circuit_colour, 0.18),
        (24, -5.9, 6.6, scene.look.right_light, 0.55),
        (15, -4.4, 4.4, scene.look.circuit_colour, 0.36),
    ):
        lines = np.zeros((PLATE_HEIGHT, PLATE_WIDTH), np.float32)
        points = [project((radius * np.cos(a), y, z + radius * np.sin(a))) for a in turn]
        placed = np.round(np.array(points) * 16).astype(np.int32)
        for index in range(len(turn) - 1):
            if (index / 24) % 1 > gap * 0.5:
                thickness = 1 if z > 30 else 2
                cv2.line(lines, placed[index].tolist(), placed[index + 1].tolist(), 1.0, thickness, cv2.LINE_AA, 4)
        glowing = lines * 0.85 + blur(lines, 3) * 1.1 + blur(lines, 8) * 0.8
        scene.mid.colours += glowing[..., None] * bgr(colour) * (1 - fog_at(z) * 0.6)


BUILDERS = {
    "bridge": bridge,
    "holograms": holograms,
    "torii": gates,
    "lanterns": lanterns,
    "data rings": data_rings,
    "light pillars": light_pillars,
}
