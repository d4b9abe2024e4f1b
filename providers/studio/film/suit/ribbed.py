"""A slim diving suit with ribs, a soft cowl, cables and a reactor ring."""

from __future__ import annotations

import numpy as np

from providers.studio.film.canvas import Colour
from providers.studio.film.looks import SuitMaterial

from .shapes import Canvas, Mirror, disc, mirrored, shade, tube


def ribbed(canvas: Canvas, suit: SuitMaterial) -> None:
    """A slim diving suit: ribs over chest and sides, a soft cowl, cables from the nape, a reactor ring."""
    dark = shade(suit.cloth, 0.6)
    side = [(-0.10, 0.28), (-0.46, 0.36), (-0.86, 0.62), (-1.28, 0.78), (-1.62, 1.06), (-1.76, 1.6), (-1.80, 4.2)]
    canvas.part(side + mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.8, 0.6)
    for mirror in (list, mirrored):
        _ribbed_side(canvas, suit, mirror, dark)
    spine = [(-0.11, 0.80), (0.11, 0.80), (0.09, 4.2), (-0.09, 4.2)]
    canvas.part(spine, 0.30, 0.03, dark, 0.03, 0.6)
    for notch in range(12):
        canvas.groove([(-0.10, 1.72 + notch * 0.14), (0.10, 1.72 + notch * 0.14)], 0.016, 0.05)
    _ribbed_neck(canvas, suit)
    for mirror in (list, mirrored):
        for way, width in (
            ([(-0.78, 0.22), (-1.00, 0.04), (-1.22, 0.34), (-1.24, 0.94)], 0.078),
            ([(-0.68, 0.44), (-0.92, 0.46), (-1.02, 0.76), (-0.92, 1.10)], 0.066),
        ):
            hose = tube(way, width)
            canvas.part(mirror(hose), 0.66, 0.035, suit.trim, 0.03, 1.0)
            half = len(hose) // 2
            for index in range(1, half - 1):  # the hose's rings
                canvas.groove(mirror([hose[index], hose[len(hose) - 1 - index]]), 0.012, 0.035)
        canvas.part(mirror(disc(-1.24, 0.98, 0.095, 16)), 0.62, 0.03, suit.trim, 0.03, 1.2)
        canvas.strip(mirror(disc(-1.24, 0.98, 0.05, 12)), 0.018, 0.9, closed=True)
        canvas.part(mirror(disc(-0.91, 1.12, 0.08, 16)), 0.62, 0.03, suit.trim, 0.03, 1.2)
    canvas.part(disc(0, 1.40, 0.245), 0.50, 0.045, suit.trim, 0.06, 1.2)
    canvas.part(disc(0, 1.40, 0.165), 0.46, 0.02, (12, 16, 18), 0.03, 0.8)
    canvas.strip(disc(0, 1.40, 0.178), 0.024, 1.0, closed=True)
    canvas.strip(disc(0, 1.40, 0.075), 0.018, 0.9, closed=True)
    for turn in range(6):
        angle = turn * np.pi / 3
        u, v = float(np.cos(angle)), float(np.sin(angle))
        canvas.groove([(0.185 * u, 1.40 + 0.185 * v), (0.25 * u, 1.40 + 0.25 * v)], 0.016, 0.05)


