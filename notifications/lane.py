"""The notify lane: messages that are due, sent to push services and the mail server.

| what came back | push | mail | then |
| --- | --- | --- | --- |
| taken | 2xx | accepted | sent |
| gone | 404, 410 | | the subscription is forgotten, and what waits for it |
| not now | 429, 5xx, no answer | no connection, 4xx | again after the wait it asks for, or a random one that doubles |
| never | other 4xx, a forbidden address | 5xx | given up; the fifth such push forgets the subscription |

A crash between sending and writing it down sends once more after the lease. People see one of them: pushes have the
job as their topic and tag, mails a Message-ID that stays the same.
"""

from __future__ import annotations

import logging
import random
import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from jobs import contact
from jobs.clock import database_now
from jobs.models import Job
from jobs.queue import claims
from jobs.queue.engine import LaneWork
from providers.errors import Rejected, Unavailable
from providers.http.client import retry_after

from . import confirmation, email, mail_limits, push
from .models import Notification, NotificationQuerySet, PushSubscription

logger = logging.getLogger(__name__)

LANE = "notify"
# Renewed while the sending goes on; this long after a worker's death the next one sends.
LEASE = timedelta(seconds=20)
MOST_TRIES = 8
MOST_REFUSALS = 5
BACKOFF_FIRST, BACKOFF_CAP = timedelta(seconds=5), timedelta(minutes=10)
LEAST_WAIT = timedelta(seconds=1)


class SendStatus(Enum):
    """What one try of sending came to."""

    SENT = "sent"
    GONE = "gone"
    LATER = "later"
    NEVER = "never"


@dataclass(frozen=True)
class Message:
    """All that a thread needs to send one notification."""

    notification: Notification
    lease_token: str
    target: push.Target | None = None
    content: bytes = b""
    topic: str = ""
    ttl: timedelta = timedelta()
    mail: EmailMultiAlternatives | None = None


@dataclass(frozen=True)
class SendResult:
    message: Message
    status: SendStatus
    error: str = ""
    wait: timedelta | None = None


def due(now: datetime) -> NotificationQuerySet:
    """Return the notifications that are due."""
    return Notification.objects.due(now=now)


class NotifyLane(LaneWork):
    lane = LANE
    threads = 8

    def claim(self, room: int) -> list[Message]:
        token = claims.new_token()
        with transaction.atomic():
            now = database_now()
            rows = due(now).order_by("due_at", "id")
            ids = list(claims.locked(rows).values_list("id", flat=True)[:room])
            if not ids:
                return []
            Notification.objects.due(now=now).filter(id__in=ids).update(
                due_at=now + LEASE, lease_token=token, tries=F("tries") + 1
            )
        rows = Notification.objects.filter(id__in=ids, lease_token=token).select_related("job__look", "subscription")
        messages = []
        for row in rows:
            if row.job.erased_at or row.job.erase_at <= now or (row.subscription_id is None and not row.job.email):
                _held(row.id, token).update(given_up_at=now, error="nothing left to send")
            elif row.subscription_id is None and not _may_be_mailed(row):
                _held(row.id, token).update(given_up_at=now, error="another address, or not confirmed")
            elif row.subscription_id is None and row.tries == 1 and not mail_limits.take(row.job.email, now=now):
                _held(row.id, token).update(given_up_at=now, error="three mails a day to one address")
                logger.warning("mail_limit_reached job=%s", row.job_id)
            else:
                messages.append(_message(row, token, now=now))
        return messages

    def keep(self, items: list[Message]) -> None:
        tokens = {message.lease_token for message in items}
        ids = [message.notification.id for message in items]
        rows = Notification.objects.is_open().filter(id__in=ids, lease_token__in=tokens)
        rows.update(due_at=database_now() + LEASE)

    def work(self, message: Message) -> SendResult:
        return _push(message) if message.target else _mail(message)

    def record(self, results: list[SendResult]) -> None:
        now = database_now()
        with transaction.atomic():
            for result in results:
                _record(result, now=now)

    def record_crash(self, item: Message, error: BaseException) -> None:
        self.record([SendResult(item, SendStatus.LATER, type(error).__name__)])


def backoff(tries: int) -> timedelta:
    """Return a random wait after the n-th try, n from 1, below a cap that doubles."""
    cap = min(BACKOFF_CAP, BACKOFF_FIRST * 2 ** min(tries - 1, 10))
    return max(LEAST_WAIT, cap * random.random())  # noqa: S311 - spreading load, not a secret


