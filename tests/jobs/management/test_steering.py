"""`manage.py park, drain, resume, limit, requeue`: what staff with a shell do, with an entry in the audit log."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from jobs import lifecycle
from jobs.models import Attempt, AuditEntry, Job
from jobs.queue import claims
from jobs.routing import breaker
from jobs.routing.breaker import HealthSignal, Observation
from providers import switches
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def mara(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "mara")


def told(*arguments: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


def entries() -> list[tuple[str, str, str, Any]]:
    rows = AuditEntry.objects.order_by("id")
    return list(rows.values_list("actor_name", "action", "subject", "data"))


def claimed(provider: ProviderConfig) -> int:
    factories.make_waiting_job()
    return len(claims.claim_slots(provider.id, want=1))


def test_a_parked_provider_gets_no_films_until_its_time_is_over(provider: ProviderConfig) -> None:
    assert "no new films until" in told("park", provider.slug, "15")
    assert claimed(provider) == 0
    # What is answered or refused meanwhile was sent before: it neither ends the parking nor prolongs it.
    before = timezone.now() - timedelta(seconds=1)
    for signal in (HealthSignal.ANSWERED, HealthSignal.FINISHED):
        breaker.write([Observation(provider.pk, signal, before)])
    row = ProviderConfig.objects.get()
    assert timedelta(minutes=14) < row.rate_limited_until - timezone.now() <= timedelta(minutes=15)
    # A call that was claimed in the moment of parking may be refused after it: it stays parked, by staff.
    after = timezone.now() + timedelta(seconds=1)
    for signal in (HealthSignal.BUSY, HealthSignal.FAILED):
        breaker.write([Observation(provider.pk, signal, after, retry_after=timedelta(seconds=8))])
    row = ProviderConfig.objects.get()
    assert row.rate_limited_reason == switches.PARKED
    assert timedelta(minutes=14) < row.rate_limited_until - timezone.now() <= timedelta(minutes=15)
    ProviderConfig.objects.update(rate_limited_until=timezone.now())
    assert claimed(provider) == 1
    assert entries() == [("mara in a shell", "provider_parked", provider.slug, {"minutes": 15})]


def test_a_drained_provider_ends_what_it_has(provider: ProviderConfig) -> None:
    attempt = factories.make_submitted_attempt(provider)
    assert told("drain", provider.slug) == "The studio: no new films; 1 under way go on."
    assert claimed(provider) == 0
    assert Attempt.objects.get(pk=attempt.pk).status == "submitted"
    assert told("drain", provider.slug) == "It was disabled before; 1 are under way."
    assert [action for _who, action, *_ in entries()] == ["provider_disabled"]


def test_a_resumed_provider_gets_films_at_once(provider: ProviderConfig) -> None:
    told("park", provider.slug, "60")
    told("drain", provider.slug)
    assert told("resume", provider.slug) == "The studio: it gets films again."
    assert claimed(provider) == 1
    assert told("resume", provider.slug) == "Nothing held it back."
    assert [action for _who, action, *_ in entries()] == ["provider_parked", "provider_disabled", "provider_resumed"]


def test_what_was_not_tested_is_not_resumed(provider: ProviderConfig) -> None:
    ProviderConfig.objects.update(enabled=False, tested_at=None, is_managed=False)
    with pytest.raises(CommandError, match="Test its connection first"):
        told("resume", provider.slug)
    assert not ProviderConfig.objects.get().enabled


def test_limits_are_kept_from_the_next_claim_on(provider: ProviderConfig) -> None:
    assert told("limit", provider.slug) == "The studio: 3 at once, 600 calls a minute."
    assert told("limit", provider.slug, "--concurrent", "1", "--per-minute", "600") == (
        "The studio: 1 at once, 600 calls a minute."
    )
    assert [claimed(provider) for _ in range(2)] == [1, 0]
    assert entries() == [("mara in a shell", "provider_changed", provider.slug, {"max_concurrent": [3, 1]})]


@pytest.mark.parametrize(
    "arguments",
    [
        ("park", "studio", "0"),
        ("park", "studio", "10081"),
        ("park", "nobody", "5"),
        ("drain", "nobody"),
        ("resume", "nobody"),
        ("limit", "studio", "--concurrent", "0"),
        ("limit", "studio", "--per-minute", "-1"),
        ("limit", "nobody", "--concurrent", "5"),
    ],
)
def test_what_cannot_be_changes_nothing_and_says_why(provider: ProviderConfig, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        told(*arguments)
    assert refused.value.returncode == 2
    if "nobody" in arguments:
        assert "No provider is called nobody; there are: studio." in str(refused.value)
    assert entries() == []
    assert ProviderConfig.objects.get().max_concurrent == 3


def test_jobs_are_requeued_as_the_admin_s_actions_do(provider: ProviderConfig) -> None:
    failed = factories.make_waiting_job()
    lifecycle.fail(failed.pk, code="no_provider", now=timezone.now())
    at_provider = factories.make_submitted_attempt(provider).job
    said = told("requeue", str(failed.pk), str(at_provider.pk)).splitlines()
    made = Job.objects.get(retry_of=failed)
    assert said == [f"{failed.pk}: tried again as {made.pk}.", f"{at_provider.pk}: sent to another provider."]
    assert factories.reload(at_provider).lane == "dispatch"
    assert [(who, action) for who, action, *_ in entries()] == [
        ("mara in a shell", "job_retried"),
        ("mara in a shell", "job_moved"),
    ]


def test_a_job_that_cannot_be_requeued_is_told_and_the_others_are(provider: ProviderConfig) -> None:
    waiting, failed = factories.make_waiting_job(), factories.make_waiting_job()
    lifecycle.fail(failed.pk, code="no_provider", now=timezone.now())
    out = io.StringIO()
    with pytest.raises(CommandError, match="3 of 4 could not be requeued"):
        call_command("requeue", str(waiting.pk), "nonsense", "0" * 32, str(failed.pk), stdout=out)
    said = out.getvalue().splitlines()
    assert said[0] == f"{waiting.pk}: it waits for a provider already."
    assert said[1:3] == ["nonsense: there is no such job.", f"{'0' * 32}: there is no such job."]
    assert "tried again as" in said[3]


def test_the_admin_parks_and_closes_with_the_same_functions(admin_client: Client, provider: ProviderConfig) -> None:
    chosen = {ACTION_CHECKBOX_NAME: [provider.pk]}
    page = admin_client.post("/admin/providers/providerconfig/", {"action": "park", **chosen}, follow=True)
    assert f"{switches.PARKED} for" in page.content.decode()
    assert claimed(provider) == 0
    admin_client.post("/admin/providers/providerconfig/", {"action": "close_breaker", **chosen})
    assert claimed(provider) == 1
    assert [(who, action) for who, action, *_ in entries()] == [
        ("admin", "provider_parked"),
        ("admin", "provider_breaker_closed"),
    ]
