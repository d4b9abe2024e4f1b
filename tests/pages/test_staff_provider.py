"""A provider from an empty form to its first film, and a webhook applied again, in a browser as owners do it.

The simulator plays the vendor; its webhooks arrive at the web process that serves the pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.utils import timezone

from jobs.lanes import ingest
from jobs.models import Lane, WebhookDelivery
from jobs.reconcile import connection_tests
from jobs.routing import hosts
from providers.models import ProviderConfig
from providers.simulator import signing
from tests import factories
from tests.pages.test_staff import log_in, looks_right
from tests.support.axe import violations
from tests.support.processes import wait_for
from tests.support.served import Served
from tests.support.simulator import RunningSimulator, running_simulator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
QUICK = {"providers": {"wavespeed": {"times": {"duration": 0}}}}


@pytest.fixture(scope="module")
def vendor() -> Iterator[RunningSimulator]:
    with running_simulator(QUICK) as running:
        yield running


@pytest.fixture
def reconcile(settings: Any, web: Served) -> Iterator[Callable[[], None]]:
    settings.CALLBACK_URL = web.url
    with ThreadPoolExecutor(2) as threads:
        yield lambda: connection_tests.advance(threads, now=timezone.now())


def applied(count: int) -> None:
    """Wait for so many deliveries of finished films, and apply what came."""
    wait_for(lambda: WebhookDelivery.objects.filter(event_id__contains="completed").count() >= count, "a webhook")
    ingest.apply_deliveries()


def test_a_provider_from_an_empty_form_to_its_first_film(
    visit: Callable[..., Any],
    browser: Any,
    web: Served,
    vendor: RunningSimulator,
    reconcile: Callable[[], None],
    work: Callable[..., None],
) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    log_in(context, web)
    page = visit("/admin/providers/providerconfig/", "desk", same=context)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.set_default_timeout(15_000)
    page.get_by_role("link", name="Add provider").first.click()
    looks_right(page, "provider-add", "desk")
    assert violations(page) == []
    page.fill("#id_title", "WaveSpeed")
    page.select_option("#id_adapter", "wavespeed")
    page.select_option("#id_photo_transport", "upload")
    page.fill("#id_base_url", f"{vendor.url}/wavespeed/api/v3")
    page.fill("#id_model", "wavespeed-ai/wan-2.2/i2v-720p")
    page.fill("#id_result_hosts", "127.0.0.1")
    page.fill("#id_new_api_key", "simulator")
    secret = signing.verifying_secret("wavespeed", vendor.control("GET", "wavespeed/secret")["secret"])
    page.fill("#id_new_webhook_secret", secret)
    page.fill("#id_price", "0.30")
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_text("Not tested yet").wait_for()
    assert not ProviderConfig.objects.get().enabled
    # A vendor at this machine's own address is reached from the host of the web process, which has another folder.
    ProviderConfig.objects.update(host=hosts.this_host())

    page.get_by_role("button", name="Test the connection").click()
    page.get_by_text("Running, asked for").wait_for()
    reconcile()
    applied(1)
    reconcile()
    page.reload()
    page.get_by_text("told of the film by a signed webhook").wait_for()
    looks_right(page, "provider-tested", "desk")
    assert violations(page) == []

    page.goto(f"{web.url}/admin/providers/providerconfig/")
    page.set_viewport_size({"width": 390, "height": 844})
    go = page.get_by_role("button", name="Go").bounding_box()
    assert go["x"] + go["width"] <= 390, "on a phone the button is on the screen"
    page.set_viewport_size({"width": 1440, "height": 900})
    page.check("input.action-select")
    page.select_option("select[name=action]", "enable")
    page.get_by_role("button", name="Go").click()
    page.get_by_text("Enabled: WaveSpeed.").wait_for()
    job = factories.make_waiting_job(hero_name="FIRST")
    work(Lane.DISPATCH)
    applied(2)
    work(Lane.COLLECT)
    job.refresh_from_db()
    assert job.status == "succeeded", job.failure_code
    reconcile()
    assert ProviderConfig.objects.get().proven_at is not None
    page.goto(f"{web.url}/admin/jobs/job/{job.pk}/change/")
    page.get_by_role("link", name="Watch the film").wait_for()

    # The webhook that told of it, applied again: nothing changes.
    delivery = WebhookDelivery.objects.get(attempt__job=job, event_id__contains="completed")
    page.goto(f"{web.url}/admin/jobs/webhookdelivery/{delivery.pk}/change/")
    assert page.locator("h1").inner_text().startswith("WaveSpeed says that the film is ready of job")
    looks_right(page, "delivery", "desk")
    assert violations(page) == []
    page.get_by_role("button", name="Apply again").click()
    page.get_by_text("1 delivery will be applied again within seconds.").wait_for()
    ingest.apply_deliveries()
    page.reload()
    page.get_by_text("applied 20", exact=False).wait_for()
    job.refresh_from_db()
    assert (job.status, job.attempts.count()) == ("succeeded", 1)
    assert job.video_key in str(list((django_settings.MEDIA_ROOT / job.video_key).parent.iterdir()))
