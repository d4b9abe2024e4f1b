"""What concerns people: photos that have to go, who gets in, and whether anybody hears of anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.mail import get_connection

from jobs import alerts
from jobs.models import AuditEntry
from jobs.now import Facts
from jobs.now.words import number
from notifications.push import application_server_key
from providers.models import KeyFingerprints, ProviderConfig

from .lines import AMBER, GREEN, RED, Line, judged

AREA = "Faces and people"
OLD_SECRET = timedelta(days=365)
_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def promises(facts: Facts) -> Iterator[Line]:
    """Look for photos that should be gone, and for jobs that are nowhere."""
    overdue = facts.house.overdue_erasures
    problem = f"{number(overdue)} photos should be erased by now." if overdue else ""
    yield judged(AREA, "Overdue erasures", problem, good="None.", mend="Reconcile erases; storage has to answer.")
    differences = facts.law.difference_count
    problem = f"{number(differences)} jobs are not where their events say." if differences else ""
    if differences is None:
        yield Line(AREA, "Conservation law", AMBER, "Not read yet.", mend="Reconcile reads it all the time.")
    else:
        yield judged(AREA, "Conservation law", problem, good="Nothing is lost.", mend="`manage.py ledger` names them.")


def doors() -> Iterator[Line]:
    """Look at what keeps strangers out."""
    is_https = settings.PUBLIC_URL.startswith("https://")
    problem = "" if is_https else f"PUBLIC_URL is {settings.PUBLIC_URL}: cameras and passkeys need https."
    yield judged(AREA, "HTTPS", problem, good="People come by https.", mend="Set PUBLIC_URL behind TLS (deploy/nginx).")
    weak = get_user_model().objects.filter(is_staff=True, is_active=True).count()
    problem = "" if settings.REQUIRE_STAFF_2FA else f"All staff ({weak}) may log in with a password alone."
    yield judged(AREA, "Staff's second step", problem, good="A password alone opens nothing.", level=AMBER,
                 mend="Set REQUIRE_STAFF_2FA=1.")  # fmt: skip


def told() -> Iterator[Line]:
    """Look whether people who left, and people who watch, are told."""
    yield _mail()
    key = application_server_key()
    yield Line(AREA, "Push", GREEN, "Pushes are signed with the key that browsers subscribed under.", f"{key[:8]}…")
    channels = ", ".join(alerts.channels())
    problem = "" if channels else "Nobody is told when something is wrong."
    mend = "Set ALERT_EMAILS or ALERT_WEBHOOK_URL."
    yield judged(AREA, "Alerts", problem, good=f"Told by {channels}.", mend=mend, level=AMBER)


def _mail() -> Line:
    """Log in to the mail server, and out again."""
    if settings.EMAIL_BACKEND != _SMTP:
        return Line(AREA, "Mail", AMBER, "No mail server is set: mails are files.", mend="Set EMAIL_URL.")
    started = time.monotonic()
    try:
        server = get_connection(fail_silently=False)
        server.open()
        server.close()
    except (OSError, SMTPException) as error:
        words = f"{settings.EMAIL_HOST} does not let us in: {type(error).__name__}."
        return Line(AREA, "Mail", RED, words, mend="Check EMAIL_URL: host, port, user and password.")
    measured = f"logged in at {settings.EMAIL_HOST} in {time.monotonic() - started:.2f} s"
    return Line(AREA, "Mail", GREEN, "The mail server lets us in.", measured)


def secrets(*, now: datetime) -> Iterator[Line]:
    """Tell the oldest secret: our own keys, and those of enabled providers."""
    ages = {row.name: row.changed_at for row in KeyFingerprints.objects.all()}
    for provider in ProviderConfig.objects.filter(enabled=True, is_managed=False):
        entries = AuditEntry.objects.filter(subject=provider.slug, action="provider_key_changed")
        newest = entries.order_by("-at").values_list("at", flat=True).first()
        ages[f"the key of {provider}"] = newest or provider.created_at
    name, since = min(ages.items(), key=lambda item: item[1], default=("none", now))
    problem = f"{name} has not been changed for {(now - since).days} days." if now - since > OLD_SECRET else ""
    yield judged(AREA, "Secrets' age", problem, good=f"None is older than {OLD_SECRET.days} days.", level=AMBER,
                 mend="Rotate it: docs/operations says how, without a pause.",
                 measured=f"oldest: {name}, {(now - since).days} days")  # fmt: skip


def deploy_checks() -> Iterator[Line]:
    """Run Django's own checks for a deployment."""
    found = [one for one in checks.run_checks(include_deployment_checks=True) if not one.is_silenced()]
    serious = [one for one in found if one.level >= checks.ERROR]
    words = "; ".join(f"{one.id}: {str(one.msg).split('. ')[0]}" for one in (serious or found)[:3])
    level = RED if serious else AMBER
    yield judged(AREA, "Django's deploy checks", words, good="No warnings.", level=level,
                 mend="`manage.py check --deploy` says more.", measured=f"{len(found)} found")  # fmt: skip
