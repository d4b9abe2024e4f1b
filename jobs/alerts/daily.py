"""The daily report: what happened yesterday, for those who did not look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings

from jobs.models import Alert
from jobs.now.words import money, number, spread
from jobs.rollups import day, histograms
from providers.models import ProviderConfig

from . import messages
from .rules import RULES

# A product that was down at the hour of the report still tells; later it is no news.
LATEST = timedelta(hours=6)
_MADE = (("succeeded", "films"), ("failed", "failed"), ("refused", "refused"))


def write_report(*, now: datetime) -> int:
    """Write the report of yesterday (UTC) at its hour, once; return how many messages were written."""
    local = now.astimezone(UTC)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    due = midnight + timedelta(hours=settings.ALERT_REPORT_HOUR)
    if not due <= local <= due + LATEST or not messages.channels():
        return 0
    yesterday = midnight - timedelta(microseconds=1)
    about = f"{yesterday:%Y-%m-%d}"
    if messages.is_written("report", about):
        return 0
    subject, body = text_of(yesterday)
    return messages.write("report", about, subject, body, now=now)


def text_of(moment: datetime) -> tuple[str, str]:
    """Return the subject and the text of the report of the day until this moment."""
    jobs, by_provider = day.today(now=moment)
    counts = jobs.counts
    ended = counts["succeeded"] + counts["failed"] + counts["canceled"]
    films = histograms.percentile(jobs.histograms.get("films", {}), 0.5)
    slow = histograms.percentile(jobs.histograms.get("films", {}), 0.95)
    cost = sum(float(its.cost) for its in by_provider.values())
    words, unit = spread(films, slow)
    lines = [
        f"Accepted {number(counts['accepted'])}, films {number(counts['succeeded'])}, "
        f"failed {number(counts['failed'])}, canceled {number(counts['canceled'])}.",
        f"Time to the film, p50 / p95: {words} {unit}.",
    ]
    if counts["promised"]:
        lines.append(f"Promises kept: {counts['kept'] / counts['promised']:.1%} of {number(counts['promised'])}.")
    titles = {row.pk: str(row) for row in ProviderConfig.objects.all()}
    for provider_id, its in sorted(by_provider.items(), key=lambda one: -one[1].counts["succeeded"]):
        made = ", ".join(f"{number(its.counts[name])} {word}" for name, word in _MADE)
        lines.append(f"{titles.get(provider_id, 'A provider')}: {made}, {money(float(its.cost))}.")
    alerts = list(Alert.objects.filter(began_at__date=moment.date(), told_at__isnull=False).order_by("began_at"))
    said = ", ".join(f"{RULES[Alert.Rule(one.rule)].title.lower()} {one.subject}".strip() for one in alerts)
    lines.append(f"Alerts: {said}." if said else "No alerts.")
    share = f", {counts['failed'] / ended:.1%} failed" if ended else ""
    return f"{moment:%d %B}: {number(counts['succeeded'])} films, {money(cost)}{share}", "\n".join(lines)
