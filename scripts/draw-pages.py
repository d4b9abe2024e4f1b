#!/usr/bin/env python3
"""Draw docs/pictures/pages.jpg from what a browser test showed: pages on a phone of 390 x 844, side by side.

    SHOTS=var/shots .venv/bin/python -m pytest tests/pages/test_geometry.py && .venv/bin/python scripts/draw-pages.py

The films on them are the samples that the product ships (`providers/studio/tools/samples.py`).
"""

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SHOTS, PICTURE = ROOT / "var/shots", ROOT / "docs/pictures/pages.jpg"
PAGES = ("start", "wait", "reveal", "share")
HEIGHT, GAP, QUALITY = 700, 16, 82


def main() -> None:
    pages = [Image.open(SHOTS / f"geometry-{name}-390x844.png").convert("RGB") for name in PAGES]
    pages = [
        page.resize((round(page.width * HEIGHT / page.height), HEIGHT), Image.Resampling.LANCZOS) for page in pages
    ]
    picture = Image.new(
        "RGB", (sum(page.width for page in pages) + GAP * (len(pages) + 1), HEIGHT + 2 * GAP), "#16181d"
    )
    left = GAP
    for page in pages:
        picture.paste(page, (left, GAP))
        left += page.width + GAP
    picture.save(PICTURE, quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
