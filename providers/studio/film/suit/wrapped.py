"""A cloak of wrapped cloth: a scarf in loops, long folds, a strap with pouches, goggles at the neck."""

from __future__ import annotations

import numpy as np

from providers.studio.film.looks import SuitMaterial

from .shapes import Canvas, Point, disc, mirrored, neck_seal, shade, smooth, tube

FOLDS = (  # from the shoulder down across the chest; how wide
    ([(-1.30, 0.50), (-1.86, 1.20), (-1.30, 2.10), (-0.74, 3.20), (-0.50, 4.2)], 0.30),
    ([(-1.10, 0.46), (-1.52, 0.92), (-1.02, 1.72), (-0.46, 2.70), (-0.16, 4.0)], 0.26),
    ([(-0.90, 0.42), (-1.16, 0.76), (-0.70, 1.40), (-0.12, 2.30), (0.24, 3.6)], 0.24),
    ([(0.96, 0.40), (1.24, 0.82), (1.16, 1.70), (1.22, 2.80), (1.30, 4.2)], 0.26),
    ([(1.24, 0.56), (1.62, 1.00), (1.60, 1.90), (1.70, 3.00), (1.78, 4.2)], 0.30),
    ([(0.80, 0.42), (0.92, 0.86), (0.76, 1.60), (0.72, 2.60), (0.78, 4.0)], 0.22),
    ([(1.98, 1.40), (2.04, 2.20), (2.12, 3.20), (2.14, 4.2)], 0.28),
    ([(-2.06, 1.60), (-1.86, 2.50), (-1.60, 3.40), (-1.50, 4.2)], 0.30),
)
LOOPS = (  # of the scarf, from the innermost to the outermost: left end, lowest point, right end, width, level
    ((-0.60, -0.02), (-0.04, 0.36), (0.58, 0.04), 0.19, 0.40),
    ((-0.70, 0.06), (0.10, 0.52), (0.66, 0.00), 0.20, 0.50),
    ((-0.80, 0.20), (-0.12, 0.74), (0.78, 0.14), 0.23, 0.58),
    ((-0.98, 0.40), (0.16, 0.98), (0.94, 0.34), 0.25, 0.66),
)


def wrapped(canvas: Canvas, suit: SuitMaterial) -> None:
    """Build the cloak from the back to the front."""
    side: list[Point] = [(-0.10, 0.24), (-0.58, 0.26), (-1.00, 0.52), (-1.44, 0.86), (-1.82, 1.36), (-2.02, 2.1)]
    side += [(-2.16, 4.2)]
    other = [(u * 1.06 + 0.02, v - 0.04) for u, v in mirrored(side)]  # a cloak lies unevenly
    canvas.part(side + other[::-1], 0, 0.16, suit.cloth, 0.8, 0.35)
    for number, (way, width) in enumerate(FOLDS):
        canvas.part(
            tube(way, width), 0.16 + 0.02 * (number % 3), 0.14, shade(suit.cloth, 0.85 + 0.12 * (number % 3)), 0.1, 0.3
        )
    _strap(canvas, suit)
    neck_seal(canvas, shade(suit.cloth, 0.55))
    _scarf(canvas, suit)
    _goggles(canvas, suit)


def _strap(canvas: Canvas, suit: SuitMaterial) -> None:
    """A strap over the right shoulder with pouches on it, and a lit vial in each loop between them."""
    start, end = np.array((1.16, 0.78)), np.array((-1.30, 2.86))
    along = (end - start) / np.hypot(*(end - start))
    across = np.array((-along[1], along[0]))

    def at(way: float, off: float) -> Point:
        x, y = start + along * way + across * off
        return float(x), float(y)

    leather = shade(suit.plate, 0.8)
    canvas.part([at(-0.2, -0.12), at(3.2, -0.12), at(3.2, 0.12), at(-0.2, 0.12)], 0.40, 0.03, leather, 0.03, 0.8)
    canvas.groove([at(-0.2, -0.085), at(3.2, -0.085)], 0.010, 0.03)
    canvas.groove([at(-0.2, 0.085), at(3.2, 0.085)], 0.010, 0.03)
    for way in (0.62, 1.26, 1.90):
        pouch = [at(way, -0.19), at(way + 0.42, -0.19), at(way + 0.42, 0.21), at(way, 0.21)]
        canvas.part(pouch, 0.52, 0.05, suit.plate, 0.08, 0.9)
        canvas.part([at(way, -0.20), at(way + 0.42, -0.20), at(way + 0.42, 0.02), at(way, 0.02)], 0.60, 0.03,
                    suit.shoulder, 0.03, 0.9)  # fmt: skip
        u, v = at(way + 0.21, 0.03)
        canvas.part(disc(u, v, 0.035, 12), 0.68, 0.02, suit.trim, 0.02, 1.4)
        canvas.strip([at(way + 0.53, -0.10), at(way + 0.53, 0.12)], 0.045, 0.85)


def _scarf(canvas: Canvas, suit: SuitMaterial) -> None:
    tail = [
        (0.40, 0.72),
        (0.62, 0.80),
        (0.74, 1.40),
        (0.66, 2.02),
        (0.80, 2.46),
        (0.42, 2.52),
        (0.34, 1.90),
        (0.42, 1.30),
    ]
    canvas.part(tail, 0.50, 0.07, shade(suit.sash, 0.85), 0.12, 0.3)
    for fold in ([(0.50, 0.90), (0.56, 1.50), (0.48, 2.40)], [(0.60, 0.92), (0.66, 1.50), (0.62, 2.44)]):
        canvas.groove(fold, 0.03, 0.05)
    for stripe in (2.10, 2.20, 2.34):
        canvas.strip([(0.38, stripe), (0.74, stripe - 0.02)], 0.018, 0.55)
    for number, (left, low, right, width, level) in enumerate(LOOPS):
        half_left = ((left[0] + low[0]) / 2 - 0.10, (left[1] + low[1]) / 2 + 0.10)
        half_right = ((right[0] + low[0]) / 2 + 0.10, (right[1] + low[1]) / 2 + 0.10)
        way = [left, half_left, low, half_right, right]
        canvas.part(tube(way, width), level, 0.085, shade(suit.sash, 0.78 + 0.14 * (number % 2)), 0.05, 0.35)
        for off in (-0.20, 0.16):  # creases
            canvas.groove([(u, v + off * width) for u, v in smooth(way)], 0.022, 0.018)


def _goggles(canvas: Canvas, suit: SuitMaterial) -> None:
    """Goggles that were pulled down and hang below the scarf."""
    canvas.part([(-0.52, 1.14), (-0.10, 1.24), (0.30, 1.24), (0.62, 1.10), (0.62, 1.22), (0.30, 1.36), (-0.10, 1.36),
                 (-0.52, 1.26)], 0.70, 0.03, shade(suit.plate, 0.6), 0.03, 0.7)  # fmt: skip
    for u in (-0.13, 0.33):
        canvas.part(disc(u, 1.30, 0.175), 0.80, 0.05, suit.trim, 0.05, 1.3)
        canvas.part(disc(u, 1.30, 0.120), 0.80, 0.03, (14, 26, 28), 0.06, 1.6)
        canvas.strip([(u - 0.07, 1.27), (u + 0.01, 1.22)], 0.016, 0.5)
