"""Alerts, bulk, readiness and versions of looks in a browser, on a desk and a phone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs import bulk, lifecycle, storage
from jobs.looks import versions
from jobs.models import Alert, AlertMessage, BulkOperation, Job, Look
from tests import factories
from tests.pages.test_staff import SIZES, log_in, looks_right
from tests.support.axe import violations
from tests.support.processes import wait_for
from tests.support.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def an_evening() -> list[Job]:
    """Write what an evening leaves: failed jobs, two open alerts, one that is over, an operation that was stopped."""
    now = timezone.now()
    provider = factories.make_provider(slug="replicate", title="Replicate", adapter="replicate", price="0.24")
    type(provider).objects.filter(pk=provider.pk).update(daily_budget=900)
    jobs = [factories.make_waiting_job(hero_name=name) for name in ("GHOSTLINE", "OXIDE", "MOTH", "QUIET TANK")]
    for job in jobs:
        lifecycle.fail(job.pk, code="deadline", now=now)
    minute = timedelta(minutes=1)
    for rule, subject, level, words, began, ended in (
        ("breaker_open", "fal", "bad", "fal gets no films: its films fail, 9 of 10.", 41, None),
        ("backlog_old", "", "warn", "The first in line waits 12 min 11 s, promised were 75 s; 1,240 wait.", 26, None),
        ("heartbeat_lost", "worker-collect", "bad", "Nobody does the work of worker-collect.", 61, 60),
    ):
        seen = now - (ended or 0) * minute
        alert = Alert.objects.create(
            rule=rule,
            subject=subject,
            level=level,
            words=words,
            began_at=now - began * minute,
            seen_at=seen,
            told_at=now - began * minute,
            ended_at=seen if ended else None,
        )
        AlertMessage.objects.create(
            kind="began",
            channel="webhook",
            about=str(alert.pk),
            subject=str(alert),
            body=words,
            created_at=alert.began_at,
            due_at=alert.began_at,
            sent_at=alert.began_at,
        )
    BulkOperation.objects.create(
        form_token="mara",
        action="retry_jobs",
        status="stopped",
        words="status failed, provider fal",
        creator_name="mara",
        created_at=now - 40 * minute,
        ended_at=now - 38 * minute,
        due_at=now,
        paced_from=now,
        rate=20,
        line_limit=2000,
        total=59,
        done=41,
        left=18,
    )
    return jobs


# `make test` acts on a desk, `make test-all` on a phone as well; what it looks like is seen on both.
@pytest.mark.parametrize("size", ["desk", pytest.param("phone", marks=pytest.mark.thorough)])
def test_an_alert_is_taken_and_failed_jobs_are_tried_again_in_bulk(
    visit: Callable[..., Any], browser: Any, web: Served, size: str
) -> None:
    jobs = an_evening()
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    log_in(context, web)
    page = visit("/admin/jobs/alert/", size, same=context)
    page.set_viewport_size({"width": width, "height": height})
    assert page.locator("h1").inner_text() == "2 alerts are open, and nobody has them yet."
    looks_right(page, "alerts", size)
    assert violations(page) == []
    page.set_default_timeout(15_000)
    page.locator("tr", has_text="Breaker open: fal").get_by_role("button").click()
    page.get_by_text("It is yours.").wait_for()
    assert page.locator("h1").inner_text() == "2 alerts are open; 1 is nobody's yet."

    page.goto(f"{web.url}/admin/jobs/job/?status__exact=failed")
    page.get_by_role("link", name="Try again…").click()
    assert page.locator("h1").inner_text() == "Try again: status failed"
    looks_right(page, "bulk-preview", size)
    assert violations(page) == []
    page.fill("#rate", "60")
    assert page.inner_text('[data-b="line"]').startswith("grows by")
    page.get_by_role("button", name="Try again: 4 jobs").click()
    assert page.locator("h1").inner_text().startswith("Trying again 4 jobs: 0 looked at")
    # By the operation's own clock: whatever passed here since it was started would be made up for.
    started = BulkOperation.objects.get(status="running").due_at
    for second in range(2):
        bulk.work_due(now=started + timedelta(seconds=second))
    wait_for(lambda: page.inner_text('[data-b="done"]') == "2", "the page to hear of it", seconds=20)
    looks_right(page, "bulk-run", size)
    assert violations(page) == []
    page.get_by_role("button", name="Pause").click()
    assert page.locator("h1").inner_text() == "Paused at 2 of 4. Trying again goes no further."
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Pause").wait_for()
    for second in range(4):
        bulk.work_due(now=timezone.now() + timedelta(seconds=second))
    page.get_by_text("Done in", exact=False).first.wait_for()
    assert Job.objects.filter(retry_of__in=[job.pk for job in jobs]).count() == 4
    looks_right(page, "bulk-done", size)
    page.goto(f"{web.url}/admin/jobs/bulkoperation/")
    looks_right(page, "bulk-list", size)
    assert violations(page) == []


def test_readiness_is_measured_from_its_page(visit: Callable[..., Any], browser: Any, web: Served) -> None:
    factories.make_provider(slug="replicate", title="Replicate", adapter="replicate")
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    log_in(context, web)
    page = visit("/admin/readiness/", "desk", same=context)
    page.set_viewport_size({"width": 1440, "height": 900})
    assert page.locator("h1").inner_text() == "Nobody has measured yet whether this would stand the evening."
    page.set_default_timeout(60_000)
    page.fill("#rate", "20")
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("A report is being measured").wait_for()
    page.get_by_text("measured ", exact=False).get_by_text("for mara").wait_for()
    assert page.locator("h1").inner_text().endswith("stand between us and 20 films a minute.")
    found = page.locator(".checks li").all_text_contents()
    assert any("Webhook reachability" in text and "arrives unchanged" in text for text in found), found
    assert any("Sockets" in text and "Pages get their socket" in text for text in found), found
    assert any("Idle socket" in text and "stays open" in text for text in found), found
    looks_right(page, "readiness", "phone")
    assert violations(page) == []


def test_a_version_of_a_look_is_written_tried_and_activated(
    visit: Callable[..., Any], browser: Any, web: Served, film: bytes
) -> None:
    factories.make_provider(slug="replicate", title="Replicate", adapter="replicate", price="0.24")
    look = Look.objects.get(slug="neon-noir")
    versions.write_first(look, now=timezone.now())
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    log_in(context, web)
    page = visit(f"/admin/jobs/look/{look.pk}/change/", "desk", same=context)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.set_default_timeout(15_000)
    page.get_by_role("link", name="Versions and sample films").click()
    assert page.locator("h1").inner_text() == "People get version 1 of Neon noir, the newest."
    page.get_by_role("link", name="Write a new version").click()
    looks_right(page, "version-add", "desk")
    assert violations(page) == []
    page.fill("#id_prompt", page.input_value("#id_prompt") + " Heavier rain, and one warm window behind.")
    page.fill("#id_note", "Less blue, more rain.")
    page.get_by_role("button", name="Save as a new version").click()
    assert page.locator("h1").inner_text().endswith("version 2 waits for your judgement.")
    newest = page.locator("section.version").first
    assert newest.get_by_role("button", name="Activate version 2").is_disabled()
    newest.get_by_role("button", name="Make a sample film").click()
    newest.get_by_text("Being made by Replicate").wait_for()

    # What reconcile does then is `tests/jobs/admin/test_look_versions.py`'s subject.
    look.versions.filter(number=2).update(
        sample_asked_at=None,
        sample_made_at=timezone.now(),
        sample_result="Made by Replicate in 41 s.",
        video_key=storage.save(storage.new_key("sample", "mp4"), film),
        poster_key=storage.save(storage.new_key("sample", "jpg"), factories.tiny_photo(2)),
    )
    newest.get_by_text("Made by Replicate in 41 s.").wait_for()  # the page looks by itself
    looks_right(page, "versions", "desk")
    assert violations(page) == []
    newest.get_by_role("button", name="Activate version 2").click()
    page.get_by_text("People get version 2 from now on.").wait_for()
    assert Look.objects.get(pk=look.pk).prompt.endswith("one warm window behind.")
