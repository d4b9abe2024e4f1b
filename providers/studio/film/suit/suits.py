"""The kinds of suits: plated, lamellar, ribbed, modelled on the canvas of `armour.py`, which lights them.

Points are (u, v) in face widths from the chin, u to the right, v down. The right side is mirrored to the left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from providers.studio.film.canvas import Colour
from providers.studio.film.looks import SuitMaterial

Point = tuple[float, float]
Mirror = Callable[[list[Point]], list[Point]]


class Canvas(Protocol):
    """The methods of `armour.Canvas` that a kind of suit uses."""

    def part(
        self, points: list[Point], level: float, bevel: float, colour: Colour, dome: float = ..., shine: float = ...
    ) -> None: ...

    def strip(self, points: list[Point], width: float, gain: float = ..., closed: bool = ...) -> None: ...

    def groove(self, points: list[Point], width: float = ..., depth: float = ...) -> None: ...


def _mirrored(points: list[Point]) -> list[Point]:
    return [(-u, v) for u, v in points]


def _shade(colour: Colour, gain: float) -> Colour:
    red, green, blue = (int(min(255, channel * gain)) for channel in colour)
    return red, green, blue


def _ring(u: float, v: float, radius: float, count: int = 28) -> list[Point]:
    angles = np.arange(count) * 2 * np.pi / count
    return [(u + radius * float(np.cos(a)), v + radius * float(np.sin(a))) for a in angles]


def _tube(points: list[Point], width: float) -> list[Point]:
    """The outline of a hose along a smooth way through some points."""
    ends, way = np.array(points), []
    for t in np.linspace(0, len(points) - 1, 22):  # Catmull-Rom
        index = min(int(t), len(points) - 2)
        rest = t - index
        p0, p1, p2, p3 = (ends[min(max(index + step, 0), len(ends) - 1)] for step in (-1, 0, 1, 2))
        way.append(0.5 * (2 * p1 + (p2 - p0) * rest + (2 * p0 - 5 * p1 + 4 * p2 - p3) * rest**2
                          + (3 * p1 - p0 - 3 * p2 + p3) * rest**3))  # fmt: skip
    way = np.array(way)
    along = np.gradient(way, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.hypot(*along.T), 1e-6)[:, None] * width / 2
    return [(float(u), float(v)) for u, v in np.vstack([way + across, (way - across)[::-1]])]


def plated(canvas: Canvas, suit: SuitMaterial) -> None:
    """Heavy plates with a high collar, built from the back to the front."""
    red, green, blue = suit.cloth
    dark = (red * 0.55, green * 0.55, blue * 0.55)
    side = [(-0.10, 0.30), (-0.50, 0.34), (-0.95, 0.56), (-1.55, 0.70), (-2.05, 0.98), (-2.35, 1.7), (-2.5, 4.2)]
    canvas.part(side + _mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.9, 0.5)
    for mirror in (list, _mirrored):
        _plated_side(canvas, suit, mirror, dark)
    _neck_seal(canvas)
    centre = [(-0.085, 0.70), (0.085, 0.70), (0.07, 4.2), (-0.07, 4.2)]
    canvas.part(centre, 0.30, 0.03, dark, 0.02, 0.6)
    angles = np.arange(6) * np.pi / 3 + np.pi / 6
    emblem = [(0.19 * np.cos(a), 1.36 + 0.21 * np.sin(a)) for a in angles]
    canvas.part(emblem, 0.46, 0.04, suit.shoulder, 0.05, 1.2)
    canvas.strip([(u * 0.62, 1.36 + (v - 1.36) * 0.62) for u, v in emblem], 0.022, 1.0, closed=True)
    canvas.strip([(0, 1.30), (0, 1.43)], 0.03)
    for mirror in (list, _mirrored):
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
    canvas.part(side + _mirrored(side[:-1])[::-1] + lower, 0.10, 0.05, (30, 31, 40), 0.40, 0.35)
    for ring in range(4):
        down = 0.10 + 0.085 * ring
        half = [(-0.52, down - 0.02), (-0.36, down + 0.13), (-0.18, down + 0.21)]
        canvas.groove([*half, (0, down + 0.24), *_mirrored(half)[::-1]], 0.010, 0.05)
    half = [(-0.47, 0.035), (-0.35, 0.19), (-0.17, 0.27)]
    canvas.strip([*half, (0, 0.296), *_mirrored(half)[::-1]], 0.010, 0.55)


def lamellar(canvas: Canvas, suit: SuitMaterial) -> None:
    """Rows of laced plates, square shoulder boards, a crossed collar, and a sword on the back."""
    _sword(canvas, suit)
    dark = _shade(suit.cloth, 0.7)
    side = [(-0.10, 0.26), (-0.52, 0.34), (-0.95, 0.52), (-1.45, 0.66), (-1.80, 0.98), (-1.92, 1.7), (-2.0, 4.2)]
    canvas.part(side + _mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.9, 0.4)
    for mirror in (list, _mirrored):
        sleeve = [(-1.50, 1.3), (-2.10, 1.5), (-2.50, 4.2), (-1.50, 4.2)]
        canvas.part(mirror(sleeve), 0.2, 0.12, suit.cloth, 0.4, 0.4)
    breast = [(-0.98, 0.92), (-0.50, 0.78), (0.50, 0.78), (0.98, 0.92), (1.22, 1.7), (1.26, 4.2)]
    breast += [(-1.26, 4.2), (-1.22, 1.7)]
    canvas.part(breast, 0.26, 0.08, dark, 0.4, 0.8)
    for row in range(8):  # the lowest is the outermost of a skirt, but a chest overlaps downwards
        top = 0.98 + row * 0.245
        half = 1.04 + 0.05 * row if row < 4 else 1.22
        count = 9
        for index in range(count):
            left, width = -half + index * 2 * half / count, 2 * half / count
            curve = 0.10 * (1 - ((left + width / 2) / half) ** 2)
            plate = [(left + 0.006, top + curve), (left + width - 0.006, top + curve)]
            plate += [(left + width - 0.006, top + 0.205 + curve), (left + width * 0.75, top + 0.232 + curve)]
            plate += [(left + width * 0.25, top + 0.232 + curve), (left + 0.006, top + 0.205 + curve)]
            canvas.part(plate, 0.36, 0.022, suit.plate, 0.05, 1.0)
        lacing = [(u, top + 0.205 + 0.10 * (1 - (u / half) ** 2)) for u in np.linspace(-half, half, 17).tolist()]
        canvas.strip(lacing, 0.010, 0.34 if row % 2 else 0.5)
    for mirror in (list, _mirrored):
        for strap in ((-0.86, 0.5), (-0.74, 0.5)):
            canvas.part(mirror([(strap[0] - 0.04, 0.42), (strap[0] + 0.07, 0.40), (strap[0] + 0.13, 1.06),
                                (strap[0] + 0.02, 1.10)]), 0.42, 0.02, suit.cloth, 0.02, 0.6)  # fmt: skip
        _shoulder_board(canvas, suit, mirror)
    _gorget(canvas, suit)
    _crossed_collar(canvas, suit)
    _family_crest(canvas, suit)


def _shoulder_board(canvas: Canvas, suit: SuitMaterial, mirror: Mirror) -> None:
    """A sode: boards that overlap downwards, wider than the shoulder, hung from its top."""
    cap = [(-0.80, 0.46), (-1.20, 0.30), (-1.66, 0.34), (-2.02, 0.56), (-1.98, 0.74), (-1.40, 0.66), (-0.92, 0.72)]
    canvas.part(mirror(cap), 0.52, 0.05, suit.plate, 0.14, 1.0)
    for board in range(6):
        top, out = 0.52 + board * 0.30, 0.05 * board
        outline = [(-1.12 - out * 0.6, top + 0.10), (-1.70 - out, top - 0.02), (-2.40 - out, top + 0.12)]
        outline += [(-2.44 - out, top + 0.38), (-1.72 - out, top + 0.26), (-1.13 - out * 0.6, top + 0.37)]
        canvas.part(mirror(outline), 0.74 - 0.03 * board, 0.030, suit.shoulder, 0.05, 1.2)
        rim = [(-1.13 - out * 0.6, top + 0.345), (-1.72 - out, top + 0.235), (-2.43 - out, top + 0.352)]
        canvas.strip(mirror(rim), 0.016, 0.75)
        for lace in np.linspace(-1.30, -2.25, 6).tolist():
            fall = 0.05 if abs(lace + 1.7) > 0.3 else 0.0
            canvas.groove(mirror([(lace - out * 0.8, top + 0.10 + fall), (lace - out * 0.8, top + 0.22 + fall)]), 0.022)
    top_rim = [(-1.12, 0.62), (-1.70, 0.50), (-2.40, 0.64)]
    canvas.strip(mirror(top_rim), 0.020, 1.0)


def _gorget(canvas: Canvas, suit: SuitMaterial) -> None:
    """The throat guard: three curved lames, the upper ones behind."""
    side = [(-0.54, -0.03), (-0.45, 0.05), (-0.34, 0.13), (-0.18, 0.20), (0, 0.228)]
    canvas.part(side + _mirrored(side[:-1])[::-1] + [(0.62, 0.3), (0.5, 0.8), (-0.5, 0.8), (-0.62, 0.3)], 0.1, 0.05,
                (24, 22, 28), 0.3, 0.3)  # fmt: skip
    for ring in range(3):
        down = 0.06 + 0.15 * ring
        half = 0.50 + 0.06 * ring
        upper = [(-half, down), (-half * 0.68, down + 0.17), (-half * 0.34, down + 0.255), (0, down + 0.28)]
        lower = [(u * 1.03, v + 0.16) for u, v in upper]
        outline = upper + _mirrored(upper[:-1])[::-1] + _mirrored(lower[:-1]) + lower[::-1]
        canvas.part(outline, 0.20 + 0.05 * ring, 0.025, suit.plate, 0.05, 1.1)
        edge = [(u, v - 0.012) for u, v in lower]
        canvas.strip(edge + _mirrored(edge[:-1])[::-1], 0.011, 0.6)


def _crossed_collar(canvas: Canvas, suit: SuitMaterial) -> None:
    """Two bands of cloth that cross on the chest, the left one on top, over a stiff standing collar."""
    for mirror in (list, _mirrored):
        stand = [(-0.62, -0.24), (-0.53, -0.10), (-0.50, 0.16), (-0.70, 0.46), (-0.98, 0.62), (-0.90, 0.24)]
        stand += [(-0.80, -0.06)]
        canvas.part(mirror(stand), 0.46, 0.05, suit.cloth, 0.08, 0.6)
    over = [(0.64, -0.06), (0.86, 0.20), (0.66, 0.62), (-0.12, 1.50), (-0.34, 1.36), (0.36, 0.52), (0.54, 0.14)]
    under = _mirrored(over)
    for band, level in ((under, 0.56), (over, 0.62)):
        canvas.part(band, level, 0.035, suit.sash, 0.05, 0.5)
        inner = [(band[index][0] * 0.96, band[index][1] + 0.02) for index in (0, 6, 5, 4)]
        canvas.strip(inner, 0.015, 0.7)


def _family_crest(canvas: Canvas, suit: SuitMaterial) -> None:
    """A round crest where the bands cross: three blades in a ring."""
    canvas.part(_ring(0, 1.46, 0.20), 0.74, 0.035, suit.trim, 0.05, 1.3)
    canvas.part(_ring(0, 1.46, 0.155), 0.76, 0.015, (22, 18, 24), 0.02, 0.8)
    canvas.strip(_ring(0, 1.46, 0.178), 0.013, 0.9, closed=True)
    for turn in range(3):
        angle = turn * 2 * np.pi / 3 - np.pi / 2
        tip, left, right = ((0.135, 0.0), (0.05, 0.62), (0.05, -0.62))
        blade = [(r * float(np.cos(angle + a)), 1.46 + r * float(np.sin(angle + a))) for r, a in (tip, left, right)]
        canvas.part([(0.0, 1.46), blade[1], blade[0], blade[2]], 0.80, 0.014, suit.trim, 0.02, 1.4)


def _sword(canvas: Canvas, suit: SuitMaterial) -> None:
    """The hilt over the right shoulder: the guard, a wrapped handle, a cap."""
    low, high = np.array((1.02, 0.70)), np.array((1.52, -0.62))
    way = high - low
    along, across = way / np.hypot(*way), np.array((way[1], -way[0])) / -np.hypot(*way)

    def bar(start: float, end: float, half: float) -> list[Point]:
        corners = (low + along * start - across * half, low + along * end - across * half,
                   low + along * end + across * half, low + along * start + across * half)  # fmt: skip
        return [(float(u), float(v)) for u, v in corners]

    canvas.part(bar(-0.6, 0.42, 0.075), 0.3, 0.03, (20, 16, 20), 0.05, 1.3)
    canvas.part(bar(0.36, 0.42, 0.17), 0.36, 0.02, suit.trim, 0.02, 1.4)
    canvas.part(bar(0.42, 1.36, 0.062), 0.34, 0.03, _shade(suit.trim, 0.55), 0.05, 0.8)
    for knot in np.linspace(0.50, 1.30, 9).tolist():
        for turn in (1, -1):
            ends = (
                low + along * (knot - 0.05) - across * 0.07 * turn,
                low + along * (knot + 0.05) + across * 0.07 * turn,
            )
            canvas.groove([(float(u), float(v)) for u, v in ends], 0.022, 0.04)
    canvas.part(bar(1.34, 1.42, 0.075), 0.36, 0.02, suit.trim, 0.02, 1.4)


def ribbed(canvas: Canvas, suit: SuitMaterial) -> None:
    """A slim diving suit: ribs over chest and sides, a soft cowl, cables from the nape, a reactor ring."""
    dark = _shade(suit.cloth, 0.6)
    side = [(-0.10, 0.28), (-0.46, 0.36), (-0.86, 0.62), (-1.28, 0.78), (-1.62, 1.06), (-1.76, 1.6), (-1.80, 4.2)]
    canvas.part(side + _mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.8, 0.6)
    for mirror in (list, _mirrored):
        _ribbed_side(canvas, suit, mirror, dark)
    spine = [(-0.11, 0.80), (0.11, 0.80), (0.09, 4.2), (-0.09, 4.2)]
    canvas.part(spine, 0.30, 0.03, dark, 0.03, 0.6)
    for notch in range(12):
        canvas.groove([(-0.10, 1.72 + notch * 0.14), (0.10, 1.72 + notch * 0.14)], 0.016, 0.05)
    _ribbed_neck(canvas, suit)
    for mirror in (list, _mirrored):
        for way, width in (
            ([(-0.78, 0.22), (-1.00, 0.04), (-1.22, 0.34), (-1.24, 0.94)], 0.078),
            ([(-0.68, 0.44), (-0.92, 0.46), (-1.02, 0.76), (-0.92, 1.10)], 0.066),
        ):
            hose = _tube(way, width)
            canvas.part(mirror(hose), 0.66, 0.035, suit.trim, 0.03, 1.0)
            half = len(hose) // 2
            for index in range(1, half - 1):  # the hose's rings
                canvas.groove(mirror([hose[index], hose[len(hose) - 1 - index]]), 0.012, 0.035)
        canvas.part(mirror(_ring(-1.24, 0.98, 0.095, 16)), 0.62, 0.03, suit.trim, 0.03, 1.2)
        canvas.strip(mirror(_ring(-1.24, 0.98, 0.05, 12)), 0.018, 0.9, closed=True)
        canvas.part(mirror(_ring(-0.91, 1.12, 0.08, 16)), 0.62, 0.03, suit.trim, 0.03, 1.2)
    canvas.part(_ring(0, 1.40, 0.245), 0.50, 0.045, suit.trim, 0.06, 1.2)
    canvas.part(_ring(0, 1.40, 0.165), 0.46, 0.02, (12, 16, 18), 0.03, 0.8)
    canvas.strip(_ring(0, 1.40, 0.178), 0.024, 1.0, closed=True)
    canvas.strip(_ring(0, 1.40, 0.075), 0.018, 0.9, closed=True)
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
    canvas.part(side + _mirrored(side[:-1])[::-1] + [(0.62, 0.3), (0.5, 0.9), (-0.5, 0.9), (-0.62, 0.3)], 0.10, 0.05,
                (26, 30, 34), 0.40, 0.5)  # fmt: skip
    for ring in range(5):
        down = 0.04 + 0.105 * ring
        wide = 0.51 + 0.025 * ring
        upper = [(-wide, down), (-wide * 0.68, down + 0.15), (-wide * 0.34, down + 0.225), (0, down + 0.25)]
        lower = [(u, v + 0.095) for u, v in upper]
        outline = upper + _mirrored(upper[:-1])[::-1] + _mirrored(lower[:-1]) + lower[::-1]
        canvas.part(outline, 0.16 + 0.02 * ring, 0.035, suit.cloth, 0.05, 0.8)
    half = [(-0.50, 0.10), (-0.35, 0.245), (-0.17, 0.32)]
    canvas.strip([*half, (0, 0.345), *_mirrored(half)[::-1]], 0.012, 0.8)
    for mirror in (list, _mirrored):
        cowl = [(-0.55, -0.02), (-0.50, 0.26), (-0.30, 0.52), (0.0, 0.66), (0.0, 0.94), (-0.40, 0.82), (-0.76, 0.56)]
        cowl += [(-0.88, 0.26), (-0.76, 0.02)]
        canvas.part(mirror(cowl), 0.48, 0.09, suit.cloth, 0.16, 0.7)
        canvas.groove(mirror([(-0.66, 0.06), (-0.62, 0.34), (-0.36, 0.66), (0.0, 0.80)]), 0.02, 0.05)
        canvas.strip(mirror([(-0.555, 0.02), (-0.505, 0.27), (-0.30, 0.535), (0.0, 0.675)]), 0.012, 0.7)


MODELS: dict[str, Callable[[Canvas, SuitMaterial], None]] = {"plated": plated, "lamellar": lamellar, "ribbed": ribbed}
# The inside of the collar, behind the neck.
COLLARS: dict[str, list[Point]] = {
    "plated": [(-0.60, -0.10), (-0.38, -0.30), (0, -0.36), (0.38, -0.30), (0.60, -0.10), (0.74, 0.5), (-0.74, 0.5)],
    "lamellar": [(-0.62, -0.16), (-0.40, -0.22), (0, -0.26), (0.40, -0.22), (0.62, -0.16), (0.74, 0.5), (-0.74, 0.5)],
    "ribbed": [(-0.58, -0.02), (-0.38, -0.14), (0, -0.18), (0.38, -0.14), (0.58, -0.02), (0.74, 0.5), (-0.74, 0.5)],
}
