"""Alive, and able to accept: `/healthz` and `/readyz`.

Ready means that an upload can be kept and served: the database takes writes, the disk has room or the bucket answers,
the process is not on its way out, and what `selfiehero.health.serving` checks is ok. `state` is "ready", "degraded" or
"not ready". Redis is not needed for that, so without it the answer is "degraded" and still 200. Workers and
reconcile are listed for people to read: a late worker delays films, it does not lose photos. So are the load, the
ledger (`selfiehero.health.ledger`) and what this kernel offers to confine the sandboxes: neither a difference nor a
lack makes the answer 503.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.core.cache import cache as shared_cache
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from common import redis_clients
from common.timed_cache import TimedCache
from common.times import rfc3339
from confinement.confine import offered as offered_confinement
from jobs import storage
from jobs.models import Heartbeat
from selfiehero import proxies
from selfiehero.server.admission import gate
from selfiehero.server.drain import draining

from . import ledger, serving
from .serving import ServingChecks

LANES = ("prepare", "dispatch", "collect")
# Without one of these no upload can be kept, or nothing can be served.
NEEDED = ("database", "disk", "storage", *serving.CHECKS)
CHECK_SECONDS = 1.0
# So long the first request of a process waits for the results of `serving`; until they are there it is not ready.
FIRST_SERVING_SECONDS = 0.5
# Many who ask at once get the result of one check.
FRESH_SECONDS = 0.5
# Everybody beats every five seconds, idle or not; who has not for so long hangs or is gone.
LATE_SECONDS = 20.0
RETRY_AFTER = "5"

# A thread of its own with a connection of its own: a database that hangs holds no request for longer than a check.
_database_thread = ThreadPoolExecutor(1, thread_name_prefix="health")
_bucket_thread = ThreadPoolExecutor(1, thread_name_prefix="health-storage")
_serving = ServingChecks()


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Alive: the process answers. Asks nothing of anybody."""
    return JsonResponse({"ok": True})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """Able to accept an upload: 200, or 503 with what is wrong."""
    found = results()
    is_ready = all(found[name] == "ok" for name in NEEDED) and not draining.is_set()
    state = "not ready" if not is_ready else "degraded" if is_degraded(found) else "ready"
    response = JsonResponse(
        {"ready": is_ready, "state": state, "draining": draining.is_set(), **found}, status=200 if is_ready else 503
    )
    if not is_ready:
        response["Retry-After"] = RETRY_AFTER
    return response


def is_degraded(found: dict[str, Any]) -> bool:
    """Whether something is late, missing or differs that does not keep an upload from being accepted."""
    return bool(
        found["redis"] != "ok" or found["late"] or found["overdue_erasures"] or found["ledger"].get("differences")
    )


def results() -> dict[str, Any]:
    """Return what was found within the last moments, or within a second from now."""
    return _cache.get()


def check_now() -> dict[str, Any]:
    """Ask database, disk, bucket and Redis."""
    asked, give_up_at = _database_thread.submit(ask_database), time.monotonic() + CHECK_SECONDS
    bucket = _bucket_thread.submit(storage.is_away)
    found = {"disk": disk(), "redis": ask_redis()}
    try:
        answer = asked.result(timeout=max(0.0, give_up_at - time.monotonic()))
    except TimeoutError:
        asked.cancel()
        answer = heartbeats("no answer within a second", [])
    try:
        found["storage"] = "away" if bucket.result(timeout=max(0.0, give_up_at - time.monotonic())) else "ok"
    except TimeoutError:
        found["storage"] = "no answer within a second"
    return {
        **answer,
        **found,
        **_serving.results(wait_seconds=FIRST_SERVING_SECONDS),
        "proxies": proxies.advice(),
        "confinement": confinement(),
        "load": load(),
    }


def load() -> dict[str, Any]:
    """Say how much waits in the cluster, what is left out for it, and how many new jobs this process lets in."""
    known = gate.latest.get()
    return {
        "level": known.level.label,
        "forced_until": rfc3339(known.forced_until) if known.forced_until else None,
        "waiting": known.waiting,
        "backlog_seconds": known.backlog_seconds,
        "admits_per_second": known.admitted_per_second,
        "door": gate.told(),
    }


