"""Messages arrive signed, are tried again, and are sent once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from jobs import alerts
from jobs.models import AlertMessage, JobMinute, ProviderMinute
from jobs.rollups import histograms
from providers import signatures
from selfiehero.environment import BadEnvironment, load
from tests.jobs.alerts.conftest import SECRET

pytestmark = pytest.mark.django_db


def write(now: datetime, about: str = "1") -> int:
    return alerts.write("began", about, "Breaker open: fal", "fal gets no films: its films fail, 9 of 10.", now=now)


def test_the_webhook_has_slack_s_body_and_a_standard_signature(chat: Any, start: datetime) -> None:
    assert write(start) == 1
    assert alerts.send_due(now=start) == 1
    ((headers, body),) = chat.calls
    assert chat.texts[0].startswith("*Breaker open: fal*\nfal gets no films: its films fail, 9 of 10.\n<http")
    assert headers["content-type"] == "application/json"
    assert signatures.verify([SECRET], headers, body, now=start) == headers["webhook-id"]
    assert alerts.send_due(now=start + timedelta(hours=1)) == 0


def test_one_that_does_not_arrive_is_tried_again_under_the_same_id(chat: Any, start: datetime) -> None:
    chat.status = 503
    write(start)
    assert alerts.send_due(now=start) == 0
    assert alerts.send_due(now=start + timedelta(seconds=1)) == 0
    chat.status = 200
    assert alerts.send_due(now=start + timedelta(seconds=30)) == 1
    assert len({headers["webhook-id"] for headers, _ in chat.calls}) == 1
    assert len(chat.calls) == 2
    message = AlertMessage.objects.get()
    assert (message.tries, message.error) == (2, "")


def test_a_webhook_that_is_gone_is_given_up_and_says_why(chat: Any, start: datetime) -> None:
    chat.status = 404
    write(start)
    alerts.send_due(now=start)
    assert AlertMessage.objects.get(given_up_at__isnull=False).error == "HTTP 404: no_service"


def test_a_chat_that_is_away_holds_no_mail_up(settings: Any, mailbox: list[Any], start: datetime) -> None:
    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:9/x"
    assert write(start) == 2
    assert alerts.send_due(now=start) == 1
    assert len(mailbox) == 1
    for minute in range(1, 400):
        alerts.send_due(now=start + timedelta(minutes=minute))
    assert AlertMessage.objects.get(channel="webhook").given_up_at is not None


def test_without_channels_nothing_is_written(start: datetime) -> None:
    assert write(start) == 0
    assert alerts.channels() == []
    assert mail.outbox == []


def test_the_report_says_what_yesterday_was_once(mailbox: list[Any], wavespeed: Any, settings: Any) -> None:
    settings.ALERT_REPORT_HOUR = 8
    day = datetime(2026, 11, 30, tzinfo=UTC)
    yesterday = day - timedelta(hours=3)
    JobMinute.objects.create(
        minute=yesterday,
        written_at=day,
        accepted=410,
        succeeded=402,
        failed=6,
        canceled=2,
        promised=400,
        kept=396,
        films=histograms.of([20.0] * 402),
    )
    JobMinute.objects.create(minute=day + timedelta(hours=1), written_at=day, accepted=999, succeeded=999)
    ProviderMinute.objects.create(minute=yesterday, provider=wavespeed, succeeded=402, failed=8, refused=3, cost="61.2")
    assert alerts.write_report(now=day + timedelta(hours=7, minutes=59)) == 0
    assert alerts.write_report(now=day + timedelta(hours=8)) == 1
    assert alerts.write_report(now=day + timedelta(hours=8, minutes=1)) == 0
    alerts.send_due(now=day + timedelta(hours=8))
    (report,) = mailbox
    assert report.subject == "[Selfie Hero] 29 November: 402 films, $61.20, 1.5% failed"
    assert "Accepted 410, films 402, failed 6, canceled 2." in report.body
    assert "Promises kept: 99.0% of 400." in report.body
    assert "WaveSpeed: 402 films, 8 failed, 3 refused, $61.20." in report.body
    assert "No alerts." in report.body
    assert alerts.write_report(now=day + timedelta(days=1, hours=20)) == 0, "in the evening it is no news any more"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALERT_EMAILS", "mara"),
        ("ALERT_WEBHOOK_URL", "ftp://chat.example"),
        ("ALERT_WEBHOOK_URL", "https://[chat"),
        ("ALERT_WEBHOOK_SECRET", "short"),
        ("ALERT_REPORT_HOUR", "24"),
    ],
)
def test_what_is_wrong_in_the_environment_is_said_by_its_name(name: str, value: str) -> None:
    with pytest.raises(BadEnvironment, match=name):
        load({name: value})


def test_addresses_are_read_with_commas() -> None:
    assert load({"ALERT_EMAILS": "a@b.example, c@d.example"}).monitoring.alert_emails == ("a@b.example", "c@d.example")