def _may_be_mailed(row: Notification) -> bool:
    """Return whether the job's address is the one to ask, or has been confirmed."""
    is_confirmed = confirmation.is_confirmed(row.job.owner, row.job.email)
    if row.channel == Notification.Channel.CONFIRM:
        return not is_confirmed and row.recipient == mail_limits.digest(row.job.email)
    return is_confirmed


def _message(row: Notification, token: str, *, now: datetime) -> Message:
    if row.subscription is None:
        is_question = row.channel == Notification.Channel.CONFIRM
        return Message(
            row, token, mail=email.confirmation_mail(row.job) if is_question else email.mail(row.job, now=now)
        )
    target = push.Target(row.subscription.endpoint, row.subscription.p256dh, row.subscription.auth)
    return Message(
        row,
        token,
        target=target,
        content=email.push_content(row.job),
        topic=email.push_topic(row.job),
        ttl=row.job.erase_at - now,
    )


def _push(message: Message) -> SendResult:
    assert message.target is not None
    now = timezone.now()
    try:
        answer = push.send(message.target, message.content, topic=message.topic, ttl=message.ttl, now=now)
    except Rejected as error:
        return SendResult(message, SendStatus.NEVER, error.detail)
    except Unavailable as error:
        return SendResult(message, SendStatus.LATER, error.detail)
    if 200 <= answer.status < 300:
        return SendResult(message, SendStatus.SENT)
    refusal = f"HTTP {answer.status}: {answer.excerpt()}"
    if answer.status in (404, 410):
        return SendResult(message, SendStatus.GONE, refusal)
    if answer.status == 429 or answer.status >= 500 or answer.status == 408:
        return SendResult(message, SendStatus.LATER, refusal, retry_after(answer.headers, now=now))
    return SendResult(message, SendStatus.NEVER, refusal)


def _mail(message: Message) -> SendResult:
    assert message.mail is not None
    try:
        message.mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        is_final = min(codes, default=0) >= 500
        return SendResult(message, SendStatus.NEVER if is_final else SendStatus.LATER, f"refused: {codes}")
    except smtplib.SMTPResponseException as error:
        # Not its text: servers repeat the address in it.
        is_final = error.smtp_code >= 500 and not isinstance(error, smtplib.SMTPAuthenticationError)
        return SendResult(message, SendStatus.NEVER if is_final else SendStatus.LATER, f"SMTP {error.smtp_code}")
    except (smtplib.SMTPException, OSError) as error:
        return SendResult(message, SendStatus.LATER, type(error).__name__)
    return SendResult(message, SendStatus.SENT)


def _record(result: SendResult, *, now: datetime) -> None:
    message, row = result.message, result.message.notification
    held = _held(row.id, message.lease_token)
    error = result.error[:200]
    if result.status is SendStatus.SENT:
        if held.update(sent_at=now, lease_token="", error=""):
            _after_success(row, now=now)
        return
    logger.info("notification_%s id=%s channel=%s job=%s", result.status.value, row.id, row.channel, row.job_id)
    if result.status is SendStatus.GONE:
        PushSubscription.objects.filter(id=row.subscription_id or 0).delete()
    elif result.status is SendStatus.NEVER or row.tries >= MOST_TRIES:
        if held.update(given_up_at=now, lease_token="", error=error) and result.status is SendStatus.NEVER:
            _count_refusal(row.subscription_id)
    else:
        wait = max(result.wait or timedelta(), backoff(row.tries))
        held.update(due_at=now + wait, lease_token="", error=error)


def _after_success(row: Notification, *, now: datetime) -> None:
    if row.subscription_id:
        PushSubscription.objects.filter(id=row.subscription_id).update(last_ok_at=now, failures=0)
    elif row.channel == Notification.Channel.EMAIL and row.job.status == Job.Status.SUCCEEDED:
        # One message when the film is ready, then the address is forgotten. After a failure staff may try again.
        contact.forget_email(row.job_id)


def _count_refusal(subscription_id: int | None) -> None:
    if subscription_id:
        PushSubscription.objects.filter(id=subscription_id).update(failures=F("failures") + 1)
        PushSubscription.objects.filter(id=subscription_id, failures__gte=MOST_REFUSALS).delete()


def _held(notification_id: int, token: str) -> NotificationQuerySet:
    return Notification.objects.is_open().filter(id=notification_id, lease_token=token)
