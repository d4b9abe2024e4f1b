"""Tables as large as after months of work, in seconds, and what a database reads of them for a page.

`fill` copies one finished job with its attempt, event, delivery and notification as often as asked, each table by one
statement that SQLite and PostgreSQL both take. `python -m tests.support.big_tables 1000000` does it for the product's
own database (DATABASE_URL), which then holds rows of nobody.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

BIG = ("jobs_job", "jobs_attempt", "jobs_jobevent", "jobs_webhookdelivery", "notifications_notification")
# Partial indexes that hold what is under way, and nothing that has ended.
SMALL = ("attempt_slot", "attempt_lease", "attempt_poll", "job_line_claim", "job_claim", "job_open_deadline")
FIRST_ID = 10_000_000
# From so many on the indexes are made afterwards, which a transaction of a test cannot do.
MANY = 500_000
# Older jobs are erased: each is a second older than the one before, and one of a day's end is not due yet.
_KEPT_SECONDS = 86_000
_KEYS = ("raw_key", "clean_key", "preview_key", "poster_key", "video_key")
_SPREAD = "(n * 2654435761) % 4294967296"


def _words() -> dict[str, str]:
    """Return the expressions that the two databases write differently, of the number `n` and the row `t`."""
    if connection.vendor == "sqlite":
        digest = f"printf('%08x', {_SPREAD}) || printf('%024x', n)"
        return {"job": digest, "digest": digest, "ago": "datetime(t.{}, '-' || n || ' seconds')", "no": "0", "yes": "1"}
    digest = f"lpad(to_hex({_SPREAD}), 8, '0') || lpad(to_hex(n), 24, '0')"
    ago = "t.{} - n * interval '1 second'"
    return {"job": f"({digest})::uuid", "digest": digest, "ago": ago, "no": "false", "yes": "true"}


def job_id(number: int) -> str:
    """Return the id of the job with this number."""
    return f"{number * 2654435761 % 4294967296:08x}{number:024x}"


def fill(jobs: int, *, template: Any, rare_provider: int, first: int = 1) -> None:
    """Copy `template`, a succeeded job with a delivery and a sent e-mail, `jobs` times.

    They are numbered from `first`. One in 20 failed, one in 50 left an e-mail, one in 1,000 was rendered by the rare
    provider; two deliveries in five only report progress.
    """
    words = _words()
    ago = words["ago"].format
    attempt = template.attempts.get()
    delivery = attempt.deliveries.get()
    _copy("jobs_job", template.pk, (first, jobs), {
        "id": words["job"],
        "owner": "'v:' || substr(md, 1, 8) || substr(md, 1, 24) || md".replace("md", f"({words['digest']})"),
        "status": "CASE WHEN n % 20 = 0 THEN 'failed' WHEN n % 50 = 1 THEN 'canceled' ELSE 'succeeded' END",
        "failure_code": "CASE WHEN n % 20 = 0 THEN 'providers_failed' ELSE '' END",
        "email": "CASE WHEN n % 50 = 0 THEN 'Person' || n || '@mail.example' ELSE '' END",
        "hero_name": "'HERO-' || (n % 5000)",
        "created_at": ago("created_at"),
        "finished_at": ago("finished_at"),
        "erase_at": ago("erase_at"),
        "erased_at": f"CASE WHEN n > {_KEPT_SECONDS} THEN {ago('erase_at')} ELSE NULL END",
        **{name: f"CASE WHEN n > {_KEPT_SECONDS} THEN '' ELSE t.{name} END" for name in _KEYS},
        "winner_id": "NULL",
    })  # fmt: skip
    _copy("jobs_attempt", attempt.pk, (first, jobs), {
        "id": f"{FIRST_ID} + n",
        "job_id": words["job"],
        "provider_id": f"CASE WHEN n % 1000 = 0 THEN {rare_provider} ELSE t.provider_id END",
        "token": "'token-' || n",
        "prediction_id": "'prediction-' || n",
        "status": "CASE WHEN n % 20 = 0 THEN 'failed' WHEN n % 50 = 1 THEN 'canceled' ELSE 'succeeded' END",
        "claimed_at": ago("claimed_at"),
        "answered_at": ago("answered_at"),
        "finished_at": ago("finished_at"),
    })  # fmt: skip
    _copy(
        "jobs_jobevent", template.events.get(seq=1).pk, (first, jobs), {"id": f"{FIRST_ID} + n", "job_id": words["job"]}
    )
    _copy("jobs_webhookdelivery", delivery.pk, (first, jobs), {
        "id": f"{FIRST_ID} + n",
        "attempt_token": "'token-' || n",
        "attempt_id": f"{FIRST_ID} + n",
        "event_id": "'event-' || n",
        "verdict": "CASE WHEN n % 1000 = 0 THEN 'forged' ELSE 'valid' END",
        "received_at": ago("received_at"),
        "due_at": "NULL",
        "is_progress": f"CASE WHEN n % 5 > 2 THEN {words['yes']} ELSE {words['no']} END",
    })  # fmt: skip
    _copy("notifications_notification", template.notifications.get().pk, (first, jobs), {
        "id": f"{FIRST_ID} + n",
        "job_id": words["job"],
        "created_at": ago("created_at"),
    })  # fmt: skip
    if connection.vendor == "postgresql":
        # What autovacuum does by itself. SQLite has no statistics in the product, so none here.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


@contextlib.contextmanager
def without_indexes() -> Iterator[None]:
    """Make the indexes of the big tables after the block, each in one go; nothing in it checks a foreign key.

    Millions of rows are written in a tenth of the time. For a database of its own only: nobody else can use the tables
    meanwhile, and what is left after a failure is of no use.
    """
    marks = ", ".join(["%s"] * len(BIG))
    with connection.cursor() as cursor:
        if _is_sqlite():
            cursor.execute("PRAGMA foreign_keys = OFF")
            cursor.execute("PRAGMA synchronous = OFF")
            indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            cursor.execute(f"{indexes} AND tbl_name IN ({marks})", BIG)
            made = cursor.fetchall()
            for name, _ in made:
                cursor.execute(f'DROP INDEX "{name}"')
            yield
            for _, sql in made:
                cursor.execute(sql)
            cursor.execute("PRAGMA synchronous = NORMAL")
            cursor.execute("PRAGMA foreign_keys = ON")
            return
        cursor.execute("SET session_replication_role = replica")
        for table in BIG:
            cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        # An index that is not ready is not written; REINDEX makes it anew and ready.
        cursor.execute(
            "UPDATE pg_index SET indisready = false, indisvalid = false "
            f"WHERE indrelid IN (SELECT oid FROM pg_class WHERE relname IN ({marks}))",
            BIG,
        )
        yield
        cursor.execute("SET session_replication_role = DEFAULT")
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(_index, BIG))


def _index(table: str) -> None:
    """Make the indexes of a table, and what autovacuum would have written of it by then."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET maintenance_work_mem = '1GB'")
            cursor.execute(f"REINDEX TABLE {table}")
            cursor.execute(f"VACUUM (ANALYZE) {table}")
            cursor.execute(f"ALTER TABLE {table} RESET (autovacuum_enabled)")
    finally:
        connection.close()


