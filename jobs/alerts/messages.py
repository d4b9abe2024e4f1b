"""Messages about alerts: written as rows, sent once.

Whoever moves `due_at` of a row first sends it; a process that dies meanwhile leaves it due again when the lease ends.
The webhook has the body of Slack's incoming webhooks, `{"text": …}`, which Mattermost, Discord (at /slack) and others
take too, and the headers of Standard Webhooks: `webhook-id` stays the same when a message is sent again.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from smtplib import SMTPException
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.urls import reverse

from jobs.models import AlertMessage
from providers import signatures
from providers.errors import Rejected, Unavailable
from providers.http import untrusted

logger = logging.getLogger(__name__)

LEASE = timedelta(minutes=1)
MOST_TRIES = 10
BACKOFF_FIRST, BACKOFF_CAP = timedelta(seconds=10), timedelta(minutes=30)
CONNECT_SECONDS, TOTAL_SECONDS = 3.0, 8.0
AT_ONCE = 20
KEEP = timedelta(days=60)
Channel = AlertMessage.Channel


class NotSent(Exception):
    """The message did not go out; `is_final` when another try would not help."""

    def __init__(self, words: str, *, is_final: bool = False) -> None:
        super().__init__(words)
        self.is_final = is_final


def channels() -> list[Channel]:
    """Return where messages go to, as the environment says."""
    chosen = [(Channel.EMAIL, settings.ALERT_EMAILS), (Channel.WEBHOOK, settings.ALERT_WEBHOOK_URL)]
    return [channel for channel, target in chosen if target]


def write(kind: str, about: str, subject: str, body: str, *, now: datetime) -> int:
    """Write a message to each channel, unless there is one of that kind about it; return how many were written."""
    rows = [
        AlertMessage(
            kind=kind, channel=channel, about=about, subject=subject[:200], body=body, created_at=now, due_at=now
        )
        for channel in channels()
    ]
    before = AlertMessage.objects.filter(kind=kind, about=about).count()
    AlertMessage.objects.bulk_create(rows, ignore_conflicts=True)
    return AlertMessage.objects.filter(kind=kind, about=about).count() - before


def is_written(kind: str, about: str) -> bool:
    """Return whether there is a message of that kind about it."""
    return AlertMessage.objects.filter(kind=kind, about=about).exists()


def send_due(*, now: datetime) -> int:
    """Send what is due; return how many messages went out."""
    due = AlertMessage.objects.filter(sent_at=None, given_up_at=None, due_at__lte=now).order_by("due_at")
    sent = 0
    for message in due[:AT_ONCE]:
        mine = AlertMessage.objects.filter(pk=message.pk, sent_at=None, given_up_at=None, due_at=message.due_at)
        if mine.update(due_at=now + LEASE, tries=F("tries") + 1):
            sent += _try(message, now=now)
    AlertMessage.objects.filter(created_at__lt=now - KEEP).delete()
    return sent


def _try(message: AlertMessage, *, now: datetime) -> bool:
    row = AlertMessage.objects.filter(pk=message.pk, sent_at=None)
    try:
        (_mail if message.channel == Channel.EMAIL else _post)(message, now=now)
    except NotSent as error:
        is_final = error.is_final or message.tries + 1 >= MOST_TRIES
        wait = min(BACKOFF_CAP, BACKOFF_FIRST * 2**message.tries)
        row.update(due_at=now + wait, error=str(error)[:200], given_up_at=now if is_final else None)
        logger.warning("alert_not_sent channel=%s final=%s error=%s", message.channel, is_final, error)
        return False
    row.update(sent_at=now, error="")
    return True


def _mail(message: AlertMessage, *, now: datetime) -> None:
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    mail = EmailMessage(
        subject=f"[Selfie Hero] {message.subject}",
        body=f"{message.body}\n\n{_address()}\n",
        to=list(settings.ALERT_EMAILS),
        headers={"Message-ID": f"<alert-{message.pk}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    try:
        mail.send()
    except (SMTPException, OSError) as error:
        raise NotSent(type(error).__name__) from error


def _post(message: AlertMessage, *, now: datetime) -> None:
    url, secret = settings.ALERT_WEBHOOK_URL, settings.ALERT_WEBHOOK_SECRET
    text = f"*{message.subject}*\n{message.body}\n<{_address()}|Open the staff pages>"
    content = json.dumps({"text": text}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    if secret:
        message_id, timestamp = f"alert-{message.pk}", int(now.timestamp())
        headers |= {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures.sign(secret, message_id=message_id, timestamp=timestamp, body=content),
        }
    try:
        answer = untrusted.post(
            url,
            content,
            headers=headers,
            connect_seconds=CONNECT_SECONDS,
            total_seconds=TOTAL_SECONDS,
            trusted=[urlsplit(url).netloc.rpartition("@")[2]],
        )
    except Rejected as error:
        raise NotSent(error.detail, is_final=True) from error
    except Unavailable as error:
        raise NotSent(error.detail) from error
    if not 200 <= answer.status < 300:
        raise NotSent(f"HTTP {answer.status}: {answer.excerpt()}", is_final=answer.status in (400, 401, 403, 404, 410))


def _address() -> str:
    return urljoin(settings.PUBLIC_URL, reverse("admin:index"))
