"""The wait: what the page says of a job, and how it goes on hearing of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Job
from tests import factories
from tests.pages.conftest import goes_by, has_photo, percent, reads
from tests.support.axe import violations
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROLLING = {"status": "processing", "stage": "rendering"}


@pytest.fixture
def waiting(visit, selfie):
    """Order a film; return its page and its job. There is a film studio, and it does nothing."""
    factories.make_provider()

    def order(size: str = "phone", prepare: Any = None, **choices: Any) -> tuple[Any, Job]:
        page = visit("/", size, **choices)
        if prepare:
            prepare(page)
        page.set_input_files("#photo-file", selfie)
        has_photo(page)
        page.fill("#hero-name", "NOVA-7")
        page.check("#consent")
        page.click("[data-action]")
        page.wait_for_url("**/jobs/*/")
        return page, Job.objects.get(id=UUID(page.url.rstrip("/").split("/")[-1]))

    return order


def test_the_page_says_what_happens_and_never_goes_back(waiting, show):
    page, job = waiting("desk")
    goes_by(page, "socket")
    assert page.get_attribute("[data-wait]", "data-picture") == "own"
    icon = page.get_attribute("link[rel=icon]", "href")
    live = page.locator("[aria-live=polite]")
    show(job, **ROLLING, progress=0.42)
    reads(page, job.seq)
    assert live.locator("h1").text_content() == "Rolling"
    assert page.title() == "42 % – Rolling – Selfie Hero"
    changed = page.get_attribute("link[rel=icon]", "href")
    assert changed != icon
    assert changed.startswith("data:image/png")
    show(
        job,
        stage="rendering",
        progress=0.3,
        reason_code="moved_busy",
        reason_subject="WaveSpeed",
        reason_target="Replicate",
    )
    reads(page, job.seq)
    assert percent(page) == "42"
    assert page.text_content("[data-reason]").strip() == "WaveSpeed is busy, your hero moves to Replicate."
    assert page.get_attribute("[data-reason]", "role") == "status"
    assert page.locator("[aria-live] [data-range]").count() == 0, "numbers are read aloud"
    page.reload()
    page.locator("[data-wait][data-picture=own]").wait_for(state="attached")  # the picture survives a reload


def test_a_page_asks_as_often_as_the_server_wants(waiting):
    asked = []

    def answer_slowly(route: Any) -> None:
        if route.request.method != "GET":
            route.continue_()
            return
        asked.append(route.request.url)
        answer = route.fetch()
        route.fulfill(response=answer, headers=answer.headers | {"retry-after": "600"})

    def poll_only(page: Any) -> None:
        page.add_init_script("delete window.WebSocket; delete window.EventSource")
        page.evaluate("delete window.WebSocket; delete window.EventSource")
        page.route("**/api/v1/jobs/*/", answer_slowly)

    page, _job = waiting(prepare=poll_only)
    goes_by(page, "polling")
    page.wait_for_timeout(3000)
    assert len(asked) == 1


def test_the_film_goes_on_on_a_phone(waiting, show, visit, browser):
    page, job = waiting("desk")
    page.click("[data-open=phone]")
    code = page.locator("[data-qr]")
    wait_for(lambda: code.evaluate("image => image.complete && image.naturalWidth"), "the code")
    wait_for(lambda: page.text_content("[data-here]"), "the link")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.click("[data-copy]")
    wait_for(lambda: page.evaluate("navigator.clipboard.readText()"), "the copy")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.endswith(page.text_content("[data-here]"))
    phone = visit("", "phone")
    phone.goto(link)
    assert phone.url == page.url
    goes_by(phone, "socket")
    show(job, **ROLLING, progress=0.5)
    reads(phone, job.seq)
    assert phone.get_attribute("[data-wait]", "data-picture") == "placeholder"


def test_a_film_that_is_gone_is_said_with_a_next_step(waiting):
    page, _job = waiting()
    page.route("**/api/v1/jobs/*/", lambda route: route.fulfill(status=404, body=json.dumps({"code": "not_found"})))
    page.evaluate("dispatchEvent(new Event('online'))")
    page.locator("[data-open-film]").wait_for()
    assert page.text_content("[data-stage]") == "This film is not here any more"
    assert page.text_content("[data-open-film]") == "Make my film"
    assert page.is_hidden("[data-tools]")


@pytest.mark.parametrize(
    ("code", "words"),
    [("no_face", "Try another photo"), pytest.param("no_provider", "Try again", marks=pytest.mark.thorough)],
)
def test_a_failure_arrives_by_itself_with_its_reason_and_a_next_step(code, words, waiting, show):
    page, job = waiting()
    lifecycle.fail(job.id, code=code, now=timezone.now())
    job.refresh_from_db()
    show(job)
    page.locator(f"[data-ended][data-code={code}]").wait_for()
    assert words in page.text_content("[data-again]")
    assert violations(page) == []


def test_the_clock_counts_from_the_order(waiting, show):
    page, job = waiting()
    Job.objects.filter(id=job.id).update(created_at=timezone.now() - timedelta(seconds=125))
    page.reload()
    wait_for(lambda: page.text_content("[data-clock]").startswith("02:"), "two minutes")
