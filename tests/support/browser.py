"""A real headless Chromium, Debian's, driven by Playwright: `with running_browser() as browser:`.

No machine that runs tests is expected to have a graphics card, and everything that such a card would do costs a
processor a lot: a page from its photo to its wait took 15 s of CPU with WebGL and motion, 7 s without. So pages are put
together without a graphics card's ways unless a test asks for WebGL; what they draw then is tried by `tests/pages`.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

FLAGS = (
    # It speaks to the product alone.
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--disable-domain-reliability", "--no-default-browser-check"),
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
)
WEBGL_IN_SOFTWARE = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WITHOUT_WEBGL = ("--disable-gpu", "--disable-3d-apis")
ADVICE = "Chromium is missing. Install it (on Debian: apt-get install chromium), or set CHROMIUM to its path."


def chromium_path() -> str:
    """Return where Chromium is. Without it the test is skipped, and fails in CI."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None and os.path.exists("/usr/bin/chromium"):
        path = "/usr/bin/chromium"
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(ADVICE)
    return path


def launch_options(*, webgl: bool = False, args: Iterable[str] = ()) -> dict[str, Any]:
    """Return what Playwright's `launch` takes for a Chromium of ours, with these arguments added."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    drawing = WEBGL_IN_SOFTWARE if webgl else WITHOUT_WEBGL
    return {"executable_path": chromium_path(), "args": [*FLAGS, *drawing, *sandbox, *args]}


@contextlib.contextmanager
def running_browser(*, webgl: bool = False, args: Iterable[str] = ()) -> Iterator:
    """Yield a Playwright browser (sync API), with WebGL or without; `args` are added to our own."""
    options = launch_options(webgl=webgl, args=args)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        try:
            yield browser
        finally:
            browser.close()
