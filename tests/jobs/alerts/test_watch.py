"""People are told once when something is wrong, and once when it is over."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from jobs import alerts
from jobs.ledger import Newest
from jobs.models import Alert, AlertMessage, Heartbeat, Job, WebhookDelivery
from providers.models import ProviderConfig
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.database]
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def break_it(provider: ProviderConfig, *, until: datetime) -> None:
    ProviderConfig.objects.filter(pk=provider.pk).update(breaker_until=until, breaker_reason="films")


def told() -> list[tuple[str, str]]:
    return list(AlertMessage.objects.order_by("id").values_list("kind", "subject"))


def opened() -> set[tuple[str, str]]:
    return set(Alert.objects.filter(ended_at=None, told_at__isnull=False).values_list("rule", "subject"))


def test_when_all_is_well_nobody_is_told(facts: Any, mailbox: list[Any], start: datetime) -> None:
    alerts.watch(facts(start))
    assert Alert.objects.count() == AlertMessage.objects.count() == 0


def test_an_open_breaker_is_told_once_and_once_more_when_it_is_over(
    facts: Any, chat: Any, mailbox: list[Any], wavespeed: ProviderConfig, start: datetime
) -> None:
    factories.make_provider(slug="other")
    break_it(wavespeed, until=start + timedelta(minutes=5))
    for second in (0, 10, 20, 240):
        alerts.watch(facts(start + second * SECOND))
        alerts.send_due(now=start + second * SECOND)
    assert [mail.subject for mail in mailbox] == ["[Selfie Hero] Breaker open: wavespeed"]
    assert mailbox[0].to == ["mara@hero.example", "nadia@hero.example"]
    assert "WaveSpeed gets no films: its films fail" in mailbox[0].body
    assert len(chat.texts) == 1

    for minute in (6, 7, 8, 9):
        alerts.watch(facts(start + minute * MINUTE))
        alerts.send_due(now=start + minute * MINUTE)
    assert [mail.subject for mail in mailbox][1:] == ["[Selfie Hero] Over: Breaker open: wavespeed"]
    assert "It lasted 4" in mailbox[1].body
    assert len(chat.texts) == 2
    assert Alert.objects.get().ended_at is not None

    break_it(wavespeed, until=start + timedelta(hours=2))
    alerts.watch(facts(start + timedelta(hours=1)))
    assert Alert.objects.count() == 2, "another time is another alert"


def test_what_comes_and_goes_is_one_alert(
    facts: Any, mailbox: list[Any], wavespeed: ProviderConfig, start: datetime
) -> None:
    factories.make_provider(slug="other")
    for number in range(6):
        break_it(wavespeed, until=start + number * MINUTE + 30 * SECOND)
        alerts.watch(facts(start + number * MINUTE))
        alerts.watch(facts(start + number * MINUTE + 40 * SECOND))
    assert told() == [("began", "Breaker open: wavespeed")]


def test_what_is_gone_before_it_held_is_told_to_nobody(facts: Any, mailbox: list[Any], start: datetime) -> None:
    Heartbeat.objects.create(name="worker-collect", host="here", seen_at=start - 30 * SECOND)
    alerts.watch(facts(start))
    assert Alert.objects.filter(told_at=None).count() == 1
    Heartbeat.objects.filter(name="worker-collect").update(seen_at=start + 10 * SECOND)
    alerts.watch(facts(start + 10 * SECOND))
    assert Alert.objects.count() == 0
    Heartbeat.objects.filter(name="worker-collect").update(seen_at=start - 5 * SECOND)
    for second in (20, 40, 61):
        alerts.watch(facts(start + second * SECOND))
    assert told() == [("began", "Heartbeat lost: worker-collect")]
    assert "last seen" in AlertMessage.objects.get().body


def test_each_rule_finds_what_it_is_about(
    facts: Any, mailbox: list[Any], wavespeed: ProviderConfig, start: datetime
) -> None:
    today = start.astimezone(UTC).date()
    ProviderConfig.objects.filter(pk=wavespeed.pk).update(daily_budget=10, budget_used=8, budget_day=today)
    used_up = factories.make_provider(slug="spent")
    ProviderConfig.objects.filter(pk=used_up.pk).update(
        daily_budget=10, budget_used="9.9", price="0.2", budget_day=today
    )
    job = factories.make_waiting_job(promised_p50=20, promised_p90=40)
    Job.objects.filter(pk=job.pk).update(created_at=start - 3 * MINUTE)
    for number in range(20):
        WebhookDelivery.objects.create(
            provider="wavespeed", attempt_token=f"t{number}", verdict="forged", received_at=start
        )
    found = facts(start)
    away = replace(found.house.storage, tone="bad")
    broken = replace(found, house=replace(found.house, overdue_erasures=3, storage=away))
    for minute in range(7):
        alerts.watch(replace(broken, at=start + minute * MINUTE))
    assert opened() == {
        ("budget_low", "wavespeed"),
        ("budget_low", "spent"),
        ("budget_used", "spent"),
        ("backlog_old", ""),
        ("forged_webhooks", ""),
        ("erasures_overdue", ""),
        ("part_away", "storage"),
    }
    body = AlertMessage.objects.get(subject="Backlog older than promised", kind="began").body
    assert body.startswith("The first in line waits")
    assert "promised were 40\u00a0s" in body


def test_a_broken_law_is_told_at_once(facts: Any, mailbox: list[Any], start: datetime, monkeypatch: Any) -> None:
    monkeypatch.setattr(Newest, "difference_count", property(lambda self: 2))
    alerts.watch(facts(start))
    assert ("law_broken", "") in opened()
    assert "2 jobs are not where their events say." in AlertMessage.objects.get(subject="Conservation law broken").body


def test_no_provider_open_is_one_alert_beside_each_breaker(
    facts: Any, mailbox: list[Any], wavespeed: ProviderConfig, start: datetime
) -> None:
    break_it(wavespeed, until=start + 10 * MINUTE)
    for second in (0, 40):
        alerts.watch(facts(start + second * SECOND))
    assert opened() == {("breaker_open", "wavespeed"), ("no_provider", "")}


@pytest.mark.django_db(transaction=True)
def test_two_reconcile_processes_tell_it_once(
    facts: Any, mailbox: list[Any], wavespeed: ProviderConfig, start: datetime
) -> None:
    factories.make_provider(slug="other")
    break_it(wavespeed, until=start + 10 * MINUTE)
    seen, barrier = facts(start), threading.Barrier(4)

    def process() -> None:
        barrier.wait()
        alerts.watch(seen)
        alerts.send_due(now=start)
        connection.close()

    threads = [threading.Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alerts.send_due(now=start)
    assert told() == [("began", "Breaker open: wavespeed")]
    assert len(mailbox) == 1
