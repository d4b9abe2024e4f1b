"""Heavy plates with a high collar."""

from __future__ import annotations

import numpy as np

from providers.studio.film.canvas import Colour
from providers.studio.film.looks import SuitMaterial

from .shapes import Canvas, Mirror, mirrored


def plated(canvas: Canvas, suit: SuitMaterial) -> None:
    """Heavy plates with a high collar, built from the back to the front."""
    red, green, blue = suit.cloth
    dark = (red * 0.55, green * 0.55, blue * 0.55)
    side = [(-0.10, 0.30), (-0.50, 0.34), (-0.95, 0.56), (-1.55, 0.70), (-2.05, 0.98), (-2.35, 1.7), (-2.5, 4.2)]
    canvas.part(side + mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.9, 0.5)
    for mirror in (list, mirrored):
        _plated_side(canvas, suit, mirror, dark)
    _neck_seal(canvas)
    centre = [(-0.085, 0.70), (0.085, 0.70), (0.07, 4.2), (-0.07, 4.2)]
    canvas.part(centre, 0.30, 0.03, dark, 0.02, 0.6)
    angles = np.arange(6) * np.pi / 3 + np.pi / 6
    emblem = [(0.19 * np.cos(a), 1.36 + 0.21 * np.sin(a)) for a in angles]
    canvas.part(emblem, 0.46, 0.04, suit.shoulder, 0.05, 1.2)
    canvas.strip([(u * 0.62, 1.36 + (v - 1.36) * 0.62) for u, v in emblem], 0.022, 1.0, closed=True)
    canvas.strip([(0, 1.30), (0, 1.43)], 0.03)
    for mirror in (list, mirrored):
        flap = [(-0.66, -0.20), (-0.54, -0.06), (-0.44, 0.22), (-0.16, 0.52), (-0.06, 0.74), (-0.10, 1.02)]
        flap += [(-0.34, 0.86), (-0.72, 0.60), (-0.86, 0.34), (-0.82, 0.02)]
        canvas.part(mirror(flap), 0.62, 0.05, suit.cloth, 0.10, 0.8)
        plate = [
            (-0.80, 0.06),
            (-0.70, 0.10),
            (-0.62, 0.34),
            (-0.40, 0.62),
            (-0.30, 0.84),
            (-0.66, 0.62),
            (-0.84, 0.36),
        ]
        canvas.part(mirror(plate), 0.72, 0.03, suit.plate, 0.05, 1.0)
        canvas.strip(mirror([(-0.625, -0.10), (-0.50, 0.04), (-0.405, 0.25), (-0.15, 0.545), (-0.07, 0.72)]), 0.020)


def _plated_side(canvas: Canvas, suit: SuitMaterial, mirror: Mirror, dark: Colour) -> None:
    """One arm, half of the chest and one shoulder."""
    canvas.part(mirror([(-1.62, 1.45), (-2.42, 1.62), (-2.62, 4.2), (-1.72, 4.2)]), 0.25, 0.12, suit.cloth, 0.35, 0.5)
    for ring in range(3):
        v = 1.62 + ring * 0.26
        lame = [
            (-1.58, v),
            (-2.05, v - 0.10),
            (-2.52, v + 0.10),
            (-2.58, v + 0.36),
            (-2.06, v + 0.20),
            (-1.60, v + 0.32),
        ]
        canvas.part(mirror(lame), 0.42 - 0.04 * ring, 0.05, suit.plate, 0.12, 0.9)
    chest = [(-0.085, 0.98), (-0.42, 0.72), (-1.02, 0.78), (-1.50, 1.00), (-1.46, 1.52), (-1.10, 1.98)]
    chest += [(-0.30, 2.10), (-0.085, 1.98)]
    canvas.part(mirror(chest), 0.34, 0.07, suit.plate, 0.30, 1.0)
    belly = [(-0.085, 2.08), (-0.34, 2.20), (-1.06, 2.10), (-1.30, 1.98), (-1.24, 2.62), (-0.90, 3.1), (-0.085, 3.1)]
    canvas.part(mirror(belly), 0.26, 0.06, suit.cloth, 0.22, 0.8)
    shoulder = [(-0.98, 0.60), (-1.30, 0.50), (-1.86, 0.60), (-2.34, 0.98), (-2.52, 1.52), (-2.30, 1.66)]
    shoulder += [(-1.72, 1.44), (-1.30, 1.16)]
    canvas.part(mirror(shoulder), 0.50, 0.06, suit.shoulder, 0.34, 1.2)
    cap = [(-1.06, 0.54), (-1.34, 0.40), (-1.80, 0.46), (-2.22, 0.78), (-2.36, 1.16), (-2.12, 1.22)]
    cap += [(-1.62, 1.02), (-1.26, 0.84)]
    canvas.part(mirror(cap), 0.66, 0.05, suit.plate, 0.24, 1.2)
    strap = [(-0.60, 0.42), (-0.78, 0.36), (-1.02, 0.80), (-0.88, 0.86)]
    canvas.part(mirror(strap), 0.56, 0.03, dark, 0.02, 0.5)
    canvas.groove(mirror([(-0.36, 1.0), (-0.62, 1.30), (-0.62, 1.78)]))
    canvas.groove(mirror([(-1.42, 1.20), (-1.02, 1.34), (-0.86, 1.62)]))
    canvas.groove(mirror([(-0.46, 2.40), (-1.16, 2.30)]))
    canvas.strip(mirror([(-1.34, 0.47), (-1.79, 0.53), (-2.17, 0.82)]), 0.022)
    canvas.strip(mirror([(-0.20, 1.12), (-0.44, 0.92), (-0.86, 0.94)]), 0.018, 0.9)
    canvas.strip(mirror([(-0.70, 1.50), (-0.92, 1.36), (-1.26, 1.42)]), 0.016, 0.7)
    canvas.strip(mirror([(-0.18, 2.34), (-0.18, 2.9)]), 0.016, 0.7)


def _neck_seal(canvas: Canvas) -> None:
    """The neck seal: hides shirt collars, and photos that end at the chin."""
    side = [(-0.54, -0.03), (-0.45, 0.05), (-0.34, 0.13), (-0.18, 0.20), (0, 0.228)]
    lower = [(0.60, 0.30), (0.50, 0.72), (-0.50, 0.72), (-0.60, 0.30)]
    canvas.part(side + mirrored(side[:-1])[::-1] + lower, 0.10, 0.05, (30, 31, 40), 0.40, 0.35)
    for ring in range(4):
        down = 0.10 + 0.085 * ring
        half = [(-0.52, down - 0.02), (-0.36, down + 0.13), (-0.18, down + 0.21)]
        canvas.groove([*half, (0, down + 0.24), *mirrored(half)[::-1]], 0.010, 0.05)
    half = [(-0.47, 0.035), (-0.35, 0.19), (-0.17, 0.27)]
    canvas.strip([*half, (0, 0.296), *mirrored(half)[::-1]], 0.010, 0.55)
