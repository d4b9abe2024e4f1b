"""A white coat with golden edges: a collar like two petals, feathered shoulders, a sun on the chest."""

from __future__ import annotations

import numpy as np

from providers.studio.film.looks import SuitMaterial

from .shapes import Canvas, Mirror, Point, disc, mirrored, neck_seal, shade, tube


def radiant(canvas: Canvas, suit: SuitMaterial) -> None:
    """Build the coat from the back to the front."""
    side: list[Point] = [(-0.10, 0.26), (-0.50, 0.32), (-0.90, 0.50), (-1.36, 0.66), (-1.78, 0.98), (-1.86, 1.7)]
    side += [(-1.90, 4.2)]
    canvas.part(side + mirrored(side)[::-1], 0, 0.16, suit.cloth, 0.9, 0.4)
    for mirror in (list, mirrored):
        sleeve = [(-1.40, 1.2), (-1.94, 1.4), (-2.24, 4.2), (-1.46, 4.2)]
        canvas.part(mirror(sleeve), 0.22, 0.12, suit.cloth, 0.4, 0.4)
    for mirror in (list, mirrored):
        _coat(canvas, suit, mirror)
    _sun(canvas, suit)
    for mirror in (list, mirrored):
        _feathers(canvas, suit, mirror)
    neck_seal(canvas, suit.sash)
    _throat(canvas, suit)
    for mirror in (list, mirrored):
        _petal(canvas, suit, mirror)


def _edge(canvas: Canvas, suit: SuitMaterial, way: list[Point], level: float, width: float = 0.035) -> None:
    """A golden cord along an edge."""
    canvas.part(tube(way, width), level, 0.016, suit.trim, 0.01, 1.3)


def _coat(canvas: Canvas, suit: SuitMaterial, mirror: Mirror) -> None:
    """Half of a coat that opens downwards, over a dark vest with buttons."""
    vest = [(0.0, 0.7), (-0.60, 0.7), (-0.80, 4.2), (0.0, 4.2)]
    canvas.part(mirror(vest), 0.20, 0.05, suit.sash, 0.2, 0.5)
    panel: list[Point] = [
        (-0.06, 0.86),
        (-0.50, 0.66),
        (-1.04, 0.74),
        (-1.46, 1.06),
        (-1.44, 1.90),
        (-1.30, 2.80),
        (-1.50, 4.2),
    ]
    panel += [(-0.72, 4.2), (-0.52, 3.00), (-0.30, 2.20), (-0.10, 1.70)]
    canvas.part(mirror(panel), 0.32, 0.06, suit.plate, 0.30, 0.8)
    _edge(canvas, suit, mirror([(-0.10, 1.66), (-0.30, 2.18), (-0.50, 2.98), (-0.70, 4.1)]), 0.46, 0.05)
    lapel: list[Point] = [(-0.40, 0.56), (-0.86, 0.62), (-1.02, 1.20), (-0.66, 1.96), (-0.24, 2.06), (-0.12, 1.66)]
    canvas.part(mirror(lapel), 0.48, 0.04, shade(suit.plate, 0.90), 0.10, 0.8)
    _edge(canvas, suit, mirror([(-0.86, 0.66), (-1.00, 1.20), (-0.66, 1.94), (-0.26, 2.04)]), 0.60)
    canvas.groove(mirror([(-1.20, 1.60), (-1.04, 2.40), (-1.10, 3.40)]), 0.016, 0.06)
    canvas.groove(mirror([(-0.92, 2.10), (-0.80, 2.90), (-0.92, 4.0)]), 0.016, 0.06)
    for button in range(4):
        canvas.part(
            mirror(disc(-0.84 + 0.02 * button, 2.36 + button * 0.30, 0.05, 14)), 0.56, 0.025, suit.trim, 0.03, 1.4
        )


def _sun(canvas: Canvas, suit: SuitMaterial) -> None:
    """A disc with long and short rays."""
    for number in range(16):
        angle = number * np.pi / 8 + np.pi / 2
        long = 0.50 if number % 2 == 0 else 0.36
        way, out = np.array((np.cos(angle), np.sin(angle))), np.array((-np.sin(angle), np.cos(angle)))
        ray = (0.15 * way + 0.038 * out, long * way, 0.15 * way - 0.038 * out)
        canvas.part([(float(u), 1.34 + float(v)) for u, v in ray], 0.62, 0.018, suit.trim, 0.02, 1.4)
    canvas.part(disc(0, 1.34, 0.20), 0.70, 0.04, suit.trim, 0.06, 1.4)
    canvas.part(disc(0, 1.34, 0.135), 0.72, 0.03, shade(suit.plate, 1.0), 0.08, 1.2)
    canvas.strip(disc(0, 1.34, 0.150), 0.020, 1.0, closed=True)


