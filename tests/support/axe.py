"""axe-core in a page of a test: `assert violations(page) == []`."""

from typing import Any

from axe_playwright_python.sync_playwright import Axe


def violations(page: Any) -> list[str]:
    """Return what axe finds wrong with a page, a line for each element."""
    found = Axe().run(page).response["violations"]
    return [f"{rule['id']}: {' '.join(map(str, node['target']))}" for rule in found for node in rule["nodes"]]
