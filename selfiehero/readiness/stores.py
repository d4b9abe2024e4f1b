"""What the product keeps things in, tried from this host: storage that answers in time, the bucket as pages use it,
what Redis writes to its disk, connections to the database."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.utils import timezone

from jobs import storage
from jobs.now import Facts
from jobs.queue import queues
from providers.errors import ProviderError
from providers.http import untrusted
from selfiehero.health import serving as health
from selfiehero.server import database

from .lines import AMBER, GREEN, RED, Line
from .machines import AREA

SLOW_SECONDS, HANGING_SECONDS = 2.0, 20.0
# A worker or reconcile: its main thread, its heartbeat and what it notes in between (docs/operations).
CONNECTIONS_OF_A_WORKER = 3
# From this share of the limit on, a rolling release, which runs both, has no room.
FULL_SHARE = 0.7


def storage_round_trip() -> Iterator[Line]:
    """Write, read and delete a file, and tell how long that took; a storage that hangs is waited for only so long."""
    name, answers = "Storage round trip", list[str]()
    started = time.monotonic()
    # What hangs in a network file system cannot be ended: its thread is left behind.
    thread = threading.Thread(target=lambda: answers.append(health.storage_round_trip()), daemon=True, name="storage")
    thread.start()
    thread.join(HANGING_SECONDS)
    took = time.monotonic() - started
    measured = f"{took:.2f} s"
    mend = "Check the bucket's name, keys and policy, or the disk."
    if not answers:
        words = "It hangs: photos cannot be taken, and each request that tries waits."
        yield Line(AREA, name, RED, words, f"no answer within {took:.0f} s", "Look at the bucket's or the disk's host.")
    elif answers[0] != health.OK:
        yield Line(AREA, name, RED, answers[0], measured, mend)
    elif took > SLOW_SECONDS:
        words = "A file was written, read and deleted, but slowly."
        yield Line(AREA, name, AMBER, words, measured, "Choose a bucket near by, or a faster disk.")
    else:
        yield Line(AREA, name, GREEN, "A file was written, read and deleted.", measured)


def bucket_for_pages() -> Iterator[Line]:
    """Read a file of the bucket as the page does, by its signed address and from PUBLIC_URL's origin (CORS)."""
    if not settings.S3_BUCKET:
        return
    name = "Bucket for pages"
    key = storage.save(f"health/{secrets.token_hex(16)}.jpg", b"readiness")
    try:
        address = storage.signed_url(key, filename="", now=timezone.now())
        place = f"{urlsplit(address).scheme}://{urlsplit(address).netloc}"
        answer = untrusted.get(
            address,
            headers={"Origin": settings.PUBLIC_URL},
            connect_seconds=5.0,
            total_seconds=HANGING_SECONDS,
            trusted=[urlsplit(address).netloc],
        )
    except ProviderError as error:
        mend = "Set S3_ENDPOINT_URL to the address that browsers reach the bucket by."
        yield Line(AREA, name, RED, f"{place} cannot be reached by a signed address.", error.detail, mend)
        return
    finally:
        storage.delete([key])
    allowed = answer.headers.get("access-control-allow-origin", "")
    measured = f"{answer.status}, Access-Control-Allow-Origin: {allowed or 'none'}"
    if answer.status != 200:
        mend = "Check the bucket's policy, S3_REGION and this host's clock."
        yield Line(AREA, name, RED, "A signed address of the bucket is refused: no film can be seen.", measured, mend)
    elif allowed not in ("*", settings.PUBLIC_URL):
        words = "Pages may not read photos and posters: they are shown, but not placed eyes on eyes."
        mend = f"Give the bucket a CORS rule: origin {settings.PUBLIC_URL}, method GET, every header (docs/operations)."
        yield Line(AREA, name, AMBER, words, measured, mend)
    else:
        yield Line(AREA, name, GREEN, "Pages see and read what is in it.", measured)


def redis_disk() -> Iterator[Line]:
    """Tell what Redis keeps on its disk, and whether a write to it failed, after which it takes nothing."""
    name, client = "Redis persistence", queues.client()
    try:
        told = client.info("persistence")
    except (redis.RedisError, OSError):
        return  # it is away, and has a line that says so
    try:
        set_to = client.config_get("save", "appendfsync", "stop-writes-on-bgsave-error")
    except (redis.RedisError, OSError):
        set_to = {}  # managed servers forbid the question
    has_log, has_snapshots = bool(told.get("aof_enabled")), bool(set_to.get("save"))
    kinds = [kind for kind, is_on in (("AOF", has_log), ("snapshots", has_snapshots)) if is_on]
    stops = has_snapshots and set_to.get("stop-writes-on-bgsave-error", "yes") == "yes"
    failed = (has_log and told.get("aof_last_write_status", "ok") != "ok") or (
        stops and told.get("rdb_last_bgsave_status", "ok") != "ok"
    )
    measured = (
        f"AOF {'on' if has_log else 'off'}, snapshots {'on' if has_snapshots else 'off' if set_to else 'unknown'}"
    )
    if failed:
        words = "It could not write to its disk, and refuses every write until it can: all work starts a second later."
        mend = 'Make room on its disk, or keep nothing there: CONFIG SET appendonly no, CONFIG SET save "".'
        yield Line(AREA, name, RED, words, measured, mend)
    elif has_log and set_to.get("appendfsync") == "always":
        words = "Every nudge waits for its disk, and no job depends on what is written there."
        yield Line(AREA, name, AMBER, words, f"{measured}, appendfsync always", "CONFIG SET appendfsync everysec.")
    elif kinds:
        words = f"It keeps {' and '.join(kinds)}; no job depends on them, and a snapshot may need its memory once more."
        yield Line(AREA, name, GREEN, words, measured)
    else:
        words = "It keeps nothing: a restart forgets limits of visitors, the cache and nudges, and no job."
        yield Line(AREA, name, GREEN, words, measured)


def connections(facts: Facts) -> Iterator[Line]:
    """Compare the connections that all processes may hold with those that PostgreSQL gives."""
    if connection.vendor != "postgresql":
        return
    if connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        yield Line(AREA, "Database connections", GREEN, "A pooler shares them.", "DATABASE_POOLER=transaction")
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int"
        )
        most, reserved = cursor.fetchone()
    yield judge_connections(facts, most=most - reserved)


def judge_connections(facts: Facts, *, most: int) -> Line:
    """Return the line for a database that gives so many connections to everybody."""
    alive = [process for process in facts.processes if not process.is_late]
    hosts = max(1, len({process.host for process in alive}))
    of_web = database.most_connections()
    needed = hosts * of_web + CONNECTIONS_OF_A_WORKER * len(alive)
    measured = (
        f"up to {needed} ({hosts} web processes × {of_web}, {len(alive)} others × {CONNECTIONS_OF_A_WORKER}) of {most}"
    )
    mend = "Raise max_connections, lower WEB_THREADS, or put PgBouncer before it (docs/operations)."
    if needed > most:
        words = "On a full evening some processes get no connection, and answer 503."
        return Line(AREA, "Database connections", RED, words, measured, mend)
    if needed > most * FULL_SHARE:
        words = "They suffice, but not for a rolling release, which runs old and new processes at once."
        return Line(AREA, "Database connections", AMBER, words, measured, mend)
    words = "They suffice, with one web process on each host that reports."
    return Line(AREA, "Database connections", GREEN, words, measured)
