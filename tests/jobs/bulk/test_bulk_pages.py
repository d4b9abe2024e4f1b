"""The pages of bulk: the preview of any filter, and 50,000 jobs as one action."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from jobs import bulk, lifecycle
from jobs.bulk import work
from jobs.models import BulkItem, BulkOperation, Job
from providers.models import ProviderConfig
from tests import factories
from tests.support import big_tables

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ADD = reverse("admin:jobs_bulkoperation_add")
MANY, MOST_QUERIES, SECONDS = 50_000, 15, 0.5


@pytest.fixture(autouse=True)
def fresh_worker(monkeypatch: Any) -> None:
    monkeypatch.setattr(work, "_worker", work.Worker())


@pytest.mark.slow
def test_50_000_jobs_are_one_action_and_every_page_is_quick(admin_client: Client, provider: ProviderConfig) -> None:
    job = factories.make_waiting_job()
    lifecycle.fail(job.pk, code="no_provider", now=timezone.now())
    big_tables.fill_alone(MANY - 1, template=job)
    asked = f"{ADD}?action=retry_jobs&status__exact=failed"
    slow = []
    admin_client.get("/admin/")  # loads the templates

    def ask(method: str, address: str, **values: Any) -> Any:
        # CPU, which the database is part of on SQLite: other tests run beside this one.
        started = time.process_time()
        with big_tables.watching() as watch:
            answer = getattr(admin_client, method)(address, **values)
        took = time.process_time() - started
        print(f"{method} {address.split('?')[0]}: {took * 1000:.0f} ms, {len(watch.statements)} queries")
        if took > SECONDS or len(watch.statements) > MOST_QUERIES:
            slow.append((method, address, took, len(watch.statements)))
        return answer

    preview = ask("get", asked)
    assert preview.context["plan"].possible == MANY
    started = time.perf_counter()
    answer = admin_client.post(asked, {"rate": "6000", "form_token": preview.context["form_token"]})
    print(f"start: {(time.perf_counter() - started) * 1000:.0f} ms")
    operation = BulkOperation.objects.get()
    assert answer["location"] == reverse("admin:jobs_bulkoperation_change", args=[operation.pk])
    assert (operation.total, operation.items.count()) == (MANY, MANY)
    oldest = Job.objects.order_by("created_at").values_list("pk", flat=True)[0]
    assert operation.items.get(place=1).job_id == oldest
    # As it is near its end: 49,900 were tried again, and became films, so that no brake holds it.
    Job.objects.update(status="succeeded", failure_code="", video_key="video/x.mp4")
    BulkItem.objects.filter(place__lte=MANY - 100).update(outcome="done", made=F("job_id"))
    BulkOperation.objects.update(done=MANY - 100, due_at=timezone.now())
    started = time.perf_counter()
    assert bulk.work_due(now=timezone.now() + timedelta(seconds=9)) == work.AT_ONCE
    print(f"tick of {work.AT_ONCE}: {(time.perf_counter() - started) * 1000:.0f} ms")
    for address in (answer["location"], reverse("admin:jobs_bulk_state", args=[operation.pk])):
        assert ask("get", address).status_code == 200
    assert ask("get", reverse("admin:jobs_bulkoperation_changelist")).status_code == 200
    assert slow == []


@pytest.fixture
def evening(provider: ProviderConfig) -> Iterator[dict[str, Job]]:
    waiting = factories.make_submitted_attempt(provider).job
    failed = factories.make_waiting_job(hero_name="GHOSTLINE", email="anna@mail.example")
    lifecycle.fail(failed.pk, code="deadline", now=timezone.now())
    old = factories.make_waiting_job()
    lifecycle.fail(old.pk, code="no_provider", now=timezone.now())
    Job.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(hours=3))
    yield {"waiting": waiting, "failed": failed, "old": old}


@pytest.mark.parametrize(
    ("action", "query", "found"),
    [
        ("move_jobs", "provider=studio", {"waiting"}),
        ("move_jobs", "provider=studio&stage=submitted", {"waiting"}),
        ("retry_jobs", "status__exact=failed", {"failed", "old"}),
        ("retry_jobs", "failure=deadline", {"failed"}),
        ("retry_jobs", "status__exact=failed&created_at__gte=SINCE", {"failed"}),
        ("retry_jobs", "q=anna@mail.example", {"failed"}),
        ("cancel_jobs", "", {"waiting"}),
        # Where somebody stands in the list, and how it is sorted, chooses no jobs.
        ("retry_jobs", "status__exact=failed&p=2&o=2", {"failed", "old"}),
    ],
)
def test_any_filter_of_the_list_can_be_acted_on(
    admin_client: Client, evening: dict[str, Job], action: str, query: str, found: set[str]
) -> None:
    since = (timezone.now() - timedelta(hours=1)).isoformat().replace("+", "%2B")
    page = admin_client.get(f"{ADD}?action={action}&{query.replace('SINCE', since)}")
    assert page.status_code == 200
    judged = page.context["plan"].jobs.values_list("pk", "is_possible")
    assert {pk for pk, is_possible in judged if is_possible} == {evening[name].pk for name in found}


def test_what_was_searched_for_is_not_kept(admin_client: Client, evening: dict[str, Job]) -> None:
    admin_client.post(f"{ADD}?action=retry_jobs&status__exact=failed&q=anna@mail.example", {"rate": "20"})
    operation = BulkOperation.objects.get()
    assert (operation.total, operation.query) == (1, "")
    assert operation.words == "found by a search, status failed"
    assert (
        "anna" not in admin_client.get(reverse("admin:jobs_bulkoperation_change", args=[operation.pk])).content.decode()
    )


@pytest.mark.parametrize("query", ["action=retry_jobs&hero_name=x", "action=nothing", "", "action=retry_jobs&id=x"])
def test_an_address_that_somebody_typed_does_nothing(admin_client: Client, query: str) -> None:
    assert admin_client.post(f"{ADD}?{query}", {"rate": "20"}).status_code in (400, 403, 404)
    assert not BulkOperation.objects.exists()


def test_a_rate_that_is_none_starts_nothing_and_says_so(admin_client: Client, evening: dict[str, Job]) -> None:
    for rate in ("0", "x", "6001", ""):
        page = admin_client.post(f"{ADD}?action=retry_jobs", {"rate": rate})
        assert "A rate is a number from 1 to 6000." in page.content.decode()
    assert not BulkOperation.objects.exists()


def test_only_who_acts_can_pause_or_start(evening: dict[str, Job], mara: User, client: Client) -> None:
    client.force_login(mara)
    assert client.get(f"{ADD}?action=retry_jobs").status_code == 403
    assert client.post(f"{ADD}?action=retry_jobs", {"rate": "20"}).status_code == 403


@pytest.fixture
def mara() -> User:
    return User.objects.create_user("mara", is_staff=True)
