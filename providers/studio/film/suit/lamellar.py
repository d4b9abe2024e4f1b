"""Rows of laced plates, square shoulder boards, a crossed collar, and a sword on the back."""

from __future__ import annotations

import numpy as np

from providers.studio.film.looks import SuitMaterial

from .shapes import Canvas, Mirror, Point, disc, mirrored, shade


def lamellar(canvas: Canvas, suit: SuitMaterial) -> None:
    """Rows of laced plates, square shoulder boards, a crossed collar, and a sword on the back."""
    _sword(canvas, suit)
    dark = shade(suit.cloth, 0.7)
    side = [(-0.10, 0.26), (-0.52, 0.34), (-0.95, 0.52), (-1.45, 0.66), (-1.80, 0.98), (-1.92, 1.7), (-2.0, 4.2)]
    canvas.part(side + mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.9, 0.4)
    for mirror in (list, mirrored):
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
    for mirror in (list, mirrored):
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
    canvas.part(side + mirrored(side[:-1])[::-1] + [(0.62, 0.3), (0.5, 0.8), (-0.5, 0.8), (-0.62, 0.3)], 0.1, 0.05,
                (24, 22, 28), 0.3, 0.3)  # fmt: skip
    for ring in range(3):
        down = 0.06 + 0.15 * ring
        half = 0.50 + 0.06 * ring
        upper = [(-half, down), (-half * 0.68, down + 0.17), (-half * 0.34, down + 0.255), (0, down + 0.28)]
        lower = [(u * 1.03, v + 0.16) for u, v in upper]
        outline = upper + mirrored(upper[:-1])[::-1] + mirrored(lower[:-1]) + lower[::-1]
        canvas.part(outline, 0.20 + 0.05 * ring, 0.025, suit.plate, 0.05, 1.1)
        edge = [(u, v - 0.012) for u, v in lower]
        canvas.strip(edge + mirrored(edge[:-1])[::-1], 0.011, 0.6)


def _crossed_collar(canvas: Canvas, suit: SuitMaterial) -> None:
    """Two bands of cloth that cross on the chest, the left one on top, over a stiff standing collar."""
    for mirror in (list, mirrored):
        stand = [(-0.62, -0.24), (-0.53, -0.10), (-0.50, 0.16), (-0.70, 0.46), (-0.98, 0.62), (-0.90, 0.24)]
        stand += [(-0.80, -0.06)]
        canvas.part(mirror(stand), 0.46, 0.05, suit.cloth, 0.08, 0.6)
    over = [(0.64, -0.06), (0.86, 0.20), (0.66, 0.62), (-0.12, 1.50), (-0.34, 1.36), (0.36, 0.52), (0.54, 0.14)]
    under = mirrored(over)
    for band, level in ((under, 0.56), (over, 0.62)):
        canvas.part(band, level, 0.035, suit.sash, 0.05, 0.5)
        inner = [(band[index][0] * 0.96, band[index][1] + 0.02) for index in (0, 6, 5, 4)]
        canvas.strip(inner, 0.015, 0.7)


def _family_crest(canvas: Canvas, suit: SuitMaterial) -> None:
    """A round crest where the bands cross: three blades in a ring."""
    canvas.part(disc(0, 1.46, 0.20), 0.74, 0.035, suit.trim, 0.05, 1.3)
    canvas.part(disc(0, 1.46, 0.155), 0.76, 0.015, (22, 18, 24), 0.02, 0.8)
    canvas.strip(disc(0, 1.46, 0.178), 0.013, 0.9, closed=True)
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
    canvas.part(bar(0.42, 1.36, 0.062), 0.34, 0.03, shade(suit.trim, 0.55), 0.05, 0.8)
    for knot in np.linspace(0.50, 1.30, 9).tolist():
        for turn in (1, -1):
            ends = (
                low + along * (knot - 0.05) - across * 0.07 * turn,
                low + along * (knot + 0.05) + across * 0.07 * turn,
            )
            canvas.groove([(float(u), float(v)) for u, v in ends], 0.022, 0.04)
    canvas.part(bar(1.34, 1.42, 0.075), 0.36, 0.02, suit.trim, 0.02, 1.4)
