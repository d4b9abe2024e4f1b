"""White plates for the cold: a collar up to the jaw, a mantle of fur, round shoulders, a ridged breastplate."""

from __future__ import annotations

import numpy as np

from providers.studio.film.looks import SuitMaterial

from .shapes import Canvas, Mirror, Point, disc, mirrored, neck_seal, shade


def bulwark(canvas: Canvas, suit: SuitMaterial) -> None:
    """Build the armour from the back to the front."""
    side: list[Point] = [(-0.10, 0.30), (-0.54, 0.34), (-1.05, 0.42), (-1.70, 0.40), (-2.30, 0.90), (-2.48, 1.7)]
    side += [(-2.5, 4.2)]
    canvas.part(side + mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.9, 0.4)
    for mirror in (list, mirrored):
        _arm(canvas, suit, mirror)
    _breastplate(canvas, suit)
    for mirror in (list, mirrored):
        _shoulder(canvas, suit, mirror)
    _mantle(canvas, suit)
    neck_seal(canvas, shade(suit.cloth, 0.7))
    for mirror in (list, mirrored):
        _collar(canvas, suit, mirror)


def _arm(canvas: Canvas, suit: SuitMaterial, mirror: Mirror) -> None:
    canvas.part(mirror([(-1.66, 1.3), (-2.40, 1.5), (-2.66, 4.2), (-1.80, 4.2)]), 0.22, 0.12, suit.cloth, 0.4, 0.4)
    for ring in range(4):
        v = 1.86 + ring * 0.42
        lame = [
            (-1.72, v),
            (-2.16, v - 0.06),
            (-2.62, v + 0.06),
            (-2.66, v + 0.40),
            (-2.18, v + 0.30),
            (-1.74, v + 0.38),
        ]
        canvas.part(mirror(lame), 0.40 - 0.02 * ring, 0.07, shade(suit.plate, 0.92), 0.16, 1.0)


def _breastplate(canvas: Canvas, suit: SuitMaterial) -> None:
    """Two halves that meet in a ridge, and hoops below that lie over each other."""
    for row in range(5):  # the lowest hoop first
        top = 3.28 - row * 0.30
        half = 1.24 - 0.02 * row
        hoop = [
            (-half, top - 0.10),
            (0, top + 0.22),
            (half, top - 0.10),
            (half, top + 0.28),
            (0, top + 0.60),
            (-half, top + 0.28),
        ]
        canvas.part(hoop, 0.24 + 0.03 * row, 0.05, shade(suit.plate, 0.86), 0.12, 1.0)
    for mirror in (list, mirrored):
        half_plate: list[Point] = [
            (0.0, 0.86),
            (-0.62, 0.80),
            (-1.22, 0.96),
            (-1.40, 1.40),
            (-1.16, 1.96),
            (-0.60, 2.20),
            (0.0, 2.44),
        ]
        canvas.part(mirror(half_plate), 0.40, 0.10, suit.plate, 0.42, 1.0)
        canvas.groove(
            mirror([(-0.14, 1.00), (-0.52, 1.02), (-1.02, 1.20), (-1.10, 1.52), (-0.70, 1.92), (-0.14, 2.14)]),
            0.018,
            0.06,
        )
        canvas.strip(mirror([(-1.24, 1.10), (-1.30, 1.42), (-1.10, 1.84)]), 0.022, 0.9)
        canvas.strip(mirror([(-0.26, 2.60), (-0.90, 2.44)]), 0.018, 0.6)
    ridge = [(-0.07, 0.92), (0.07, 0.92), (0.045, 2.40), (0, 2.50), (-0.045, 2.40)]
    canvas.part(ridge, 0.62, 0.035, suit.trim, 0.02, 1.3)
    for turn in range(6):  # a crystal of snow
        angle = turn * np.pi / 3 + np.pi / 6
        way = np.array((np.cos(angle), np.sin(angle)))
        out = np.array((-way[1], way[0]))
        outline = (0.03 * way + 0.022 * out, 0.26 * way, 0.03 * way - 0.022 * out)
        canvas.part([(float(u), 1.42 + float(v)) for u, v in outline], 0.74, 0.016, suit.trim, 0.02, 1.4)
        for share in (0.13, 0.19):
            for lean in (-1, 1):
                foot = way * share
                tip = foot + (way * 0.5 + out * 0.86 * lean) * (0.10 - 0.25 * (share - 0.13))
                canvas.strip([(float(u), 1.42 + float(v)) for u, v in (foot, tip)], 0.012, 0.40)
        canvas.strip([(0.0, 1.42), (float(way[0] * 0.24), 1.42 + float(way[1] * 0.24))], 0.012, 0.45)


