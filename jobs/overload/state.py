"""The cluster's load in one row: reconcile measures it once a second, every process reads it at most as often.

Of several reconcile processes one measures; another takes over when the row has not been written for a while. A process
that cannot read the row, or finds it older than STALE, takes it that nothing is overloaded: a dead reconcile closes no
door.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from common.timed_cache import TimedCache
from jobs import heartbeats
from jobs.models import Job, Lane, LoadState, plain_sql
from jobs.models.prepared import Prepared

from .backlog import Backlog, BacklogMeter
from .levels import OPEN_AGAIN_AT, Level, Switch, direction

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
STALE = timedelta(seconds=30)
# An unchanged row is written only so often, and one that is older is anybody's to write.
UNCHANGED, ABANDONED = timedelta(seconds=10), timedelta(seconds=15)
# Waiting jobs are counted no further; more would take reconcile longer than it tells anybody anything.
MOST_COUNTED = 200_000
# What is let in while the door is closed, as a share of what leaves, so that the backlog shrinks.
ADMITTED_SHARE = 0.75
SLOWEST_PER_SECOND = 0.1


@dataclass(frozen=True)
class Load:
    """What a process goes by. `admitted_per_second` is for each web process; None lets everybody in."""

    level: Level = Level.FULL
    waiting: int = 0
    backlog_seconds: float = 0.0
    admitted_per_second: float | None = None
    forced_until: datetime | None = None

    @property
    def skips_posters(self) -> bool:
        return self.level >= Level.NO_POSTERS

    @property
    def shortens_films(self) -> bool:
        return self.level >= Level.SHORT_FILMS

    @property
    def tells_only_the_end(self) -> bool:
        return self.level >= Level.EMAIL_ONLY


OPEN = Load()


def current() -> Load:
    """Return the load as this process last read it, at most FRESH_SECONDS old. Never raises.

    Not inside a transaction: on PostgreSQL a failed read would end that.
    """
    return _cache.get()


def known() -> Load:
    """Return the load as this process last read it, without reading: in threads for HTTP, and in transactions.

    The loops that work lanes call `current` before each claim.
    """
    return _cache.peek() or OPEN


def read_now() -> Load:
    try:
        row = plain_sql.first(LoadState, "id = %s", LoadState.ONLY)
    except (DatabaseError, InterfaceError):
        return OPEN
    return OPEN if row is None else load_of(row, now=timezone.now())


_cache = TimedCache(FRESH_SECONDS, read_now)


def load_of(row: LoadState, *, now: datetime) -> Load:
    """Return what a row says now: staff's level until it expires, nothing that is too old."""
    is_fresh = abs(row.measured_at - now) < STALE  # a clock may have been ahead
    forced = row.forced_level if row.forced_until is not None and row.forced_until > now else None
    return Load(
        level=Level(forced if forced is not None else row.level if is_fresh else Level.FULL),
        waiting=row.waiting if is_fresh else 0,
        backlog_seconds=row.backlog_seconds if is_fresh else 0.0,
        admitted_per_second=row.admitted_per_second if is_fresh else None,
        forced_until=row.forced_until if forced is not None else None,
    )


class Latest:
    """The load for an event loop, which must not wait: the newest known, renewed by a thread of its own.

    Safe from any thread; two that ask at once may start a thread each.
    """

    def __init__(self) -> None:
        self._load, self._asked_at = OPEN, float("-inf")
        self._thread: threading.Thread | None = None

    def get(self) -> Load:
        """Return the newest known load, and have it renewed when it is older than FRESH_SECONDS."""
        is_running = self._thread is not None and self._thread.is_alive()
        if time.monotonic() - self._asked_at > FRESH_SECONDS and not is_running:
            self._asked_at = time.monotonic()
            self._thread = threading.Thread(target=self._read, name="load", daemon=True)
            self._thread.start()
        return self._load

    def _read(self) -> None:
        try:
            self._load = current()
        finally:
            connection.close()


def force(level: Level | None, *, until: datetime | None, by: str) -> None:
    """Set the level by hand until a time, or with None leave it to the measurement again."""
    LoadState.objects.update_or_create(
        id=LoadState.ONLY, defaults={"forced_level": level, "forced_until": until, "forced_by": by}
    )
    _cache.clear()


