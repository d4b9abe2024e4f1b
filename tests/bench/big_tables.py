"""What a database with many jobs costs: the staff's pages and indexes, the ledger's steps, the money of a day.

    python -m tests.bench.big_tables [--pages] [--postgres | --here] [--jobs 1000000]

CPU of this process on SQLite, whose engine runs inside it; by the clock on PostgreSQL. The database is made for it and
removed afterwards, or it is DATABASE_URL's (`--here`), which is filled when it holds no jobs and kept.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROWS, TURNS = 2_000, 4
# Of an evening: so many wait for a slot, which the home page counts.
WAITING = 20_000
ERASED = 5_000
STAFFS = [
    *("job_created", "job_status", "job_look", "job_failure", "job_email", "job_hero_name"),
    *("delivery_received", "delivery_verdict", "delivery_provider", "delivery_event"),
    *("notification_created", "notification_channel", "notification_sent"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    parser.add_argument("--here", action="store_true", help="the database of DATABASE_URL, which must be of no use")
    parser.add_argument("--pages", action="store_true", help="the pages of the admin alone")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        if options.postgres:
            from tests.support.postgres import running_postgres

            os.environ["DATABASE_URL"] = stack.enter_context(running_postgres())
        elif not options.here:
            os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'db.sqlite3'}"
        os.environ |= {"VAR_DIR": str(folder), "ENV_FILE": "", "DJANGO_SETTINGS_MODULE": "tests.support.settings"}
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        measure(options.jobs, pages_alone=options.pages)


def measure(jobs: int, *, pages_alone: bool) -> None:
    from django.db import connection

    from jobs.models import Job
    from tests.bench import big_pages
    from tests.support import big_tables

    job = Job.objects.filter(hero_name="HERO-0", email="first@mail.example").first()
    if job is None:
        began = time.perf_counter()
        job = big_tables.make(jobs, waiting=WAITING)
        print(f"{jobs:,} jobs made in {time.perf_counter() - began:.0f} s")
    print(f"── {jobs:,} jobs on {connection.vendor}")
    big_pages.measure(job, one=WAITING + 1234)
    if pages_alone:
        return
    erasures(job)
    ledger_steps()
    money()
    indexes(job, jobs)


def timed(work: Callable[[], Any]) -> float:
    from django.db import connection

    clock = time.process_time if connection.vendor == "sqlite" else time.perf_counter
    started = clock()
    work()
    return clock() - started


def erasures(first: Any) -> None:
    """Print what it takes to erase jobs with a photo and a film each, as on the day after: CPU, the database's too."""
    from django.utils import timezone

    from jobs import storage
    from jobs.models import Job
    from jobs.reconcile import erasures, retention
    from tests.bench.big_pages import cpu_seconds

    now = timezone.now()
    newest = Job.objects.filter(erased_at=None, status="succeeded").exclude(pk=first.pk).order_by("-created_at")
    kept = list(newest[:ERASED])
    for job in kept:
        job.clean_key, job.video_key = storage.new_key("clean", "jpg"), storage.new_key("video", "mp4")
        job.raw_key = job.preview_key = job.poster_key = ""
        job.erase_at = now
        storage.save(job.clean_key, b"photo")
        storage.save(job.video_key, b"film")
    Job.objects.bulk_update(kept, ["clean_key", "video_key", "raw_key", "preview_key", "poster_key", "erase_at"], 500)
    began = cpu_seconds()
    erased = 0
    while done := erasures.erase_ended(now=now, limit=retention.BATCH):
        erased += done
    print(
        f"erasure     {1000 * (cpu_seconds() - began) / erased:.2f} ms CPU a job, {erased:,} jobs with two files each"
    )


def ledger_steps() -> None:
    from django.utils import timezone

    from jobs.ledger import continuous
    from jobs.models import LedgerInspection

    steps: list[float] = []
    while not steps or LedgerInspection.objects.get().walk_found is not None:
        LedgerInspection.objects.update(due_at=timezone.now())
        steps.append(timed(lambda: continuous.inspect_next(now=timezone.now())))
    print(f"ledger      {len(steps)} steps, {sum(steps):.1f} s together, the longest {max(steps):.2f} s")
    print(f"its row     {timed(continuous.newest) * 1000:.1f} ms to read")


def money() -> None:
    from django.utils import timezone

    from jobs.routing import limits
    from providers.models import ProviderConfig

    provider = ProviderConfig.objects.get(slug="common")
    day = timezone.now().replace(year=2000)
    print(f"day's money {timed(lambda: limits.committed(provider, now=day)) * 1000:.0f} ms to add up from all attempts")


def indexes(job: Any, jobs: int) -> None:
    """Print what writes cost with and without each index of the staff's lists, in microseconds a row."""
    from django.db import connection

    from providers.models import ProviderConfig
    from tests.support import big_tables

    rare = ProviderConfig.objects.get(slug="rare").pk
    made = {name: _definition(name) for name in STAFFS}
    made = {name: sql for name, sql in made.items() if sql}
    first = jobs + WAITING + 1

    def write() -> float:
        nonlocal first

        def work() -> None:
            big_tables.fill(ROWS, template=job, rare_provider=rare, first=first)
            ids = big_tables.FIRST_ID + first
            made = f"SELECT job_id FROM jobs_attempt WHERE id BETWEEN {ids} AND {ids + ROWS}"
            _run(f"UPDATE jobs_job SET status = 'canceled', failure_code = '' WHERE id IN ({made})")

        took = timed(work)
        first += ROWS
        return took / ROWS * 1e6

    def compare(names: Collection[str], words: str) -> None:
        """Write with and without these indexes by turns, so that what else the machine does falls on both."""
        costs: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(TURNS):
            costs[True].append(write())
            for name in names:
                _run(f"DROP INDEX {name}")
            costs[False].append(write())
            for name in names:
                _run(made[name])
        with_, without = (min(costs[each]) for each in (True, False))
        print(f"            {with_:6.1f} µs a job, {without:6.1f} without {words}")

    write()
    print(f"indexes     of the staff's lists, on {connection.vendor}")
    compare(list(made), f"all {len(made)}")
    for name in made:
        compare([name], name)


def _definition(name: str) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = %s", [name])
        else:
            cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [name])
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def _run(sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)


if __name__ == "__main__":
    main()
