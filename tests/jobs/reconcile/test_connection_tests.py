"""A provider from its form in the admin to its first film: the connection test, the switch, the probation.

The simulator plays the vendor, over HTTP; its webhooks are delivered to the product's own view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from jobs.lanes import ingest, polling
from jobs.models import Attempt, AuditEntry
from jobs.queue import claims
from jobs.reconcile import connection_tests
from jobs.routing import hosts, selection
from providers.models import ProviderConfig
from providers.simulator import signing
from tests import factories
from tests.support.processes import wait_for
from tests.support.simulator import Listener, RunningSimulator, running_simulator

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LIST = "/admin/providers/providerconfig/"
QUICK = {"providers": {name: {"times": {"duration": 0}} for name in ("wavespeed", "replicate", "fal")}}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(QUICK) as running:
        yield running


@pytest.fixture
def vendor(simulator: RunningSimulator) -> RunningSimulator:
    simulator.control("PUT", "scenario", QUICK)
    simulator.reset(seed=1)
    factories.make_look()
    return simulator


@pytest.fixture
def hooks(settings: Any) -> Iterator[Listener]:
    with Listener() as listener:
        settings.CALLBACK_URL = listener.url
        yield listener


@pytest.fixture
def reconcile() -> Iterator[Callable[[], None]]:
    with ThreadPoolExecutor(2) as threads:
        yield lambda: connection_tests.advance(threads, now=timezone.now())


@pytest.fixture
def poll() -> Iterator[Callable[[], None]]:
    with ThreadPoolExecutor(2) as threads:

        def run() -> None:
            Attempt.objects.update(poll_at=timezone.now())
            polling.poll_silent(threads, now=timezone.now())

        yield run


def secret_of(vendor: RunningSimulator) -> str:
    return signing.verifying_secret("wavespeed", vendor.control("GET", "wavespeed/secret")["secret"])


def add(client: Client, vendor: RunningSimulator, **changes: Any) -> ProviderConfig:
    """Fill in the form for a new provider as staff would."""
    form = client.get(f"{LIST}add/").context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data |= {
        "title": "WaveSpeed",
        "slug": "wavespeed",
        "adapter": "wavespeed",
        "base_url": f"{vendor.url}/wavespeed/api/v3",
        "model": "wavespeed-ai/wan-2.2/i2v-720p",
        "photo_transport": "upload",
        "result_hosts": "127.0.0.1",
        "new_api_key": "simulator",
        "new_webhook_secret": secret_of(vendor),
        "price": "0.30",
    }
    data = {name: value for name, value in (data | changes).items() if value not in (None, False)}
    response = client.post(f"{LIST}add/", data)
    assert response.status_code == 302, response.context["errors"]
    return ProviderConfig.objects.get()


def page(row: ProviderConfig) -> str:
    return f"{LIST}{row.pk}/change/"


def press(client: Client, row: ProviderConfig) -> None:
    assert client.post(f"{LIST}{row.pk}/test/").status_code == 302


def enable(client: Client, row: ProviderConfig) -> str:
    answer = client.post(LIST, {"action": "enable", "_selected_action": [row.pk]}, follow=True)
    return answer.content.decode()


def deliver(hooks: Listener, row: ProviderConfig) -> None:
    """Bring the vendor's webhooks to the product, and apply them."""
    last = wait_for(lambda: [one for one in hooks.received if b"completed" in one.body], "the vendor's webhook")
    for one in last:
        Client().post(one.path, one.body, content_type="application/json", headers=one.headers)
    ingest.apply_deliveries()


def test_from_the_form_to_the_first_film(
    admin_client: Client,
    vendor: RunningSimulator,
    hooks: Listener,
    reconcile: Callable[[], None],
    work: Callable[..., None],
) -> None:
    row = add(admin_client, vendor)
    assert not row.enabled
    assert "Test the connection first: WaveSpeed" in enable(admin_client, row)
    row.refresh_from_db()
    assert not row.enabled
    assert "Not tested yet" in admin_client.get(page(row)).content.decode()

    press(admin_client, row)
    assert "Running, asked for" in admin_client.get(page(row)).content.decode()
    reconcile()
    assert len(vendor.entries("wavespeed", kind="submit") or vendor.entries("wavespeed")) > 0
    deliver(hooks, row)
    reconcile()
    text = admin_client.get(page(row)).content.decode()
    assert "told of the film by a signed webhook" in text
    assert "Enabled: WaveSpeed" in enable(admin_client, row)
    assert list(AuditEntry.objects.filter(subject="wavespeed").order_by("id").values_list("action", flat=True))[
        -2:
    ] == [*("provider_tested", "provider_enabled")]

    # On probation: one film at a time, however much room its limits say.
    row.refresh_from_db()
    ProviderConfig.objects.update(max_concurrent=20, max_per_minute=600)
    for _ in range(3):
        factories.make_waiting_job()
    assert [capacity.room for capacity in selection.survey(now=timezone.now())] == [1]
    (attempt,) = claims.claim_slots(row.id, want=3)
    assert claims.claim_slots(row.id, want=3) == []
    assert "on probation" not in admin_client.get(LIST).content.decode()  # full says more
    Attempt.objects.filter(id=attempt.id).update(status="succeeded", slot_held=False)
    reconcile()
    assert claims.claim_slots(row.id, want=1) != []  # its film is not delivered yet, so still one
    Attempt.objects.filter(status="submitting").update(status="failed", slot_held=False)
    type(attempt.job).objects.filter(id=attempt.job_id).update(
        status="succeeded", lane="", finished_at=timezone.now(), video_key="x"
    )
    reconcile()
    row.refresh_from_db()
    assert row.proven_at is not None
    assert selection.survey(now=timezone.now())[0].room > 1


