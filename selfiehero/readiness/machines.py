"""Database, Redis, storage, processes and versions, as they are measured from this host."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Any

import redis
from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.db import connection

from jobs.now import Facts
from jobs.queue import queues
from providers import keys
from selfiehero.health import serving as health

from .lines import AMBER, GREEN, RED, Line, judged

AREA = "Machines"
_OURS = {"jobs", "providers", "notifications"}
FEWEST_FILES, FEW_FILES = 1024, 8192
# What holds faces in a bucket (docs/operations).
_EXPIRING = ("raw", "clean", "preview", "poster", "video")
_MENDS = {
    "static_files": "Run `manage.py up --prepare`, then restart the web processes.",
    "migrations": "Run `manage.py migrate` before the new release serves.",
    "keys": "Copy SECRET_KEY and FIELD_KEYS from a host that works (docs/operations).",
}
_GOOD = {
    "static_files": "The manifest is loaded.",
    "migrations": "All are applied.",
    "keys": "They are the database's.",
}


def processes(facts: Facts) -> Iterator[Line]:
    """Look whether each kind of process works, and whether all run the same release."""
    wanted = {"worker-prepare", "worker-dispatch", "worker-collect", "reconcile"}
    alive = {process.name for process in facts.processes if not process.is_late}
    missing = sorted(wanted - alive)
    problem = f"Nobody does the work of {', '.join(missing)}." if missing else ""
    hosts = len({process.host for process in facts.processes if not process.is_late})
    yield judged(
        AREA, "Processes", problem, good="Every kind of work is done.", mend="Start it: deploy/role, or `make up`.",
        measured=f"{len(alive)} kinds on {hosts} hosts",
    )  # fmt: skip
    yield from _same_everywhere(facts)


def _same_everywhere(facts: Facts) -> Iterator[Line]:
    """Compare what the other hosts' heartbeats tell of their release and their keys with this host's."""
    alive = [process for process in facts.processes if not process.is_late]
    hosts = sorted({process.host for process in alive})
    ours, own_keys = settings.PRODUCT_VERSION, keys.digest_of_own()
    others = sorted({f"{one.host or 'one'} runs {one.version}" for one in alive if one.version not in ("", ours)})
    problem = f"This host runs {ours}, {', '.join(others[:5])}." if others else ""
    told = len({process.host for process in alive if process.version})
    yield judged(
        AREA, "Equal versions", problem, good=f"All run {ours}.", mend="Finish the rolling release.", level=AMBER,
        measured=f"{told} of {len(hosts)} hosts tell theirs",
    )  # fmt: skip
    others = sorted({one.host or "one" for one in alive if one.keys not in ("", own_keys)})
    problem = f"Other keys than this host's: {', '.join(others[:5])}. It cannot read what they sign and encrypt."
    told = len({process.host for process in alive if process.keys})
    yield judged(
        AREA, "Equal keys", problem if others else "", good="No host has other keys.",
        mend="Give every host the same SECRET_KEY and FIELD_KEYS, then restart it (docs/operations).",
        measured=f"{told} of {len(hosts)} hosts tell theirs",
    )  # fmt: skip


def house(facts: Facts) -> Iterator[Line]:
    """Say what the first page's look at Redis, database and disk found, and what Redis is set to."""
    found = facts.house
    problem = "" if found.redis.tone != "bad" else f"Redis gives {found.redis.words}."
    yield judged(AREA, "Redis", problem or _eviction(), good=f"Answers in {found.redis.words}.", level=AMBER,
                 mend="Without Redis work starts a second later. Set maxmemory-policy noeviction.")  # fmt: skip
    is_one_host = connection.vendor == "sqlite"
    if is_one_host:
        words = "SQLite serves one host."
        yield Line(AREA, "Database", AMBER, words, found.database.words, "Set DATABASE_URL for more than one host.")
    else:
        problem = "Few connections are left." if found.database.tone else ""
        mend = "Raise max_connections, or lower WEB_THREADS."
        yield judged(
            AREA, "Database", problem, good="Its connections suffice.", mend=mend, measured=found.database.words
        )
    level = {"bad": RED, "warn": AMBER}.get(found.disk.tone, GREEN)
    mend = "" if level == GREEN else "Make room, or keep files in a bucket (S3_BUCKET)."
    yield Line(AREA, "Disk", level, "Room for photos and films.", found.disk.words, mend)


