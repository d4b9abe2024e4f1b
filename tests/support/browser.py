"""A real headless Chromium, Debian's, driven by Playwright: `with running_browser() as browser:`."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest

FLAGS = (
    # WebGL in software: no machine that runs tests is expected to have a graphics card.
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    # It speaks to the product alone.
    *("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--disable-domain-reliability", "--no-default-browser-check"),
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
)
ADVICE = "Chromium is missing. Install it (on Debian: apt-get install chromium), or set CHROMIUM to its path."


def chromium_path() -> str:
    """Return where Chromium is. Without it the test is skipped, and fails in CI."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None and os.path.exists("/usr/bin/chromium"):
        path = "/usr/bin/chromium"
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(ADVICE)
    return path


@contextlib.contextmanager
def running_browser(**choices) -> Iterator:
    """Yield a Playwright browser (sync API). `choices` go to Playwright's launch, `args` are added to ours."""
    executable = chromium_path()
    from playwright.sync_api import sync_playwright

    extra = choices.pop("args", [])
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, *sandbox, *extra], **choices)
        try:
            yield browser
        finally:
            browser.close()
