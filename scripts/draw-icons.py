"""Draw the app's icons from static/img/favicon.svg with Chromium: `python scripts/draw-icons.py`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
IMAGES = ROOT / "static" / "img"
# Name, size, and how large the mark is on a full background; None: the favicon as it is, with round corners.
ICONS = (("app-180", 180, 0.86), ("app-192", 192, None), ("app-512", 512, None), ("app-512-maskable", 512, 0.76))


def page_of(svg: str, size: int, scale: float | None) -> str:
    if scale is not None:
        mark = re.sub(r"<rect[^>]*/>", "", svg).replace(
            "<svg", f'<svg width="{size * scale}" height="{size * scale}"', 1
        )
        body, background = mark, "#050609"
    else:
        body, background = svg.replace("<svg", f'<svg width="{size}" height="{size}"', 1), "transparent"
    style = f"margin:0;width:{size}px;height:{size}px;display:grid;place-items:center;background:{background}"
    return f'<!doctype html><body style="{style}">{body}</body>'


def main() -> None:
    from tests.support.browser import running_browser

    svg = (IMAGES / "favicon.svg").read_text()
    with running_browser() as browser:
        for name, size, scale in ICONS:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(page_of(svg, size, scale))
            page.screenshot(path=IMAGES / f"{name}.png", omit_background=True)
            page.close()


main()
