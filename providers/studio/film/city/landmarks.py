"""Landmarks of a street: gates, lanterns, bridges, holograms, rings of data."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, bgr, blur, sixteenths, wide_blur
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


def awnings(scene: Set) -> None:
    """Sails of cloth between the roofs and poles in the street, which leave its middle free."""
    look = scene.look
    for side, z, y, colour, plane in (
        (-1, 40, -6.4, look.left_light, scene.mid),
        (1, 33, -5.6, look.right_light, scene.mid),
        (-1, 25, -4.4, look.right_light, scene.mid),
        (1, 20, -3.6, look.left_light, scene.mid),
        (-1, 14, -3.6, look.left_light, scene.mid),
        (1, 10.8, -2.9, look.suit.sash, scene.near),
    ):
        along = np.linspace(0, 1, 31)
        out = [side * (5.7 - 2.5 * step) for step in along.tolist()]
        fall = 1.9 * along**1.6
        upper, lower = (
            np.array(
                [
                    project((x, y + drop + low * (1 - 0.55 * step), z - low))
                    for x, drop, step in zip(out, fall, along, strict=True)
                ]
            )
            for low in (0.0, 1.7)
        )
        cloth, staff = np.zeros((2, PLATE_HEIGHT, PLATE_WIDTH), np.float32)
        cv2.fillPoly(cloth, [sixteenths(np.vstack([upper, lower[::-1]]))], 1.0, cv2.LINE_AA, 4)
        ends = sixteenths(np.array([upper[-1], project((out[-1], GROUND, z))]))
        cv2.line(staff, ends[0].tolist(), ends[1].tolist(), 1.0, max(1, round(36 / z)), cv2.LINE_AA, 4)
        folds = 0.66 + 0.34 * np.sin(np.arange(PLATE_WIDTH, dtype=np.float32) / (340 / z) + z)
        fog = fog_at(z) * 0.8
        edge = np.zeros_like(cloth)
        cv2.polylines(edge, [sixteenths(lower)], False, 1.0, 2, cv2.LINE_AA, 4)
        for mask, tone in ((staff, bgr(look.walls) * 0.4), (cloth, bgr(colour) * 0.46 * folds[None, :, None])):
            painted = tone * (1 - fog) + scene.fog_colour * 0.8 * fog
            plane.colours = plane.colours * (1 - mask[..., None]) + painted * mask[..., None]
            plane.alpha = plane.alpha * (1 - mask) + mask
        plane.colours += edge[..., None] * bgr(look.sun[0]) * 0.4


def aurora(scene: Set) -> None:
    """Curtains of light in the sky."""
    columns = np.arange(PLATE_WIDTH, dtype=np.float32)
    rows = np.arange(PLATE_HEIGHT, dtype=np.float32)[:, None]
    for foot, sway, colour, gain, phase in (
        (330, 70, scene.look.circuit_colour, 0.46, 0.4),
        (240, 110, scene.look.right_light, 0.36, 2.1),
        (420, 50, scene.look.circuit_colour, 0.30, 4.0),
    ):
        low = foot + sway * np.sin(columns / 140 + phase) + 0.4 * sway * np.sin(columns / 53 + 2 * phase)
        above = low[None] - rows
        curtain = np.exp(-np.clip(above, 0, None) / 150) * np.clip(above / 16 + 1, 0, 1)
        threads = 0.55 + 0.45 * np.sin(columns / 5.5 + 3 * np.sin(columns / 31 + phase))
        scene.mid.colours += (curtain * threads[None] * gain)[..., None] * bgr(colour)


def arches(scene: Set) -> None:
    """White arches over the street, one behind the other."""
    look = scene.look
    width, height = 520, 300
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    across, up = (columns - width / 2) / (width / 2), (height - rows) / height
    outer, inner = (across / 1.0) ** 2 + (up / 0.98) ** 2, (across / 0.86) ** 2 + (up / 0.80) ** 2
    outline = blur((np.clip(outer, 0, 2) < 1).astype(np.float32) * (inner > 1), 0.8)
    stones = 0.90 + 0.10 * (np.sin(np.arctan2(up, across) * 46) > -0.8)
    picture = (bgr(look.walls) * (0.80 + 0.30 * up)[..., None]) * stones[..., None]
    trim = np.exp(-(((inner - 1.05) / 0.03) ** 2))
    picture = picture * (1 - trim[..., None]) + bgr(look.suit.trim) * trim[..., None]
    for z, half in ((46, 7.0), (30, 6.6), (18, 6.0)):
        corners = upright(-half, half, GROUND - half * 1.9, GROUND - 2.2, z)
        scene.mid.put(picture, corners, fog_at(z) * 0.9, scene.fog_colour, outline=outline)


def pennants(scene: Set) -> None:
    """Long flags on poles at both sides, all blown the same way."""
    look = scene.look
    for side, z, height, colour in (
        (-1, 34, 9.6, look.left_light),
        (1, 27, 8.8, look.right_light),
        (-1, 19, 7.6, look.suit.trim),
        (1, 14, 6.8, look.left_light),
    ):
        pole = side * 4.7
        top, tall = GROUND - height, 0.42 * height
        along = np.linspace(0, 1, 31)
        wave = 0.16 * np.sin(along * 7 + z) * along
        reach = -side * 1.5 * np.sin(along * 0.9) ** 0.8
        edges = [
            [
                project(
                    (
                        pole + reach[i] * (1 - lean * 0.35) + wave[i],
                        top + 0.2 + along[i] * tall + lean * 0.9 * (1 - along[i]),
                        z,
                    )
                )
                for i in range(31)
            ]
            for lean in (0.0, 1.0)
        ]
        flag, staff = np.zeros((2, PLATE_HEIGHT, PLATE_WIDTH), np.float32)
        outline = np.vstack([np.array(edges[0]), np.array(edges[1])[::-1]])
        cv2.fillPoly(flag, [np.round(outline * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        ends = np.round(np.array([project((pole, top, z)), project((pole, GROUND, z))]) * 16).astype(np.int32)
        cv2.line(staff, ends[0].tolist(), ends[1].tolist(), 1.0, max(1, round(44 / z)), cv2.LINE_AA, 4)
        fog = fog_at(z) * 0.7
        columns = np.arange(PLATE_WIDTH, dtype=np.float32)
        folds = 0.80 + 0.20 * np.sin(columns / (300 / z))
        for mask, tone in ((staff, np.float32(0.35) * scene.fog_colour), (flag, bgr(colour) * folds[None, :, None])):
            painted = tone * (1 - fog) + scene.fog_colour * fog
            scene.mid.colours = scene.mid.colours * (1 - mask[..., None]) + painted * mask[..., None]
            scene.mid.alpha = scene.mid.alpha * (1 - mask) + mask


BUILDERS = {
    "bridge": bridge,
    "holograms": holograms,
    "torii": gates,
    "lanterns": lanterns,
    "data rings": data_rings,
    "light pillars": light_pillars,
    "awnings": awnings,
    "aurora": aurora,
    "arches": arches,
    "pennants": pennants,
}
