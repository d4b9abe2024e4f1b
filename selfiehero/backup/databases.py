"""How a database is copied into a file and comes back, for SQLite and PostgreSQL.

SQLite's own online backup and PostgreSQL's `pg_dump` copy one moment of a database that is being written to.
`pg_dump` and `pg_restore` must not be older than the server.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.db import connection


class NotPossible(Exception):
    """The database cannot be copied or replaced now. The text says what to do."""


def dump(path: Path) -> None:
    """Copy the database into a file. Raise NotPossible."""
    if connection.vendor == "sqlite":
        _dump_sqlite(path)
    else:
        _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--file", str(path))


def has_tables() -> bool:
    """Return whether there is anything in the database."""
    return bool(connection.introspection.table_names())


def others_connected() -> int:
    """Return how many other connections the database has; 0 for SQLite, which does not know."""
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


def check(path: Path) -> None:
    """Raise NotPossible when the file is no whole copy of a database of this kind."""
    if connection.vendor == "sqlite":
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as copy:
            try:
                verdict = copy.execute("PRAGMA quick_check").fetchone()[0]
            except sqlite3.DatabaseError as error:
                verdict = str(error)
        if verdict != "ok":
            raise NotPossible(f"The backup's database is damaged: {verdict}.")
    else:
        _run("pg_restore", "--list", str(path))


def replace(path: Path) -> Path | None:
    """Put a copy in the database's place; return where SQLite's former file is kept, if there was one.

    Raise NotPossible. PostgreSQL's tables are dropped first; what follows is one transaction, so the database is empty
    or whole afterwards.
    """
    if connection.vendor == "sqlite":
        return _replace_sqlite(path)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(table)} CASCADE")
    connection.close()
    _run("pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(path))
    return None


def _dump_sqlite(path: Path) -> None:
    # Through a connection of its own: one that is in a transaction of ours would be waited for without end.
    source = sqlite3.connect(f"file:{quote(str(connection.settings_dict['NAME']))}?mode=ro", uri=True)
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # the copy is one file, without a log beside it


def _replace_sqlite(path: Path) -> Path | None:
    database = Path(connection.settings_dict["NAME"])
    connection.close()
    database.parent.mkdir(parents=True, exist_ok=True)
    fresh = database.with_name(f".{database.name}.restored")
    shutil.copyfile(path, fresh)
    os.chmod(fresh, 0o600)
    former = None
    if database.exists():
        former = database.with_name(f"{database.name}.before-restore")
        for suffix in ("-wal", "-shm", ""):  # the log belongs to the former file and must not be applied to the new one
            log = database.with_name(database.name + suffix)
            former.with_name(former.name + suffix).unlink(missing_ok=True)
            if log.exists():
                log.replace(former.with_name(former.name + suffix))
    fresh.replace(database)
    return former


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on our database; the password is in its environment, not in its arguments."""
    found = shutil.which(program)
    if found is None:
        raise NotPossible(f"{program} is not installed: it is in the package postgresql-client.")
    settings: dict[str, Any] = connection.settings_dict
    environment = {
        "PGHOST": settings["HOST"],
        "PGPORT": str(settings["PORT"] or ""),
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": settings["NAME"],
        "PGSSLMODE": settings["OPTIONS"].get("sslmode", ""),
        "PGSSLROOTCERT": settings["OPTIONS"].get("sslrootcert", ""),
        "PGCONNECT_TIMEOUT": "10",
    }
    target = [] if program == "pg_dump" or "--list" in arguments else ["--dbname", settings["NAME"]]
    ended = subprocess.run(  # noqa: S603 - a program of PostgreSQL's, found by its name
        [found, *target, *arguments],
        env={**os.environ, **{name: value for name, value in environment.items() if value}},
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        said = " ".join(ended.stderr.split())[:600] or f"exit code {ended.returncode}"
        raise NotPossible(f"{program} failed: {said}")
