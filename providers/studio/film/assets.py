"""The scenery and armour of each look, loaded from stored plates or built when these are missing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from providers.studio.film.city.city import City, build_city
from providers.studio.film.suit.armour import Armour, forge

from .looks import Look

BAKED = Path(__file__).parent / "baked"
CITY_PLATES = ("far", "mid", "near")
ARMOUR_LAYERS = ("base", "left", "right", "sweep")
WEBP_QUALITY = 88


def load_city(look: Look) -> City:
    """Return a look's city from its stored plates; build it (most of a second) when one is missing."""
    plates = [plate for name in CITY_PLATES if (plate := _load(look, f"city-{name}")) is not None]
    return City(*plates) if len(plates) == len(CITY_PLATES) else build_city(look)


def load_armour(look: Look) -> Armour:
    """Return a look's armour from its stored layers; build it (half a second) when one is missing."""
    layers = [layer for name in ARMOUR_LAYERS if (layer := _load(look, f"armour-{name}")) is not None]
    return Armour(*layers) if len(layers) == len(ARMOUR_LAYERS) else forge(look)


def store(look: Look, name: str, layer: np.ndarray, folder: Path = BAKED) -> int:
    """Write one BGRA layer as two files and return their size in bytes.

    Colour and fourth channel are kept apart: WebP rewrites colour where alpha is 0,
    and these layers carry glow there.
    """
    colour, mask = _paths(look, name, folder)
    colour.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(colour), layer[..., :3], [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
    cv2.imwrite(str(mask), layer[..., 3], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return colour.stat().st_size + mask.stat().st_size


def _load(look: Look, name: str) -> np.ndarray | None:
    paths = _paths(look, name, BAKED)
    if not all(path.exists() for path in paths):
        return None
    colour, mask = cv2.imread(str(paths[0]), cv2.IMREAD_COLOR), cv2.imread(str(paths[1]), cv2.IMREAD_GRAYSCALE)
    if colour is None or mask is None:
        return None
    return cv2.merge([*cv2.split(colour), mask])


def _paths(look: Look, name: str, folder: Path) -> tuple[Path, Path]:
    return folder / look.slug / f"{name}.webp", folder / look.slug / f"{name}-mask.png"