def _feathers(canvas: Canvas, suit: SuitMaterial, mirror: Mirror) -> None:
    """A wing on the shoulder: rows of feathers from the arm upwards, the upper ones on top, their tips outwards."""
    for row, (count, reach, drop, long) in enumerate(
        ((6, 1.62, 1.16, 0.98), (6, 1.40, 0.90, 0.84), (5, 1.20, 0.70, 0.66))
    ):
        for number in range(count):
            share = number / (count - 1)
            angle = 0.08 + 1.16 * share  # from sideways to downwards
            foot = np.array((-(reach - 0.62) - 0.30 * (1 - share), drop - 0.30 + 0.42 * share))
            way = np.array((-np.cos(angle), np.sin(angle) - 0.34 * (1 - share)))
            way = way / np.hypot(*way)
            out = np.array((-way[1], way[0])) * (0.115 - 0.012 * row)
            points = (
                foot - out * 0.6,
                foot + way * long * 0.55 - out,
                foot + way * long,
                foot + way * long * 0.6 + out,
                foot + out * 0.6,
            )
            outline = [(float(u), float(v)) for u, v in points]
            level = 0.50 + 0.10 * row + 0.012 * (count - number)
            canvas.part(mirror(outline), level, 0.028, shade(suit.shoulder, 0.84 + 0.08 * row), 0.05, 1.0)
            middle = [(float(u), float(v)) for u, v in (foot + way * long * 0.2, foot + way * long * 0.86)]
            canvas.groove(mirror(middle), 0.010, 0.03)
    clasp: list[Point] = [(-0.62, 0.44), (-0.94, 0.40), (-1.16, 0.56), (-1.06, 0.80), (-0.74, 0.74)]
    canvas.part(mirror(clasp), 0.86, 0.04, suit.trim, 0.08, 1.3)
    canvas.strip(mirror(disc(-0.92, 0.59, 0.06, 14)), 0.02, 0.9, closed=True)


def _throat(canvas: Canvas, suit: SuitMaterial) -> None:
    """Folded cloth at the throat, held by a golden ring."""
    for number, low in enumerate((0.34, 0.46, 0.58)):
        half: list[Point] = [(-0.50, 0.04 + 0.10 * number), (-0.28, low - 0.06), (0.0, low)]
        canvas.part(tube([*half, *mirrored(half[:-1])[::-1]], 0.15), 0.34 + 0.04 * number, 0.05, suit.sash, 0.04, 0.5)
    half = [(-0.53, 0.0), (-0.34, 0.18), (0.0, 0.265)]
    _edge(canvas, suit, [*half, *mirrored(half[:-1])[::-1]], 0.44, 0.05)


def _petal(canvas: Canvas, suit: SuitMaterial, mirror: Mirror) -> None:
    """Half of a collar that opens beside the jaw like a petal."""
    petal: list[Point] = [(-0.12, 0.98), (-0.26, 0.62), (-0.46, 0.34), (-0.545, 0.02), (-0.66, -0.30), (-0.92, -0.56)]
    petal += [(-1.02, -0.20), (-0.98, 0.24), (-0.78, 0.66), (-0.40, 0.94)]
    canvas.part(mirror(petal), 0.74, 0.05, suit.plate, 0.20, 0.9)
    _edge(
        canvas,
        suit,
        mirror([(-0.14, 0.94), (-0.28, 0.62), (-0.48, 0.34), (-0.57, 0.02), (-0.68, -0.28), (-0.92, -0.53)]),
        0.84,
        0.04,
    )
    _edge(canvas, suit, mirror([(-0.92, -0.53), (-1.00, -0.20), (-0.96, 0.24), (-0.76, 0.66), (-0.40, 0.92)]), 0.84)
    canvas.groove(mirror([(-0.80, -0.30), (-0.80, 0.10), (-0.58, 0.56)]), 0.014, 0.04)
