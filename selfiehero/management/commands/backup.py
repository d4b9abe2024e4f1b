"""`manage.py backup FILE`: copy the database into one file, which `manage.py restore` brings back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from jobs.clock import database_now
from providers.keys import recorded_fingerprints
from selfiehero.backup import archive, databases


class Command(BaseCommand):
    help = "Copy the database into one file, while everything runs. Photos, films and keys are not in it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", type=Path, help="where to; a file of that name is replaced once the new one is whole"
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if not file.parent.is_dir():
            raise CommandError(f"There is no folder {file.parent}.")
        try:
            # The migrations of the moment before: what is applied meanwhile is applied again by the restore.
            manifest = archive.Manifest(database_now(), connection.vendor, _migrations(), recorded_fingerprints())
            with tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as folder:
                copy = Path(folder) / "database"
                databases.dump(copy)
                databases.check(copy)
                archive.write(file, manifest, copy)
        except (databases.NotPossible, DatabaseError, OSError) as error:
            raise CommandError(f"No backup was written: {error}") from error
        self.stdout.write(f"{file}: {file.stat().st_size / 1e6:.1f} MB. Keep it apart from SECRET_KEY and FIELD_KEYS.")


def _migrations() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for app, name in MigrationRecorder(connection).applied_migrations():
        found.setdefault(app, []).append(name)
    return {app: sorted(names) for app, names in sorted(found.items())}