class LoadMeter:
    """Measures the load in a reconcile process, and writes the row."""

    def __init__(self) -> None:
        self._queue, self._collect = BacklogMeter(), BacklogMeter()
        self._level_switch, self._door_switch = Switch(), Switch()
        self._last: tuple[datetime, int] | None = None  # when it was counted, and how many waited in the queue
        self._next_at = 0.0
        self._name = f"{heartbeats.host_id(settings.VAR_DIR)}-{os.getpid()}"

    def tick(self, *, now: datetime) -> None:
        """Measure, and write the row when it changed. At most a twentieth of the time is spent on counting."""
        started = time.monotonic()
        if started < self._next_at:
            return
        row = plain_sql.first(LoadState, "id = %s", LoadState.ONLY)
        if row is None:
            row, _ = LoadState.objects.get_or_create(id=LoadState.ONLY)
        if row.measured_by != self._name and abs(now - row.measured_at) < ABANDONED:
            self._last = None
            return
        before = _said(row)
        queue, collect, accepted = self._observe(now=now)
        worst = max(queue, collect, key=lambda one: one.seconds)
        limit = settings.ADMISSION_BACKLOG.total_seconds()
        pressure = worst.seconds / limit
        turn = direction(row.level, pressure)
        if self._level_switch.has_lasted(turn, at=started):
            row.level = Level(row.level + turn)
            logger.warning("brownout level=%s backlog_seconds=%.0f", Level(row.level).label, worst.seconds)
        row.waiting, row.backlog_seconds = queue.waiting + collect.waiting, round(worst.seconds, 1)
        row.capacity = worst.capacity
        self._set_door(row, worst, pressure, accepted, at=started)
        if _said(row) != before or row.measured_by != self._name or abs(now - row.measured_at) >= UNCHANGED:
            row.measured_at, row.measured_by = now, self._name
            # What staff forced meanwhile is not ours to write.
            row.save(update_fields=[*_SAID, "measured_at", "measured_by"])
        _cache.put(load_of(row, now=now))
        self._next_at = started + 20 * (time.monotonic() - started) - 1.0

    def _observe(self, *, now: datetime) -> tuple[Backlog, Backlog, float]:
        """Return the backlogs before and behind the providers, and how many jobs were accepted a second."""
        before = self._last[0] if self._last else now
        queued, collecting, accepted, ended = _JOBS.ask(before, now).values()
        queued_before = self._last[1] if self._last else queued
        self._last = now, queued
        at = time.monotonic()
        left = max(0, accepted + queued_before - queued)
        seconds = (now - before).total_seconds()
        return (
            self._queue.observe(at=at, waiting=queued, left=left),
            self._collect.observe(at=at, waiting=collecting, left=ended),
            accepted / seconds if seconds > 0 else 0.0,
        )

    def _set_door(self, row: LoadState, worst: Backlog, pressure: float, accepted: float, *, at: float) -> None:
        """Close the door at the limit, open it below; adapt what each web process lets in to what all of them do."""
        is_closed = row.admitted_per_second is not None
        turn = 1 if not is_closed and pressure >= 1 else -1 if is_closed and pressure < OPEN_AGAIN_AT else 0
        share = max(SLOWEST_PER_SECOND, ADMITTED_SHARE * (worst.capacity or 0.0))
        if self._door_switch.has_lasted(turn, at=at, down=0.0):
            row.admitted_per_second = share if turn > 0 else None
            logger.warning("door %s backlog_seconds=%.0f", "closed" if turn > 0 else "opened", worst.seconds)
        elif is_closed and row.admitted_per_second:
            # Several web processes each let in what the row says: together it should be the share.
            factor = min(1.25, max(0.8, share / accepted)) if accepted else 1.25
            row.admitted_per_second = max(SLOWEST_PER_SECOND / 10, min(share, row.admitted_per_second * factor))


_SAID = ("level", "waiting", "backlog_seconds", "capacity", "admitted_per_second")


def _said(row: LoadState) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in _SAID)


_JOBS = Prepared(
    lambda before, now: {
        "queued": Job.objects.in_queue().order_by()[:MOST_COUNTED],
        "collecting": Job.objects.in_lane(Lane.COLLECT).order_by()[:MOST_COUNTED],
        "accepted": Job.objects.filter(created_at__gt=before, created_at__lte=now).order_by(),
        "ended": Job.objects.filter(finished_at__gt=before, finished_at__lte=now).order_by(),
    },
    Prepared.COUNT,
    moment_count=2,
)