def fill_alone(jobs: int, *, template: Any) -> None:
    """Copy a job `jobs` times as it is, without attempts and events, each a second older than the one before."""
    words = _words()
    _copy("jobs_job", template.pk, (1, jobs), {"id": words["job"], "created_at": words["ago"].format("created_at")})


def _copy(table: str, key: Any, numbers: tuple[int, int], other: dict[str, str]) -> None:
    first, count = numbers
    key = key.hex if connection.vendor == "sqlite" and hasattr(key, "hex") else key
    with connection.cursor() as cursor:
        columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
        values = ", ".join(other.get(name, f't."{name}"') for name in columns).replace("%", "%%")
        names = ", ".join(f'"{name}"' for name in columns)
        # A recursion takes three times as long, and SQLite has nothing else.
        numbers = f"numbers(n) AS (SELECT generate_series({first}::bigint, {first + count - 1}))"
        if _is_sqlite():
            last = first + count - 1
            numbers = f"RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
        cursor.execute(
            f"WITH {numbers} INSERT INTO {table} ({names}) "
            f"SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM {table} WHERE id = %s) t",
            [key],
        )


class Read(NamedTuple):
    """A statement that reads a big table whole, and the step of its plan that says so."""

    step: str
    sql: str


class Watch:
    """The statements of a block."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Any]] = []

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.statements.append((sql, params))
        return execute(sql, params, many, context)

    def whole_reads(self) -> list[Read]:
        """Return the statements whose plan reads a big table from end to end."""
        seen, found = set(), []
        for sql, params in self.statements:
            if not sql.lstrip().startswith(("SELECT", "WITH")) or not any(table in sql for table in BIG) or sql in seen:
                continue
            seen.add(sql)
            found += [Read(step, sql) for step in (_sqlite(sql, params) if _is_sqlite() else _postgres(sql, params))]
        return found


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    watch = Watch()
    with connection.execute_wrapper(watch):
        yield watch


def _is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def _sqlite(sql: str, params: Any) -> list[str]:
    """A walk along an index is as long as the LIMIT says, when nothing on the way is left out."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        steps = [row[-1] for row in cursor.fetchall()]
    partial = "|".join(_partial_indexes()) or "-"
    found = []
    for step in steps:
        # All attempts of a provider, when there is no second column and no limit.
        if re.match(r"SEARCH .* INDEX attempt_(day|window) \(provider_id=\?\)$", step) and "LIMIT" not in sql:
            found.append(step)
        if not (match := re.match(rf"SCAN ({'|'.join(BIG)}|U\d|t)\b(.*)", step)):
            continue
        if re.search(rf"USING (COVERING )?INDEX ({'|'.join(SMALL)})\b", match[2]):
            continue
        is_walk = "USING" in match[2] and "LIMIT" in sql
        if not (is_walk and ("WHERE" not in sql or re.search(rf"\b({partial})\b", step))):
            found.append(step)
    return found


