"""The staff's rooms in a browser, on a desk and a phone: the first page keeps itself fresh, a job tells its story."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from jobs import rollups
from jobs.models import Heartbeat, JobEvent, JobMinute
from tests import factories
from tests.pages.conftest import SHOTS
from tests.support.axe import violations
from tests.support.evening import make_evening
from tests.support.layout import misplaced
from tests.support.processes import wait_for
from tests.support.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SIZES = {"desk": (1440, 900), "phone": (390, 844)}


def log_in(context: Any, web: Served) -> None:
    """Give a browser the session of an owner."""
    client = Client()
    client.force_login(User.objects.create_superuser("mara"), backend="django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": web.url}])


def beat() -> None:
    for name in ("worker-prepare", "worker-dispatch", "worker-collect", "reconcile", "web"):
        Heartbeat.objects.update_or_create(
            name=name, host="hero-1-8f2c00", defaults={"seen_at": timezone.now() + timedelta(minutes=2)}
        )


def looks_right(page: Any, name: str, first: str) -> None:
    """Nothing sticks out of a desk's screen nor of a phone's; leave the page at the first of them."""
    for size in sorted(SIZES, key=lambda one: one == first):
        width, height = SIZES[size]
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        # Staff's controls are as high as a mouse needs on a desk; on a phone they are 40 px or more.
        out = [line for line in misplaced(page) if not line.startswith("small:")]
        assert out == [], "\n".join([size, *out])
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/staff-{name}-{width}.png")


# `make test` loads each page on a desk, `make test-all` on a phone as well.
@pytest.mark.parametrize("size", ["desk", pytest.param("phone", marks=pytest.mark.thorough)])
def test_the_first_page_keeps_itself_fresh_and_a_job_tells_its_story(
    visit: Callable[..., Any], browser: Any, web: Served, size: str
) -> None:
    provider = factories.make_provider(slug="wavespeed", title="WaveSpeed", adapter="wavespeed", max_concurrent=2)
    now = timezone.now()
    make_evening([provider], now=now, minutes=20, jobs=120)
    rollups.Writer().write_due(now=now)
    beat()
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    log_in(context, web)

    page = visit("/admin/", size, same=context)
    page.set_viewport_size({"width": width, "height": height})
    assert page.locator("h1").inner_text()
    page.locator(".chart canvas").wait_for()
    looks_right(page, "now", size)
    assert violations(page) == []
    newest = JobMinute.objects.order_by("-minute")[:1].values("pk")
    JobMinute.objects.filter(pk__in=newest).update(waiting=4321, written_at=timezone.now())
    wait_for(lambda: page.inner_text('[data-f="figure.waiting"]') == "4,321", "the page to hear of it", seconds=40)
    assert page.locator('.figures [data-key="figure.waiting.age"]').inner_text().endswith(" s")
    # Two next steps beside each other, with long names.
    other = factories.make_provider(
        slug="replicate", title="Replicate (the second account)", adapter="replicate", max_concurrent=1
    )
    factories.make_submitted_attempt(other)
    type(provider).objects.filter(pk=provider.pk).update(rate_limited_until=timezone.now() + timedelta(hours=1))
    page.reload()
    assert page.locator(".moves li").count() == 2
    looks_right(page, "now-two-steps", size)

    job = factories.make_finished_job(hero_name="OPS-59")
    job.events.filter(kind="dispatching").update(at=job.created_at + timedelta(minutes=8))
    JobEvent.objects.filter(job=job, kind__in=["submitted", "rendered", "succeeded"]).update(
        at=job.created_at + timedelta(minutes=9)
    )
    type(job).objects.filter(pk=job.pk).update(finished_at=job.created_at + timedelta(seconds=552))
    job.attempts.update(
        claimed_at=job.created_at + timedelta(minutes=8), finished_at=job.created_at + timedelta(seconds=549)
    )
    page.goto(f"{web.url}/admin/jobs/job/{job.pk}/change/")
    assert "waiting for a slot" in page.locator("h1").inner_text()
    looks_right(page, "job", size)
    assert violations(page) == []
    at = page.locator("tr.is-at th")
    assert at.inner_text() == "succeeded"
    page.focus("#when")
    page.keyboard.press("Home")
    assert at.inner_text() == "accepted"
    page.get_by_role("button", name="True scale").click()
    assert page.locator(".gap").count() == 0
    page.fill("#note", "Told her why.")
    page.get_by_role("button", name="Add note").click()
    page.get_by_text("Told her why.").wait_for()
