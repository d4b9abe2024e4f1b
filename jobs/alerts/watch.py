"""Opens alerts and ends them.

seen first ── hold ──► told ── not seen for WELL_FOR ──► over, told again
     └── not seen any more before that ──► forgotten, nobody was told
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction

from jobs.models import Alert
from jobs.now import Facts
from jobs.now.words import length

from . import messages
from .rules import RULES, found_in

logger = logging.getLogger(__name__)

# So long it has to be well before people are told that it is over: what comes and goes is one alert.
WELL_FOR = timedelta(minutes=1)
KEEP = timedelta(days=60)


def watch(facts: Facts) -> None:
    """Bring the alerts up to date with what is wrong. Several processes may do it: each change is made once."""
    now = facts.at
    seen = set()
    for rule, wrong in found_in(facts):
        seen.add((rule.value, wrong.subject))
        with transaction.atomic():
            alert, is_new = Alert.objects.get_or_create(
                rule=rule,
                subject=wrong.subject,
                ended_at=None,
                defaults={"level": wrong.level, "words": wrong.words[:300], "began_at": now, "seen_at": now},
            )
            if not is_new:
                Alert.objects.filter(pk=alert.pk, ended_at=None).update(
                    seen_at=now, level=wrong.level, words=wrong.words[:300]
                )
            if alert.told_at is None and now - alert.began_at >= RULES[rule].hold:
                _tell_of(alert, wrong.words, now=now)
    for alert in Alert.objects.filter(ended_at=None):
        if (alert.rule, alert.subject) not in seen:
            _end(alert, now=now)
    Alert.objects.filter(began_at__lt=now - KEEP, ended_at__isnull=False).delete()


def _tell_of(alert: Alert, words: str, *, now: datetime) -> None:
    # Whoever writes the time first writes the messages.
    if Alert.objects.filter(pk=alert.pk, told_at=None, ended_at=None).update(told_at=now):
        title = RULES[Alert.Rule(alert.rule)].title
        which = f": {alert.subject}" if alert.subject else ""
        logger.warning("alert_began rule=%s subject=%s", alert.rule, alert.subject or "-")
        messages.write("began", str(alert.pk), f"{title}{which}", words, now=now)


def _end(alert: Alert, *, now: datetime) -> None:
    if alert.told_at is None:
        Alert.objects.filter(pk=alert.pk, told_at=None).delete()
        return
    if now - alert.seen_at < WELL_FOR:
        return
    with transaction.atomic():
        if Alert.objects.filter(pk=alert.pk, ended_at=None, seen_at=alert.seen_at).update(ended_at=now):
            title = RULES[Alert.Rule(alert.rule)].title
            which = f": {alert.subject}" if alert.subject else ""
            logger.warning("alert_over rule=%s subject=%s", alert.rule, alert.subject or "-")
            took = length((alert.seen_at - alert.began_at).total_seconds())
            messages.write("over", str(alert.pk), f"Over: {title}{which}", f"It lasted {took}. {alert.words}", now=now)