@cache
def confinement() -> dict[str, Any]:
    """Say what this machine's kernel offers to confine the processes that open untrusted photos and films."""
    offered = offered_confinement()
    return {"complete": offered.is_complete, "by": str(offered)}


_cache = TimedCache(FRESH_SECONDS, lambda: check_now())  # asked by name: tests replace it


def ask_database() -> dict[str, Any]:
    """Say whether the database takes writes, and when the other processes were last seen."""
    try:
        check_writable()
        seen = list(Heartbeat.objects.order_by("name", "host"))
        inspected = ledger.result()
    except (DatabaseError, OSError) as error:
        return heartbeats(f"failed: {type(error).__name__}", [])
    finally:
        connection.close()
    return heartbeats("ok", seen, inspected)


def check_writable() -> None:
    """Raise DatabaseError when the database would not take a write within a second."""
    milliseconds = int(CHECK_SECONDS * 800)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA busy_timeout={milliseconds}")
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(milliseconds)])
            cursor.execute("SELECT current_setting('transaction_read_only') = 'off'")
            if not cursor.fetchone()[0]:
                raise DatabaseError("read-only")


def heartbeats(database: str, seen: Sequence[Heartbeat], inspected: dict[str, Any] = ledger.NOT_YET) -> dict[str, Any]:
    """Return what the heartbeats say: by lane the newest one's age, each process by host, and who is late.

    `inspected` is what there is to say of the ledger.
    """
    expected = (*(f"worker-{lane}" for lane in LANES), "reconcile")
    ages: dict[str, float | None] = dict.fromkeys(expected)
    processes, late = [], []
    for beat in seen:
        seconds = age(beat.seen_at)
        processes.append({"name": beat.name, "host": beat.host, "version": beat.version, "age": seconds})
        if beat.name in ages:
            newest = ages[beat.name]
            ages[beat.name] = seconds if newest is None else min(newest, seconds)
            if seconds > LATE_SECONDS:
                late.append(f"{beat.name}@{beat.host}" if beat.host else beat.name)
    return {
        "database": database,
        "workers": {lane: ages[f"worker-{lane}"] for lane in LANES},
        "reconcile": ages["reconcile"],
        "processes": processes,
        "versions": sorted({beat.version for beat in seen if beat.version} | {settings.PRODUCT_VERSION}),
        "late": late,
        "ledger": inspected,
    }


def age(seen_at: datetime) -> float:
    return round(max(0.0, (timezone.now() - seen_at).total_seconds()), 1)


def disk() -> str:
    """Say "ok" when there is room for uploads and films."""
    try:
        left = storage.free_bytes_when_full()
    except OSError as error:
        return f"failed: {type(error).__name__}"
    return "ok" if left is None else f"full: {left // 2**20} MB free"


def ask_redis() -> str:
    """Say "ok", or "degraded" and why: photos are accepted without it, only slower to start.

    Both ways to it are tried by writing and reading: the plain client's, and the cache's, which reads addresses in its
    own way and counts for the limits of every request.
    """
    key, value = f"health:{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        for url in dict.fromkeys((settings.REDIS_URL, *settings.CHANNELS_REDIS_URLS)):
            with redis_clients.client(url, timeout=settings.REDIS_TIMEOUT) as client:
                client.set(key, value, ex=10)
                if client.get(key) != value.encode():
                    return "degraded: another value was read than was written"
        shared_cache.set(key, value, 10)
        if shared_cache.get(key) != value:
            return "degraded: the cache does not keep what is written"
    except (redis.RedisError, OSError) as error:
        return f"degraded: {type(error).__name__}"
    except Exception as error:  # noqa: BLE001 - an address that a client cannot read is told too
        return f"degraded: REDIS_URL cannot be used ({type(error).__name__})"
    return "ok"
