"""What reconcile has to do, asked in one statement a tick: while nothing is overdue the other steps cost nothing.

Each question is the queryset that its step works on, so whatever a step would find is found here. Where a step takes
more conditions into account (which provider, for how long), the question is the wider one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.db.models import QuerySet

from jobs.clock import database_now
from jobs.lanes import ingest, polling, pumps
from jobs.models import Job, Lane
from jobs.models.prepared import Prepared

from . import connection_tests, erasures, look_samples, maintenance, retention

logger = logging.getLogger(__name__)

# A lane or a delivery that is due for longer has no pump that works on it.
OVERDUE = timedelta(seconds=1)
# An answer of another thread is used for so long.
FRESH_SECONDS = 1.0


def overdue_in(lane: str, *, now: datetime) -> QuerySet[Job]:
    """Return the jobs of a lane that its pump should have claimed."""
    return Job.objects.in_lane(lane).filter(due_at__lt=now - OVERDUE)


def late_jobs(*, now: datetime) -> QuerySet[Job]:
    """Return the open jobs past their deadline."""
    return Job.objects.is_open().filter(deadline_at__lte=now)


def _questions(now: datetime) -> dict[str, QuerySet[Any, Any]]:
    return {
        **{f"lane {lane}": overdue_in(lane, now=now) for lane in Lane.values},
        **{f"lane {lane}": due(now) for lane, due in pumps.others().items()},
        "deliveries": ingest.recorded(now=now - OVERDUE),
        "lapsed leases": polling.lapsed(now=now),
        "late attempts": polling.late(now=now),
        "late jobs": late_jobs(now=now),
        "no sign of work": polling.without_sign(now=now),
        "unconfirmed": polling.unconfirmed(now=now),
        "silent": polling.silent(now=now),
        "unwanted": polling.unwanted(now=now),
        "secrets": maintenance.secrets_due(now=now),
        "kept warm": maintenance.kept_warm(),
        "connection tests": connection_tests.waiting(),
        "look samples": look_samples.waiting(),
        "erasures": erasures.ended(now=now),
        "erasures of open jobs": retention.still_open(now=now),
        "photos": erasures.with_photo(now=now),
    }


class Due:
    """The newest answers, shared by the threads of one reconcile process."""

    def __init__(self) -> None:
        self._prepared = Prepared(_questions, Prepared.ANY)
        self._lock = threading.Lock()
        self._answers: dict[str, bool] = {}
        self._asked_at = float("-inf")

    def look(self) -> None:
        """Ask now, whatever is known. When the questions themselves fail there is work everywhere: steps look again."""
        answers: dict[str, bool]
        try:
            answers = self._prepared.ask(database_now())
        except (OperationalError, InterfaceError):
            raise  # the database is away, for the steps as well
        except Exception:
            logger.exception("questions_failed")
            connection.close()
            answers = defaultdict(lambda: True)
        with self._lock:
            self._answers, self._asked_at = answers, time.monotonic()

    def has(self, *questions: str) -> bool:
        """Return whether any of these has work; True for none of them, which are steps that are always done."""
        if not questions:
            return True
        with self._lock:
            is_fresh = time.monotonic() - self._asked_at < FRESH_SECONDS
        if not is_fresh:
            self.look()
        return any(self._answers[question] for question in questions)

    def lanes(self) -> tuple[str, ...]:
        """Return the questions about lanes whose jobs have been due for too long."""
        return tuple(f"lane {lane}" for lane in Lane.values)

    def other_lanes(self) -> tuple[str, ...]:
        """Return the questions about the lanes of other apps."""
        return tuple(f"lane {lane}" for lane in pumps.others())
