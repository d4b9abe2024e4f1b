"""What this process measures of what it stands on: Redis, database, disk and storage, at most every FRESH_SECONDS.

None of it may hold the page up: Redis is asked with its short time-out and not at all while its breaker is open.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from common.timed_cache import TimedCache
from jobs import storage
from jobs.queue import queues
from jobs.queue.redis_breaker import breaker
from jobs.reconcile import erasures

FRESH_SECONDS = 4.0
# As `/readyz` has it.
OVERDUE_AFTER = timedelta(minutes=10)
_CONNECTIONS = (
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), "
    "current_setting('max_connections')::int"
)
FULL_SHARE = 0.85


@dataclass(frozen=True)
class Measured:
    """A word on one thing, and whether it is as it should be: "", "warn" or "bad"."""

    words: str
    tone: str = ""


@dataclass(frozen=True)
class House:
    at: datetime
    queues: Measured
    redis: Measured
    database: Measured
    disk: Measured
    storage: Measured
    overdue_erasures: int
    # RQ jobs that wait in each queue; empty while Redis does not answer.
    depths: Mapping[str, int] = field(default_factory=dict)


def look() -> House:
    """Return what was measured within the last seconds, or is measured now."""
    return _cache.get()


def look_now() -> House:
    """Measure everything."""
    queued, memory, depths = _redis()
    return House(
        timezone.now(),
        queued,
        memory,
        _database(),
        _disk(),
        _storage(),
        erasures.overdue(now=timezone.now(), by=OVERDUE_AFTER),
        depths,
    )


_cache = TimedCache(FRESH_SECONDS, lambda: look_now())  # asked by name: tests replace it


def _redis() -> tuple[Measured, Measured, dict[str, int]]:
    """Return how long the queues are, and how fast and large the server is."""
    started = time.perf_counter()
    try:
        with breaker.guard():
            queues.client().ping()
            took = time.perf_counter() - started
            depths = queues.depths()
            memory = int(queues.client().info("memory")["used_memory"])
    except (redis.RedisError, OSError) as error:
        return Measured("not known", "warn"), Measured(f"no answer: {type(error).__name__}", "bad"), {}
    said = ", ".join(f"{lane} {depth}" for lane, depth in depths.items() if depth) or "empty"
    return Measured(said), Measured(f"{took * 1000:.1f} ms, {memory / 1e6:.0f} MB"), depths


def _database() -> Measured:
    """Return how long it takes to answer; how large it is (SQLite), or how many connections are used (PostgreSQL)."""
    with connection.cursor() as cursor:
        is_counted = connection.vendor == "postgresql"
        started = time.perf_counter()
        try:
            cursor.execute(_CONNECTIONS if is_counted else "SELECT 1")
        except DatabaseError:
            if not is_counted:
                raise
            is_counted = False
            cursor.execute("SELECT 1")
        took = f"{(time.perf_counter() - started) * 1000:.1f} ms"
        used, most = cursor.fetchone() if is_counted else (0, 0)
    if is_counted:
        return Measured(f"{took}, {used} of {most}", "warn" if used > most * FULL_SHARE else "")
    try:
        size = Path(str(connection.settings_dict["NAME"])).stat().st_size
    except OSError:
        return Measured(took)
    return Measured(f"{took}, {_size(size)}")


def _disk() -> Measured:
    usage = shutil.disk_usage(_existing(Path(settings.MEDIA_ROOT)))
    share = usage.used / usage.total
    tone = "bad" if storage.free_bytes_when_full() is not None else "warn" if share > FULL_SHARE else ""
    return Measured(f"{share:.0%} used, {_size(usage.free)} free", tone)


def _storage() -> Measured:
    if not settings.S3_BUCKET:
        return Measured("on this disk")
    return Measured("no answer", "bad") if storage.is_away() else Measured("bucket answers")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _size(count: int) -> str:
    return (
        f"{count / 1e9:.0f} GB"
        if count >= 10e9
        else f"{count / 1e9:.1f} GB"
        if count >= 1e9
        else f"{count / 1e6:.0f} MB"
    )
