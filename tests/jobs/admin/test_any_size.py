"""Every page of the admin answers at any size: few queries, and none that reads a big table from end to end."""

from __future__ import annotations

import os
import time

import pytest
from django.db import connection
from django.test import Client

from jobs.models import Job
from providers.models import ProviderConfig
from tests import factories
from tests.support import big_tables
from tests.support.admin_pages import LIST
from tests.support.big_pages import pages

pytestmark = [pytest.mark.slow, pytest.mark.database]

JOBS = int(os.environ.get("BIG_TABLE_JOBS", "20000"))
MOST_QUERIES = 15
MOST_COUNTED = 1000
MOST_AT_PROVIDER = 300


@pytest.fixture
def big(db: None, monkeypatch: pytest.MonkeyPatch) -> Job:
    # As much smaller than the product's as these tables are.
    monkeypatch.setattr("jobs.admin.big_tables.MOST_COUNTED", MOST_COUNTED)
    monkeypatch.setattr("jobs.admin.filters.MOST_AT_PROVIDER", MOST_AT_PROVIDER)
    started = time.perf_counter()
    job = big_tables.make(JOBS)
    print(f"{JOBS} jobs in {time.perf_counter() - started:.1f} s on {connection.vendor}")
    return job


def test_every_page_asks_little_and_reads_no_big_table_whole(admin_client: Client, big: Job) -> None:
    bad, slowest = {}, (0.0, "")
    for address in pages(big):
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
    # Whose jobs lie anywhere in the table.
    assert client.get(f"{LIST}?provider=common").context["cl"].result_count == MOST_AT_PROVIDER
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