def test_a_refused_key_is_said_in_the_vendor_s_words(
    admin_client: Client, vendor: RunningSimulator, hooks: Listener, reconcile: Callable[[], None]
) -> None:
    row = add(admin_client, vendor, new_api_key="another")
    vendor.next("wavespeed", "submit", "account")
    press(admin_client, row)
    reconcile()
    reconcile()
    row.refresh_from_db()
    assert row.test_result.startswith("Failed: ")
    assert (row.tested_at, row.test_asked_at) == (None, None)
    assert "Test the connection first" in enable(admin_client, row)


def test_a_wrong_secret_is_found_although_the_film_came(
    admin_client: Client,
    vendor: RunningSimulator,
    hooks: Listener,
    reconcile: Callable[[], None],
    poll: Callable[[], None],
) -> None:
    row = add(admin_client, vendor, new_webhook_secret="whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0")
    press(admin_client, row)
    reconcile()
    deliver(hooks, row)
    poll()
    reconcile()
    row.refresh_from_db()
    assert "signature does not fit the webhook secret" in row.test_result
    assert row.tested_at is None


def test_no_webhook_at_all_is_found(
    admin_client: Client,
    vendor: RunningSimulator,
    hooks: Listener,
    reconcile: Callable[[], None],
    poll: Callable[[], None],
) -> None:
    row = add(admin_client, vendor)
    press(admin_client, row)
    reconcile()
    wait_for(lambda: hooks.received, "the vendor's webhook")
    poll()
    reconcile()
    assert ProviderConfig.objects.get().test_asked_at is not None  # it may still be on its way
    Attempt.objects.update(finished_at=timezone.now() - timedelta(minutes=1))
    reconcile()
    assert f"no webhook came to {settings.CALLBACK_URL}" in ProviderConfig.objects.get().test_result


def test_films_from_a_host_that_is_not_allowed_are_found(
    admin_client: Client, vendor: RunningSimulator, hooks: Listener, reconcile: Callable[[], None]
) -> None:
    row = add(admin_client, vendor, result_hosts="films.example.com")
    press(admin_client, row)
    reconcile()
    deliver(hooks, row)
    reconcile()
    assert "on a host that is not allowed" in ProviderConfig.objects.get().test_result


def test_a_test_is_for_the_settings_that_it_was_made_with(admin_client: Client, vendor: RunningSimulator) -> None:
    row = add(admin_client, vendor)
    ProviderConfig.objects.update(tested_at=timezone.now(), proven_at=timezone.now())
    form = admin_client.get(page(row)).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    model = {"model": "wavespeed-ai/wan-2.2/i2v-480p"}
    refused = admin_client.post(page(row), data | model | {"enabled": "on"})
    assert "test the connection, then enable it" in str(refused.context["errors"])
    assert admin_client.post(page(row), data | model).status_code == 302
    row.refresh_from_db()
    assert (row.tested_at, row.proven_at is not None) == (None, True)
    # Another address is another provider.
    ProviderConfig.objects.update(tested_at=timezone.now(), enabled=True)
    data |= model | {"enabled": "on", "base_url": f"{vendor.url}/other", "new_api_key": "simulator"}
    assert admin_client.post(page(row), data).status_code == 302
    row.refresh_from_db()
    assert (row.enabled, row.tested_at, row.proven_at) == (False, None, None)


def test_what_the_product_runs_itself_needs_no_test_and_can_be_tested(
    admin_client: Client, stub: Any, reconcile: Callable[[], None], work: Callable[..., None]
) -> None:
    factories.make_look()
    row = factories.make_provider(stub.url, enabled=False, is_managed=True, tested_at=None, proven_at=None)
    assert not row.is_on_probation
    assert "Enabled: " in enable(admin_client, row)
    press(admin_client, row)
    reconcile()
    attempt = Attempt.objects.get(job=None)
    assert attempt.token == ProviderConfig.objects.get().test_token
    assert attempt.status in (Attempt.Status.SUBMITTED, Attempt.Status.RUNNING)


def test_viewers_may_not_test(client: Client, vendor: RunningSimulator) -> None:
    from tests.support.admin_pages import staff

    row = factories.make_provider()
    assert staff("view").post(f"{LIST}{row.pk}/test/").status_code == 403
    assert staff("change").get(f"{LIST}{row.pk}/test/").status_code == 405
    assert client.post(f"{LIST}{row.pk}/test/").status_code == 302
    row.refresh_from_db()
    assert row.test_asked_at is None


def test_an_address_of_this_machine_belongs_to_this_host(admin_client: Client, vendor: RunningSimulator) -> None:
    assert add(admin_client, vendor).host == hosts.this_host()
