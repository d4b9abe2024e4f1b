"""Every page of the admin answers at any size: few queries, and none that reads a big table from end to end."""

from __future__ import annotations

import os
import time
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client

from jobs.models import Job
from providers.models import ProviderConfig
from tests import factories
from tests.support import big_tables

pytestmark = [pytest.mark.slow, pytest.mark.database]

JOBS = int(os.environ.get("BIG_TABLE_JOBS", "20000"))
MOST_QUERIES = 15
MOST_COUNTED = 1000
LIST, DELIVERIES = "/admin/jobs/job/", "/admin/jobs/webhookdelivery/"
NOTIFICATIONS, SUBSCRIPTIONS = "/admin/notifications/notification/", "/admin/notifications/pushsubscription/"
ONE = 1234


@pytest.fixture
def big(db: None, monkeypatch: pytest.MonkeyPatch) -> Job:
    # As much smaller than the product's as these tables are.
    monkeypatch.setattr("jobs.admin.big_tables.MOST_COUNTED", MOST_COUNTED)
    started = time.perf_counter()
    job = big_tables.make(JOBS)
    print(f"{JOBS} jobs in {time.perf_counter() - started:.1f} s on {connection.vendor}")
    return job


def pages() -> list[str]:
    hexes = big_tables.job_id(ONE)
    yield_ = [LIST, f"{LIST}?p=3", f"{LIST}?p=20", f"{LIST}?o=2", f"{LIST}?o=-6", f"{LIST}?o=5.3"]
    yield_ += [f"{LIST}?status__exact={status}" for status in Job.Status.values]
    yield_ += [f"{LIST}?status__exact=succeeded&p=20", f"{LIST}?status__exact=canceled&p=2"]
    yield_ += [f"{LIST}?stage={stage}" for stage in ("accepted", "rendering", "collecting")]
    yield_ += [f"{LIST}?look__id__exact=LOOK", f"{LIST}?provider=common", f"{LIST}?provider=rare"]
    yield_ += [f"{LIST}?provider=nobody", f"{LIST}?failure=providers_failed", f"{LIST}?failure=no_face"]
    yield_ += [f"{LIST}?created_at__gte=2020-01-01+00:00:00%2B00:00&created_at__lt=2030-01-01+00:00:00%2B00:00"]
    yield_ += [
        f"{LIST}?created_at__lte=2026-01-01T00:00:00%2B00:00",
        f"{LIST}?_facets=True",
    ]
    yield_ += [
        f"{LIST}?q={term}"
        for term in (
            *(hexes, hexes[:8], "boss", "person1200@mail.example", "nobody@mail.example", "hero-17"),
            *(f"prediction-{ONE}", "v:0123", "u:1", "nothing", "12345678", "%25"),
        )
    ]
    yield_ += [f"{LIST}{UUID(hexes)}/change/", f"{LIST}{UUID(hexes)}/history/", f"{LIST}FIRST/change/"]
    yield_ += [DELIVERIES, f"{DELIVERIES}?p=20", f"{DELIVERIES}?provider=common", f"{DELIVERIES}?provider=nobody"]
    yield_ += [f"{DELIVERIES}?verdict__exact={word}" for word in ("valid", "forged", "stale")]
    yield_ += [f"{DELIVERIES}?waiting=yes", f"{DELIVERIES}?received_at__gte=2026-01-01+00:00:00%2B00:00"]
    yield_ += [f"{DELIVERIES}?q={term}" for term in (f"event-{ONE}", f"token-{ONE}", f"prediction-{ONE}", hexes, "x")]
    yield_ += [f"{DELIVERIES}?o=3", f"{DELIVERIES}{big_tables.FIRST_ID + ONE}/change/"]
    yield_ += [NOTIFICATIONS, f"{NOTIFICATIONS}?p=20", f"{NOTIFICATIONS}?q={hexes}", f"{NOTIFICATIONS}?q={hexes[:8]}"]
    yield_ += [f"{NOTIFICATIONS}?state={state}" for state in ("open", "late", "sent", "given_up")]
    yield_ += [f"{NOTIFICATIONS}?channel__exact={channel}" for channel in ("push", "email")]
    yield_ += [f"{NOTIFICATIONS}{big_tables.FIRST_ID + ONE}/change/"]
    yield_ += [SUBSCRIPTIONS, f"{SUBSCRIPTIONS}?q={hexes}", f"{SUBSCRIPTIONS}?q=v:0123"]
    yield_ += ["/admin/", "/admin/jobs/", "/admin/jobs/look/", "/admin/jobs/look/LOOK/change/"]
    yield_ += ["/admin/jobs/auditentry/", "/admin/jobs/heartbeat/"]
    yield_ += ["/admin/providers/providerconfig/", "/admin/providers/providerconfig/PROVIDER/change/"]
    return yield_


def test_every_page_asks_little_and_reads_no_big_table_whole(admin_client: Client, big: Job) -> None:
    provider = big.attempts.get().provider_id
    bad, slowest = {}, (0.0, "")
    for page in pages():
        address = (
            page.replace("LOOK", str(big.look_id)).replace("PROVIDER", str(provider)).replace("FIRST", str(big.pk))
        )
        started = time.perf_counter()
        with big_tables.watching() as watch:
            response = admin_client.get(address, follow=True)
        slowest = max(slowest, (time.perf_counter() - started, address))
        reads = watch.whole_reads()
        if (
            response.status_code != 200
            or len(watch.statements) > MOST_QUERIES + 2 * len(response.redirect_chain)
            or reads
        ):
            bad[address] = (response.status_code, len(watch.statements), reads)
    print(f"slowest: {slowest[0] * 1000:.0f} ms {slowest[1]}")
    assert bad == {}, "\n".join(f"{address}: {found}" for address, found in bad.items())
    _assert_counts_end_and_say_so(admin_client)


def _assert_counts_end_and_say_so(client: Client) -> None:
    last = client.get(f"{LIST}?p={MOST_COUNTED // 50}")
    assert f"more than {MOST_COUNTED} jobs" in last.content.decode()
    assert "more than" not in client.get(f"{LIST}?provider=rare").content.decode()
    # From there on, page after page.
    ended = last.context["cl"]
    older = client.get(LIST + ended.older).context["cl"]
    assert older.result_list[0].pk == ended.result_list[-1].pk
    assert older.result_list[1].created_at < ended.result_list[-1].created_at


@pytest.mark.parametrize("lookup", ["hero_name", "email__icontains", "photo_sha256", "attempts__token"])
def test_a_typed_address_filters_by_nothing_that_no_index_serves(admin_client: Client, lookup: str) -> None:
    assert admin_client.get(f"{LIST}?{lookup}=x").status_code == 400


def test_looks_and_providers_are_retired_and_never_deleted(admin_client: Client, provider: ProviderConfig) -> None:
    look = factories.make_finished_job(provider).look
    for page in (f"/admin/jobs/look/{look.pk}/", f"/admin/providers/providerconfig/{provider.pk}/"):
        assert admin_client.post(f"{page}delete/", {"post": "yes"}).status_code == 403
        assert "deletelink" not in admin_client.get(f"{page}change/").content.decode()
