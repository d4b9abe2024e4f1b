"""The empty SQLite that tests begin with: all migrations run once for all workers of a test run, and are copied."""

from __future__ import annotations

from pathlib import Path

from django.core.management import call_command
from django.db import connection

from tests.support.made_once import made_once_for_all

_NAME = "db.sqlite3"


def migrated_sqlite() -> Path:
    """Return a database file with every table and no rows but those of migrations; 5 s of CPU for who makes it."""
    return made_once_for_all("migrated", _migrate) / _NAME


def _migrate(folder: Path) -> None:
    chosen = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(folder / _NAME)
    try:
        call_command("migrate", interactive=False, verbosity=0)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = chosen
