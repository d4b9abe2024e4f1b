"""The start and the wait in every language, as they are after the scripts have spoken."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings

from jobs.models import Job
from selfiehero import catalogues
from tests import factories
from tests.support.axe import violations
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
LANGUAGES = {"es": "es-MX", "ja": "ja-JP"}
HOLES = re.compile(r"%\(\w+\)s|%%|\{\w*\}|<[^>]*>|\n")
# SHOTS=folder keeps what the pages look like.
SHOTS = os.environ.get("SHOTS", "")


@cache
def english(language: str) -> list[str]:
    """Return what must not be read: all that the catalogue says in other words."""
    found: list[str] = []
    for domain in ("django", "djangojs"):
        catalogue = catalogues.read(catalogues.po_path(Path(settings.ROOT), language, domain), language)
        for message in catalogues.messages(catalogue):
            for text in message.id if message.pluralizable else (message.id,):
                found += [part.strip() for part in HOLES.split(text) if len(part.strip()) > 6]
    return list(dict.fromkeys(found))


def english_seen(page: Any, language: str) -> list[str]:
    """Return what of the page is in English: texts, also those for screen readers, and the title."""
    said = page.evaluate(
        """[document.title, document.body.innerText, ...['aria-label', 'alt', 'aria-valuetext'].flatMap(name =>
        [...document.querySelectorAll(`[${name}]`)].map(node => node.getAttribute(name)))].join('\\n')"""
    )
    return [part for part in english(language) if part in said]


def shot(page: Any, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(exist_ok=True)
        page.wait_for_timeout(400)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=name.startswith("full"))


def fits(page: Any) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("language", LANGUAGES)
def test_start_and_wait_speak_the_language_of_the_browser(language: str, visit: Any, show: Any, selfie: Path) -> None:
    factories.make_provider()
    page = visit("/", locale=LANGUAGES[language])
    assert page.get_attribute("html", "lang") == language
    page.wait_for_function("document.querySelector('.line').getAttribute('aria-valuenow') !== '54'")
    assert english_seen(page, language) == []
    assert fits(page)
    shot(page, f"start-{language}")
    page.click("[data-action]")  # what is missing is said
    page.set_input_files("#photo-file", selfie)
    page.locator("[data-photo-got]").wait_for(state="visible")
    assert page.locator("[data-photo-words]").inner_text() != page.locator("[data-look-name]").inner_text()
    page.click("[data-action]")
    page.locator('[data-error="consent"]').wait_for(state="visible")
    assert english_seen(page, language) == []
    assert violations(page) == []
    shot(page, f"full-start-{language}")
    page.fill("#hero-name", "NOVA-7")
    page.check("#consent")
    page.click("[data-action]")
    page.wait_for_url("**/jobs/*/")
    job = Job.objects.get(id=UUID(page.url.rstrip("/").split("/")[-1]))
    assert job.locale == language
    wait_for(lambda: page.get_attribute("[data-wait]", "data-way") == "socket", "news by socket", seconds=20)
    for stage in ("preparing", "waiting_for_slot", "warming_up", "rendering"):
        show(job, status="processing", stage=stage, reason_code="moved_busy", reason_subject="WaveSpeed")
        wait_for(lambda at=stage: page.get_attribute("[data-wait]", "data-stage-key") == at, stage, seconds=15)
        assert english_seen(page, language) == []
        assert fits(page)
        shot(page, f"wait-{stage}-{language}")
    assert page.locator("[data-reason]").is_visible()
    for dialog in ("notify", "phone", "cancel"):
        page.evaluate(f"document.getElementById('{dialog}').showModal()")
        assert english_seen(page, language) == []
        shot(page, f"wait-{dialog}-{language}")
        page.evaluate(f"document.getElementById('{dialog}').close()")
    address = page.url
    page.click('[data-accepted] [value="en"]')
    page.wait_for_function("document.documentElement.lang === 'en'")
    assert page.url == address
    wait_for(
        lambda: page.inner_text("[data-reason]") == "WaveSpeed is busy, your hero moves to another studio.", "English"
    )
    assert page.get_attribute("[data-wait]", "data-picture") == "own", "the photo is still there"