def _shoulder(canvas: Canvas, suit: SuitMaterial, mirror: Mirror) -> None:
    """A great round plate with a raised rim, and a smaller one above it."""
    canvas.part(mirror(disc(-1.94, 1.22, 0.74, 40)), 0.44, 0.09, suit.shoulder, 0.62, 1.1)
    rim = [(-1.94 + 0.70 * float(np.cos(a)), 1.22 + 0.70 * float(np.sin(a))) for a in np.linspace(0.55, 3.6, 26)]
    inner = [(-1.94 + 0.58 * float(np.cos(a)), 1.22 + 0.58 * float(np.sin(a))) for a in np.linspace(3.6, 0.55, 26)]
    canvas.part(mirror(rim + inner), 0.74, 0.04, shade(suit.plate, 1.0), 0.04, 1.2)
    canvas.strip(mirror(inner), 0.016, 0.9)
    cap = [
        (-1.06, 0.50),
        (-1.40, 0.24),
        (-1.96, 0.28),
        (-2.40, 0.66),
        (-2.46, 0.98),
        (-1.96, 0.82),
        (-1.40, 0.86),
        (-1.16, 0.90),
    ]
    canvas.part(mirror(cap), 0.80, 0.07, suit.plate, 0.24, 1.2)
    canvas.groove(mirror([(-1.22, 0.60), (-1.50, 0.44), (-1.96, 0.48), (-2.30, 0.76)]), 0.018, 0.05)
    for u, v in ((-1.40, 0.70), (-1.92, 0.66), (-2.30, 0.88)):
        canvas.part(mirror(disc(u, v, 0.045, 14)), 0.98, 0.025, suit.trim, 0.03, 1.4)


def _mantle(canvas: Canvas, suit: SuitMaterial) -> None:
    """Fur over the shoulders: rows of tufts, the upper ones on top."""
    random = np.random.default_rng(11)
    for row in range(4):
        out, low = 1.22 - 0.14 * row, 0.36 - 0.10 * row
        for way in np.linspace(-1, 1, 33 - 4 * row):
            if abs(way) < 0.16:
                continue  # open at the throat
            u = way * out
            v = low + 0.50 * (1 - abs(way)) ** 1.1
            length, lean = random.uniform(0.34, 0.52), way * random.uniform(0.05, 0.2)
            wide = random.uniform(0.07, 0.10)
            tuft = [
                (u - wide, v),
                (u - wide * 0.6, v + length * 0.6),
                (u + lean, v + length),
                (u + wide * 0.8, v + length * 0.5),
                (u + wide, v),
            ]
            canvas.part(tuft, 0.66 + 0.06 * row, 0.03, shade(suit.sash, random.uniform(0.72, 1.08)), 0.05, 0.25)


def _collar(canvas: Canvas, suit: SuitMaterial, mirror: Mirror) -> None:
    """Half of a ring of steel that stands up to the jaw and is open in front."""
    wall: list[Point] = [(-0.86, -0.46), (-0.62, -0.34), (-0.545, -0.06), (-0.46, 0.18), (-0.26, 0.36), (-0.07, 0.44)]
    wall += [(-0.07, 0.92), (-0.44, 0.82), (-0.78, 0.52), (-0.96, 0.10)]
    canvas.part(mirror(wall), 0.84, 0.06, suit.plate, 0.16, 1.1)
    rim: list[Point] = [(-0.88, -0.52), (-0.60, -0.40), (-0.515, -0.07), (-0.43, 0.15), (-0.25, 0.31), (-0.06, 0.39)]
    rim += [(-0.06, 0.50), (-0.30, 0.43), (-0.51, 0.25), (-0.60, -0.01), (-0.68, -0.28), (-0.90, -0.40)]
    canvas.part(mirror(rim), 0.96, 0.03, suit.trim, 0.03, 1.3)
    canvas.groove(mirror([(-0.84, -0.12), (-0.66, 0.36), (-0.34, 0.62), (-0.07, 0.70)]), 0.016, 0.05)
    canvas.strip(mirror([(-0.66, -0.20), (-0.60, 0.12), (-0.40, 0.40), (-0.12, 0.52)]), 0.018, 0.9)
