"""From the photo to the film without a pointer: everything can be reached, the focus is seen, and it is never lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from jobs.models import Job
from tests import factories
from tests.pages.conftest import goes_by, has_photo, reads
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

# What is focused, with what shows it in its place: the card of a look, the grip of the Line.
SHOWS_FOCUS = """() => {
    const here = document.activeElement, near = [here, ...here.querySelectorAll("*"), here.nextElementSibling];
    near.push(here.closest(".hero-card")?.querySelector(".hero-card__film"));
    return near.some(node => {
        const { outlineStyle, outlineWidth } = node ? getComputedStyle(node) : {};
        const box = node?.getBoundingClientRect();
        return node && outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && box.width > 0
            && box.bottom > 0 && box.top < innerHeight;
    });
}"""
# Every sentence that the live region of the stages has held.
LISTEN = """() => {
    const region = document.querySelector("[data-wait] [aria-live=polite]");
    window.heard = [];
    new MutationObserver(() => window.heard.push(region.innerText)).observe(region, { childList: true, subtree: true });
}"""

IN_OR_NOWHERE = """id => document.activeElement === document.body
    || document.querySelector(id).contains(document.activeElement)"""


def focused(page: Any, selector: str) -> bool:
    return page.evaluate("selector => document.activeElement.matches(selector)", selector)


def tab_to(page: Any, selector: str, key: str = "Tab") -> None:
    """Press Tab until this has the focus; whatever has it on the way shows it."""
    for _ in range(40):
        page.keyboard.press(key)
        where = page.evaluate("document.activeElement.outerHTML.slice(0, 90)")
        assert page.evaluate("document.activeElement === document.body") or page.evaluate(SHOWS_FOCUS), where
        if focused(page, selector):
            return
    raise AssertionError(f"{selector} cannot be reached")


def go_through_dialog(page: Any, opener: str, dialog: str, *, leave: str = "Escape") -> None:
    """Open a dialog, go round in it, leave it, and be back where it was opened."""
    tab_to(page, opener)
    page.keyboard.press("Enter")
    page.locator(f"{dialog}[open]").wait_for()
    assert page.evaluate("id => document.querySelector(id).contains(document.activeElement)", dialog)
    for _ in range(12):
        page.keyboard.press("Tab")
        # From the last to the first the way leads over the browser's own bar: nothing of the page has the focus then.
        assert page.evaluate(IN_OR_NOWHERE, dialog), f"the focus left {dialog}"
    page.keyboard.press(leave)
    page.locator(dialog).wait_for(state="hidden")
    assert focused(page, opener), f"the focus did not come back to {opener}"


def test_everything_works_by_keyboard(visit: Any, show: Any, selfie: Path, looks: None) -> None:
    provider = factories.make_provider()
    page, choosers = visit("/", "desk"), []
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # a bound append will not do for Playwright
    page.keyboard.press("Tab")
    assert focused(page, ".skip")
    tab_to(page, ".line")
    page.keyboard.press("Home")
    assert page.get_attribute(".line", "aria-valuenow") == "0"
    for _ in range(2):
        page.keyboard.press("PageDown")
    assert page.get_attribute(".line", "aria-valuetext") == "30 % film, 70 % photo"
    tab_to(page, "[name=look]")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("html", "data-look") == "chrome-samurai"
    tab_to(page, "[data-pick]")
    page.keyboard.press("Enter")
    wait_for(lambda: page.wait_for_timeout(50) or choosers, "the choice of a file")
    choosers[0].set_files(selfie)
    has_photo(page)
    tab_to(page, "#hero-name")
    page.keyboard.type("lynx")
    tab_to(page, "[data-suggest]")
    tab_to(page, "#consent")
    page.keyboard.press("Space")
    tab_to(page, "[data-action]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs/*/")
    assert focused(page, "#main"), "the focus did not come along"
    job = Job.objects.get(id=UUID(page.url.rstrip("/").split("/")[-1]))
    assert job.look.slug == "chrome-samurai"

    goes_by(page, "socket")
    page.evaluate(LISTEN)
    for stage, progress in (("rendering", 0.3), ("rendering", 0.4), ("collecting", 0.9)):
        show(job, status="processing", stage=stage, progress=progress)
        reads(page, job.seq)
    heard = page.evaluate("heard.map(text => text.split('\\n')[0]).filter((text, at, all) => text !== all[at - 1])")
    assert heard == ["Rolling", "Final cut"], "stages are announced, once each, and numbers are not"
    for opener, dialog in (
        ("[data-open=notify]", "#notify"),
        ("[data-open=phone]", "#phone"),
        ("[data-open=cancel]", "#cancel"),
        ("[data-receipt-link]", "#receipt"),
    ):
        go_through_dialog(page, opener, dialog)

    Job.objects.filter(id=job.id).update(status="queued", stage="accepted", progress=0)
    factories.shoot(factories.reload(job), provider)
    page.locator("[data-reveal]").wait_for(state="attached")
    page.locator("[data-lift]:enabled").wait_for()
    tab_to(page, "[data-lift]")
    page.keyboard.press("Enter")
    page.locator(".reveal.is-settled").wait_for()
    assert focused(page, "[data-title]"), "the focus is where the news are"
    tab_to(page, "[data-sound]", "Shift+Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('[data-main]').muted") is True
    tab_to(page, "[data-compare]")
    page.keyboard.press("Enter")
    page.locator(".reveal .line").wait_for()  # once the photo's eyes are found, or have been looked for long enough
    assert focused(page, ".reveal .line")
    page.keyboard.press("End")
    tab_to(page, "[data-share]")
    tab_to(page, "[data-save]")
    tab_to(page, ".take")
    go_through_dialog(page, "[data-after] [data-open=erase]", "#erase")
