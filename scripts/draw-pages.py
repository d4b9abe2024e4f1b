#!/usr/bin/env python3
"""Draw docs/pictures/pages.jpg and the staff's pages from what browser tests showed.

    SHOTS=var/shots .venv/bin/python -m pytest tests/pages/test_geometry.py tests/pages/test_staff*.py
    .venv/bin/python scripts/draw-pages.py

The first has four pages on a phone of 390 x 844, side by side; the films on them are the samples that the product ships
(`providers/studio/tools/samples.py`). Of the staff's pages each is a picture of its own, on a desk.
"""

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SHOTS, PICTURES = ROOT / "var/shots", ROOT / "docs/pictures"
PAGES = ("start", "wait", "reveal", "share")
HEIGHT, GAP, QUALITY = 700, 16, 82
# What each picture of the staff's pages is called there and here.
STAFF = {"now": "now", "bulk-preview": "bulk", "delivery": "webhook"}
STAFF_SIZE = (1152, 720)


def main() -> None:
    draw_phones()
    for name, called in STAFF.items():
        page = Image.open(SHOTS / f"staff-{name}-1440.png").convert("RGB")
        page = page.resize(STAFF_SIZE, Image.Resampling.LANCZOS)
        page.save(PICTURES / f"staff-{called}.jpg", quality=QUALITY, optimize=True, progressive=True)


def draw_phones() -> None:
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
    picture.save(PICTURES / "pages.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