def _partial_indexes() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'")
        return [row[0] for row in cursor.fetchall()]


def _postgres(sql: str, params: Any) -> list[str]:
    """Plans as for a table that is too large to be read whole: an index is used wherever one fits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'")
        partial = {row[0] for row in cursor.fetchall()}
        cursor.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'")
        rows = dict(cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        plan = cursor.fetchone()[0]
        cursor.execute("SET LOCAL enable_seqscan = on")
    plan = json.loads(plan) if isinstance(plan, str) else plan
    found: list[str] = []

    def visit(node: dict[str, Any], *, is_limited: bool) -> None:
        kind, table, index = node["Node Type"], node.get("Relation Name"), node.get("Index Name")
        # What an UPDATE changes is found by the nodes below it.
        is_looked_up = index in partial or "Index Cond" in node or kind in ("Bitmap Heap Scan", "ModifyTable")
        # A walk ends at the limit when it leaves out little on the way.
        if table in BIG and not is_looked_up and not (is_limited and node["Plan Rows"] >= rows[table] / 10):
            found.append(f"{kind} on {table} by {index} {node.get('Filter', '')}")
        # What sorts or hashes reads everything below it, whatever the limit above.
        below = (is_limited or kind == "Limit") and kind not in ("Sort", "Hash", "Aggregate")
        for child in node.get("Plans", ()):
            visit(child, is_limited=below)

    visit(plan[0]["Plan"], is_limited=False)
    return found


def make(jobs: int, *, waiting: int = 0) -> Any:
    """Make what is copied, and copy it; return the copied job. The newest of all are so many that wait for a slot."""
    from jobs.models import Job, WebhookDelivery
    from notifications.models import Notification
    from tests import factories

    now = timezone.now()
    provider = factories.make_provider(slug="common", title="Common")
    rare = factories.make_provider(slug="rare", title="Rare")
    job = factories.make_finished_job(provider, email="first@mail.example", hero_name="HERO-0")
    attempt = job.attempts.get()
    WebhookDelivery.objects.create(
        provider=provider.slug, attempt=attempt, attempt_token=attempt.token, event_id="event-0", verdict="valid",
        headers={"content-type": "application/json"}, body=b'{"status": "succeeded"}', received_at=now, applied_at=now,
    )  # fmt: skip
    Notification.objects.filter(job=job).delete()
    Notification.objects.create(
        job=job, channel="email", created_at=now, due_at=now, sent_at=now + timedelta(seconds=1)
    )
    with without_indexes() if jobs >= MANY else contextlib.nullcontext():
        if waiting:
            fill_alone(waiting, template=factories.make_waiting_job())
        fill(jobs, template=job, rare_provider=rare.pk, first=waiting + 1)
    return Job.objects.get(pk=job.pk)


if __name__ == "__main__":
    import django

    django.setup()
    print(make(int(sys.argv[1])))
