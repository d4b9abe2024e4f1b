"""axe-core on a page that a Playwright browser shows: `assert violations(page) == []`."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def violations(page: Any, *, within: str | None = None) -> list[str]:
    """Return what axe finds wrong, a line an element, in the whole page or within a selector.

    Pages settle first: axe would measure the contrast of what is half faded in. Run it with reduced motion.
    """
    page.evaluate("Promise.all(document.getAnimations().map(animation => animation.finished.catch(() => {})))")
    found = Axe().run(page, context=within).response["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]