def _ribbed_side(canvas: Canvas, suit: SuitMaterial, mirror: Mirror, dark: Colour) -> None:
    arm = [(-1.30, 1.20), (-1.76, 1.36), (-1.98, 4.2), (-1.36, 4.2)]
    canvas.part(mirror(arm), 0.22, 0.12, suit.cloth, 0.32, 0.6)
    shoulder = [(-0.92, 0.66), (-1.22, 0.62), (-1.58, 0.84), (-1.84, 1.24), (-1.86, 1.62), (-1.56, 1.56)]
    shoulder += [(-1.24, 1.28), (-1.02, 0.98)]
    canvas.part(mirror(shoulder), 0.40, 0.07, suit.shoulder, 0.30, 1.0)
    for band in range(4):
        u = -1.12 - band * 0.17
        canvas.groove(mirror([(u, 0.70 + band * 0.10), (u - 0.10, 1.16 + band * 0.10)]), 0.014, 0.05)
    canvas.strip(mirror([(-1.06, 0.70), (-1.26, 1.12), (-1.50, 1.42)]), 0.015, 0.8)
    pectoral = [(-0.11, 0.98), (-0.40, 0.78), (-0.90, 0.92), (-1.12, 1.22), (-1.06, 1.62), (-0.62, 1.86), (-0.11, 1.78)]
    canvas.part(mirror(pectoral), 0.32, 0.06, suit.plate, 0.24, 1.0)
    for rib in range(9):  # ribs: from the spine outwards, a little down
        top = 1.92 + rib * 0.20
        bar = [(-0.12, top), (-0.60, top - 0.10), (-1.12, top - 0.22), (-1.20, top - 0.10), (-0.62, top + 0.04)]
        bar += [(-0.12, top + 0.13)]
        canvas.part(mirror(bar), 0.28, 0.035, suit.plate if rib % 2 == 0 else dark, 0.06, 0.9)
    for line in range(3):
        top = 1.10 + line * 0.16
        canvas.groove(mirror([(-0.34, top), (-0.66, top + 0.10), (-0.96, top + 0.04)]), 0.014, 0.05)
    canvas.strip(mirror([(-0.15, 0.98), (-0.40, 0.82), (-0.86, 0.96)]), 0.015, 0.9)
    canvas.strip(mirror([(-1.14, 1.72), (-1.20, 2.2), (-1.16, 2.9)]), 0.018, 0.8)
    harness = [(-0.66, 0.46), (-0.82, 0.42), (-0.60, 1.10), (-0.28, 1.32), (-0.24, 1.22), (-0.50, 1.04)]
    canvas.part(mirror(harness), 0.42, 0.02, dark, 0.02, 0.6)


def _ribbed_neck(canvas: Canvas, suit: SuitMaterial) -> None:
    """A turtle neck of soft rings, and a cowl that lies on the shoulders."""
    side = [(-0.54, -0.03), (-0.45, 0.045), (-0.34, 0.125), (-0.18, 0.195), (0, 0.222)]
    canvas.part(side + mirrored(side[:-1])[::-1] + [(0.62, 0.3), (0.5, 0.9), (-0.5, 0.9), (-0.62, 0.3)], 0.10, 0.05,
                (26, 30, 34), 0.40, 0.5)  # fmt: skip
    for ring in range(5):
        down = 0.04 + 0.105 * ring
        wide = 0.51 + 0.025 * ring
        upper = [(-wide, down), (-wide * 0.68, down + 0.15), (-wide * 0.34, down + 0.225), (0, down + 0.25)]
        lower = [(u, v + 0.095) for u, v in upper]
        outline = upper + mirrored(upper[:-1])[::-1] + mirrored(lower[:-1]) + lower[::-1]
        canvas.part(outline, 0.16 + 0.02 * ring, 0.035, suit.cloth, 0.05, 0.8)
    half = [(-0.50, 0.10), (-0.35, 0.245), (-0.17, 0.32)]
    canvas.strip([*half, (0, 0.345), *mirrored(half)[::-1]], 0.012, 0.8)
    for mirror in (list, mirrored):
        cowl = [(-0.55, -0.02), (-0.50, 0.26), (-0.30, 0.52), (0.0, 0.66), (0.0, 0.94), (-0.40, 0.82), (-0.76, 0.56)]
        cowl += [(-0.88, 0.26), (-0.76, 0.02)]
        canvas.part(mirror(cowl), 0.48, 0.09, suit.cloth, 0.16, 0.7)
        canvas.groove(mirror([(-0.66, 0.06), (-0.62, 0.34), (-0.36, 0.66), (0.0, 0.80)]), 0.02, 0.05)
        canvas.strip(mirror([(-0.555, 0.02), (-0.505, 0.27), (-0.30, 0.535), (0.0, 0.675)]), 0.012, 0.7)