def _eviction() -> str:
    try:
        policy = str(queues.client().config_get("maxmemory-policy").get("maxmemory-policy", ""))
    except (redis.RedisError, OSError):
        return ""  # managed servers forbid the question
    return "" if policy in ("noeviction", "") else f"It forgets nudges when it is full ({policy})."


def serving() -> Iterator[Line]:
    """Make the checks of `/readyz` that decide whether what is accepted can be served; `stores` tries the storage."""
    for name in _GOOD:
        check = health.CHECKS[name]
        answer = check()
        problem = "" if answer == health.OK else answer
        yield judged(AREA, name.replace("_", " ").capitalize(), problem, good=_GOOD[name], mend=_MENDS[name])


def indexes() -> Iterator[Line]:
    """Compare the indexes that the release declares with those that the database has."""
    missing: list[str] = []
    with connection.cursor() as cursor:
        for model in apps.get_models():
            if model._meta.app_label in _OURS and model._meta.managed:
                there = connection.introspection.get_constraints(cursor, model._meta.db_table)
                missing += [index.name for index in model._meta.indexes if index.name not in there]
        if connection.vendor == "postgresql":
            # A CREATE INDEX CONCURRENTLY that was interrupted leaves one that is written to and never read.
            cursor.execute(
                "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE NOT indisvalid"
            )
            missing += [name for (name,) in cursor.fetchall()]
    problem = f"Missing or not valid: {', '.join(sorted(missing)[:5])}." if missing else ""
    mend = "Drop what is not valid, then make it as the migration that has its name does."
    yield judged(AREA, "Indexes", problem, good="All are there.", mend=mend)


def bucket() -> Iterator[Line]:
    """Ask whether the bucket is closed to strangers, and empties every folder should reconcile stand still."""
    if not settings.S3_BUCKET:
        return
    from botocore.exceptions import ClientError  # only with a bucket: it costs every process 20 MB

    client = storages["default"].connection.meta.client  # type: ignore[attr-defined]
    days = _expiry_days(client)
    level = GREEN if days else AMBER
    words = f"Photos and films expire there after {days} days." if days else "Not all in the bucket expires by itself."
    mend = "Add a lifecycle rule on raw, clean, preview, poster and video (docs/operations)."
    yield Line(AREA, "Lifecycle rule", level, words, mend=mend)
    is_public: bool | None
    try:
        is_public = bool(client.get_bucket_policy_status(Bucket=settings.S3_BUCKET)["PolicyStatus"]["IsPublic"])
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        is_public = False if code == "NoSuchBucketPolicy" else None  # some S3s know no policies
    problem = "Everybody may read the photos in it." if is_public else ""
    problem = problem or ("It does not tell who may read." if is_public is None else "")
    mend = "Remove the bucket's public policy; addresses are presigned."
    level = RED if is_public else AMBER
    yield judged(AREA, "Bucket is private", problem, good="No policy opens it.", mend=mend, level=level)


def _expiry_days(client: Any) -> int | None:
    from botocore.exceptions import ClientError

    try:
        rules = client.get_bucket_lifecycle_configuration(Bucket=settings.S3_BUCKET)["Rules"]
    except ClientError:
        return None
    days_by_folder: dict[str, int] = {}
    for rule in rules:
        days, chosen = rule.get("Expiration", {}).get("Days"), rule.get("Filter", {})
        # One that looks at tags or sizes too spares some files.
        if rule.get("Status") == "Enabled" and days and chosen.keys() <= {"Prefix"}:
            begins = rule.get("Prefix") or chosen.get("Prefix") or ""
            covered = [folder for folder in _EXPIRING if f"{folder}/".startswith(begins)]
            days_by_folder |= {folder: min(days, days_by_folder.get(folder, days)) for folder in covered}
    return max(days_by_folder.values()) if len(days_by_folder) == len(_EXPIRING) else None


def open_files() -> Iterator[Line]:
    """Compare how many files a process may open with what sockets need."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    level = RED if soft < FEWEST_FILES else AMBER if soft < FEW_FILES else GREEN
    mend = "" if level == GREEN else "Raise LimitNOFILE of the unit (deploy/systemd), or `ulimit -n`."
    words = f"A process may open {soft:,} files; each open page is one."
    yield Line(AREA, "Open files", level, words, f"limit {settings.CONNECTIONS_PER_ADDRESS:,} an address", mend)
