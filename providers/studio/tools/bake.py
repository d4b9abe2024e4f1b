"""Build the city and the armour of every look and store them: `python -m providers.studio.tools.bake [LOOK ...]`.

Run it after a change to `city/`, `suit/`, a look or the sign font, and commit the files.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import cv2

from providers.studio.film.assets import ARMOUR_LAYERS, BAKED, CITY_PLATES, store
from providers.studio.film.city.city import build_city
from providers.studio.film.looks import LOOKS
from providers.studio.film.suit.armour import forge


def bake(slugs: list[str], folder: Path = BAKED) -> dict[str, int]:
    """Store the plates of some looks; return each look's size in bytes."""
    sizes = {}
    for slug in slugs:
        look = LOOKS[slug]
        shutil.rmtree(folder / slug, ignore_errors=True)
        city, armour = build_city(look), forge(look)
        sizes[slug] = sum(store(look, f"city-{plate}", getattr(city, plate), folder) for plate in CITY_PLATES)
        sizes[slug] += sum(store(look, f"armour-{layer}", getattr(armour, layer), folder) for layer in ARMOUR_LAYERS)
    return sizes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m providers.studio.tools.bake", description=__doc__)
    parser.add_argument("looks", nargs="*", metavar="LOOK", help=f"any of {', '.join(LOOKS)}; all when none is given")
    chosen = parser.parse_args().looks or list(LOOKS)
    unknown = sorted(set(chosen) - set(LOOKS))
    if unknown:
        parser.error(f"unknown look: {', '.join(unknown)}")
    cv2.setNumThreads(1)
    for slug, size in bake(chosen).items():
        sys.stdout.write(f"{slug:16} {size / 1000:7.0f} kB\n")


if __name__ == "__main__":
    main()
