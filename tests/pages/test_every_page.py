"""Every page there is, in every state, at every size and in every language: nothing for axe, nothing out of place.

`make test` loads each page once, as a phone, and lets axe judge it; `make test-rest` also looks where things are as
wide as a desk, and at every stage of the wait; `make test-all` loads and judges each page at every size.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from jobs import identity, lifecycle, magic_links, services
from jobs.models import Job
from tests import factories
from tests.pages.conftest import SHOTS, SIZES, has_photo
from tests.support.axe import violations
from tests.support.layout import misplaced
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

STAGES = ("preparing", "waiting_for_slot", "submitted", "warming_up", "rendering", "collecting")
FAILURES = ("no_face", "photo_refused", "no_provider")
REASON = {"reason_code": "moved_busy", "reason_subject": "WaveSpeed", "reason_target": "Replicate"}


class Visitor:
    """Somebody with films of every kind, and the addresses of all pages that there are for them."""

    def __init__(self) -> None:
        self.cookie, self.owner = identity.new_visitor()
        provider = factories.make_provider()
        self.film = factories.make_hero(provider, owner=self.owner, hero_name="NOVA-7")
        self.waiting = {"accepted": self.waits(stage="accepted")}
        for stage in STAGES:
            self.waiting[stage] = self.waits(status="processing", stage=stage, progress=0.42, **REASON)
        self.ended = {
            code: self.ends(lambda job, code=code: lifecycle.fail(job.id, code=code, now=now())) for code in FAILURES
        }
        self.ended["canceled"] = self.ends(lambda job: services.cancel_job(job.id, now=now()))
        self.erased = self.ends(lambda job: services.erase_job(job.id, now=now()))
        self.shared = services.share_job(
            factories.make_hero(provider, owner=self.owner, look="netrunner", hero_name="KAIRO BLADE").id, now=now()
        )
        busy = factories.make_provider(slug="wavespeed", title="WaveSpeed")
        type(busy).objects.filter(id=busy.id).update(rate_limited_until=now() + timezone.timedelta(minutes=3))
        Job.objects.filter(id=self.film.id).update(promised_p50=20, promised_p90=45)

    def waits(self, **values: Any) -> Job:
        job = factories.make_job(owner=self.owner, hero_name="NOVA-7")
        Job.objects.filter(id=job.id).update(lane="", **values)
        return factories.reload(job)

    def ends(self, end: Callable[[Job], Any]) -> Job:
        job = factories.make_job(owner=self.owner)
        end(job)
        return factories.reload(job)

    def pages(self, *, stages: Collection[str] = ("accepted", *STAGES)) -> Iterator[tuple[str, str]]:
        """Yield the name and the address of every page. The stages of the wait differ by their words alone."""
        yield from {
            "start": "/",
            "me": "/me/",
            "status": "/status",
            "privacy": "/privacy/",
            "verify": "/verify/",
        }.items()
        yield from {
            "404": "/nowhere/",
            "500": "/try/mistake",
            "503": "/try/no_database",
            "offline": "/offline/",
        }.items()
        yield from ((f"wait-{stage}", f"/jobs/{job.id}/") for stage, job in self.waiting.items() if stage in stages)
        yield from ((f"ended-{code}", f"/jobs/{job.id}/") for code, job in self.ended.items())
        yield "erased", f"/jobs/{self.erased.id}/"
        yield "reveal", f"/jobs/{self.film.id}/"
        for name in ("", "embed/", "report/"):
            yield f"share-{name.strip('/') or 'page'}", f"/v/{self.shared.share_slug}/{name}"
        yield "receipt", "/receipts/verify"
        yield "receipt-problem", "/receipts/verify?receipt=eyJ.nobody.signed"


def now() -> Any:
    return timezone.now()


@pytest.fixture
def visitor(looks: None, web: Any) -> Visitor:
    return Visitor()


@pytest.fixture
def enter(visit: Any, web: Any, visitor: Visitor) -> Callable[..., Any]:
    """Open an empty page as that visitor."""

    def open_page(size: str = "phone", **choices: Any) -> Any:
        page = visit("", size, **choices)
        page.context.add_cookies([{"name": settings.VISITOR_COOKIE_NAME, "value": visitor.cookie, "url": web.url}])
        return page

    return open_page


def shot(page: Any, *name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/page-{'-'.join(name)}.png")


def walk_states(page: Any, visitor: Visitor, web: Any, selfie: Path) -> Iterator[str]:
    """Bring the page into every state that no address leads to, and yield the name of each."""
    page.goto(web.url)
    page.click("[data-action]")
    yield "start-nothing-yet"
    page.set_input_files("#photo-file", selfie)
    has_photo(page)
    page.click("[data-action]")
    page.locator("[data-error=consent]").wait_for(state="visible")
    yield "start-photo"
    page.click("[data-photo-got] [data-camera]")
    page.locator("[data-shutter]").wait_for(state="visible")
    yield "start-camera"

    page.goto(f"{web.url}/jobs/{visitor.waiting['rendering'].id}/")
    for name in ("notify", "phone", "cancel"):
        page.click(f"[data-open={name}]")
        if name == "phone":
            wait_for(lambda: page.text_content("[data-here]"), "the link")
        yield f"wait-{name}"
        page.keyboard.press("Escape")
    page.click("[data-receipt-link]")
    wait_for(lambda: page.input_value("[data-receipt-text]"), "the receipt")
    yield "wait-receipt"
    page.keyboard.press("Escape")
    page.context.set_offline(True)
    page.locator("[data-offline]").wait_for()
    yield "wait-offline"
    page.context.set_offline(False)
    page.route("**/api/v1/jobs/*/", lambda route: route.fulfill(status=404, json={"code": "not_found"}))
    page.evaluate("dispatchEvent(new Event('online'))")
    page.locator("[data-open-film]").wait_for()
    yield "wait-gone"
    page.unroute_all()

    receipt = page.request.get(f"{web.url}/jobs/{visitor.film.id}/receipt.txt").text().split()[0]
    page.goto(f"{web.url}/receipts/verify?receipt={receipt}")
    page.locator("[data-verdict]").wait_for()
    yield "receipt-verdict"

    page.goto(f"{web.url}/jobs/{visitor.film.id}/")
    page.locator("[data-lift]").click()
    page.locator(".reveal.is-settled").wait_for()
    yield "reveal-open"
    page.locator("[data-compare]").click()
    yield "reveal-compare"
    page.evaluate("navigator.canShare = undefined")
    page.locator("[data-share]").click()
    page.locator("#link[open]").wait_for()
    yield "reveal-link"
    page.keyboard.press("Escape")
    page.locator("[data-after] [data-open=erase]").click()
    yield "reveal-erase"
    page.keyboard.press("Escape")
    yield "reveal-after"

    page.goto(f"{web.url}/v/{visitor.shared.share_slug}/report/")
    page.locator("main form").evaluate("form => { form.noValidate = true; form.requestSubmit(); }")
    page.locator("#report-problem:not([hidden])").wait_for()
    yield "report-problem"
    page.check("[name=reason][value=other]")
    page.click("main form [type=submit]")
    page.locator("main form").wait_for(state="detached")
    yield "report-sent"
    staff = Client()
    staff.force_login(get_user_model().objects.create_user("grip", is_staff=True))
    session = {"name": settings.SESSION_COOKIE_NAME, "value": staff.session.session_key, "url": web.url}
    page.context.add_cookies([session])
    page.goto(f"{web.url}/styleguide/")
    yield "styleguide"
    page.context.clear_cookies()
    page.goto(f"{web.url}/me/")
    yield "me-empty"
    page.goto(web.url + magic_links.url_for(visitor.waiting["rendering"], now=now()))
    assert page.url == f"{web.url}/jobs/{visitor.waiting['rendering'].id}/"
    yield "handover"


@pytest.mark.parametrize(
    ("size", "wider"),
    [
        pytest.param("phone", False, id="phone"),
        pytest.param("phone", True, id="phone and desk"),
        *(pytest.param(size, False, id=size, marks=pytest.mark.thorough) for size in SIZES if size != "phone"),
    ],
)
def test_axe_finds_nothing_and_nothing_sticks_out_on_any_page(
    size: str, wider: bool, enter: Any, visitor: Visitor, web: Any, selfie: Path
) -> None:
    page, found = enter(size), {}

    def look(name: str) -> None:
        found[name] = violations(page) + misplaced(page)
        shot(page, name, size)

    def look_as_wide_as(other: str, name: str) -> None:
        for chosen in (other, size):
            width, height = SIZES[chosen]
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
            if chosen == other:
                found[f"{name} as wide as a {other}"] = misplaced(page)
                shot(page, name, other)

    stages = {} if wider else {"stages": ("rendering",)}
    for name, path in visitor.pages(**stages):
        page.goto(web.url + path)
        look(name)
        if wider:
            look_as_wide_as("desk", name)
    for name in walk_states(page, visitor, web, selfie):
        look(name)
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("language", ["es", pytest.param("ja", marks=pytest.mark.thorough)])
def test_nothing_sticks_out_of_a_phone_in_other_languages(
    language: str, enter: Any, visitor: Visitor, web: Any, selfie: Path
) -> None:
    Job.objects.update(locale=language)
    page, found = enter(locale=language), {}
    for name, path in visitor.pages(stages=("rendering",)):
        page.goto(web.url + path)
        assert page.get_attribute("html", "lang") == language, name
        found[name] = misplaced(page)
        shot(page, name, language)
    for name in walk_states(page, visitor, web, selfie):
        found[name] = misplaced(page)
        shot(page, name, language)
    assert {name: problems for name, problems in found.items() if problems} == {}
