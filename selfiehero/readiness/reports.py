"""Reports as rows, so that whoever opens the page sees the newest one, whoever asked for it and on which host."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from jobs.clock import database_now
from jobs.models import ReadinessReport
from jobs.routing.hosts import this_host

from .lines import AMBER, GREEN, LEVELS, RED, Line
from .measure import measure

logger = logging.getLogger(__name__)

# A report takes a good minute. One that is not there after so long will not come: its process has ended.
GIVEN_UP_AFTER = timedelta(minutes=3)
_KEPT = 50


def newest() -> ReadinessReport | None:
    """Return the newest report that has been measured."""
    return ReadinessReport.objects.exclude(measured_at=None).order_by("-asked_at", "-id").first()


def under_way(*, now: datetime) -> ReadinessReport | None:
    """Return the report that is being measured."""
    open_ones = ReadinessReport.objects.filter(measured_at=None, asked_at__gt=now - GIVEN_UP_AFTER)
    return open_ones.order_by("-asked_at").first()


def begin(*, rate: int, by: str, now: datetime) -> ReadinessReport:
    """Write down that a report is being measured, and forget the oldest ones."""
    with transaction.atomic():
        kept = ReadinessReport.objects.order_by("-asked_at", "-id").values_list("pk", flat=True)[: _KEPT - 1]
        ReadinessReport.objects.exclude(pk__in=list(kept)).delete()
        return ReadinessReport.objects.create(asked_at=now, asked_by=by[:150], host=this_host(), rate=rate)


def complete(report: ReadinessReport, *, drill_seconds: int = 0, idle_seconds: float | None = None) -> list[Line]:
    """Measure a report and write its lines; takes up to two minutes, and the drill's time."""
    lines = measure(
        rate=report.rate,
        now=database_now(),
        drill_seconds=drill_seconds,
        by=report.asked_by,
        idle_seconds=idle_seconds,
    )
    report.lines, report.measured_at = [line.as_json() for line in lines], database_now()
    report.save(update_fields=["lines", "measured_at"])
    return lines


def complete_later(report: ReadinessReport) -> threading.Thread:
    """Measure a report in a thread of this process, because no request waits for addresses outside."""
    thread = threading.Thread(target=_in_thread, args=(report,), name="readiness", daemon=True)
    thread.start()
    return thread


def _in_thread(report: ReadinessReport) -> None:
    try:
        complete(report)
    except Exception:
        logger.exception("readiness_failed report=%s", report.pk)
    finally:
        connection.close()


def worst_of(lines: list[Line] | list[dict[str, Any]]) -> str:
    """Return the worst level of the lines."""
    levels = {line.level if isinstance(line, Line) else line["level"] for line in lines}
    return next((level for level in (RED, AMBER) if level in levels), GREEN)


def counts_of(lines: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many lines there are of each level, the worst first."""
    return {level: sum(line["level"] == level for line in lines) for level in LEVELS}
