"""The kinds of suits by their names. `armour.py` models them on its canvas and lights them."""

from __future__ import annotations

from collections.abc import Callable

from providers.studio.film.looks import SuitMaterial

from .bulwark import bulwark
from .lamellar import lamellar
from .plated import plated
from .radiant import radiant
from .ribbed import ribbed
from .shapes import Canvas, Point
from .wrapped import wrapped

MODELS: dict[str, Callable[[Canvas, SuitMaterial], None]] = {
    "plated": plated,
    "lamellar": lamellar,
    "ribbed": ribbed,
    "wrapped": wrapped,
    "bulwark": bulwark,
    "radiant": radiant,
}
# The inside of the collar, behind the neck.
COLLARS: dict[str, list[Point]] = {
    "plated": [(-0.60, -0.10), (-0.38, -0.30), (0, -0.36), (0.38, -0.30), (0.60, -0.10), (0.74, 0.5), (-0.74, 0.5)],
    "lamellar": [(-0.62, -0.16), (-0.40, -0.22), (0, -0.26), (0.40, -0.22), (0.62, -0.16), (0.74, 0.5), (-0.74, 0.5)],
    "ribbed": [(-0.58, -0.02), (-0.38, -0.14), (0, -0.18), (0.38, -0.14), (0.58, -0.02), (0.74, 0.5), (-0.74, 0.5)],
    "wrapped": [(-0.62, 0.02), (-0.40, -0.12), (0, -0.17), (0.40, -0.12), (0.62, 0.02), (0.74, 0.5), (-0.74, 0.5)],
    "bulwark": [(-0.86, -0.44), (-0.44, -0.40), (0, -0.40), (0.44, -0.40), (0.86, -0.44), (0.80, 0.5), (-0.80, 0.5)],
    "radiant": [(-0.66, -0.24), (-0.42, -0.26), (0, -0.28), (0.42, -0.26), (0.66, -0.24), (0.74, 0.5), (-0.74, 0.5)],
}
