"""`manage.py restore FILE`: put a backup in the database's place and erase again what was erased after it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from common.times import rfc3339
from jobs import erasure_list
from jobs.clock import database_now
from providers.keys import lacking
from selfiehero.backup import archive, databases, erasures
from selfiehero.supervisor.rundir import running_url


class Command(BaseCommand):
    help = "Put a backup in the database's place, migrate it, and erase again what was erased after it was made."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--replace", action="store_true", help="the database is not empty: give up what is in it")
        parser.add_argument(
            "--erasures-only",
            action="store_true",
            help="the database was restored by other means from a copy as old as this backup: only erase again",
        )

    def handle(self, *args: Any, file: Path, replace: bool, erasures_only: bool, **options: Any) -> None:
        try:
            manifest = archive.read_manifest(file)
            if not erasures_only:
                self._replace(file, manifest, may_replace=replace)
            self._erase_again(manifest)
        except (archive.BadBackup, databases.NotPossible) as error:
            raise CommandError(str(error)) from error
        except (DatabaseError, OSError) as error:
            raise CommandError(f"The backup was not restored: {error}") from error

    def _replace(self, file: Path, manifest: archive.Manifest, *, may_replace: bool) -> None:
        _require_fit(manifest)
        if url := running_url(settings.ENV.run_dir / "up.lock"):
            raise CommandError(f"Selfie Hero runs at {url}: stop it first.")
        if others := databases.others_connected():
            raise CommandError(f"The database has {others} other connections: stop every process of the product first.")
        if not may_replace and databases.has_tables():
            raise CommandError("The database is not empty: add --replace to give up what is in it.")
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".restore-") as folder:
            copy = archive.extract_database(file, Path(folder))
            databases.check(copy)
            was_empty = not databases.has_tables()
            former = databases.replace(copy)
        if former is not None and was_empty:
            former.unlink()
        elif former is not None:
            self.stdout.write(f"The former database is kept as {former}: remove it, it has what was erased since.")
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write(f"The database is back as it was at {rfc3339(manifest.made_at, timespec='seconds')}.")

    def _erase_again(self, manifest: archive.Manifest) -> None:
        now = database_now()
        if manifest.made_at < now - erasure_list.KEPT:
            raise CommandError("The backup is older than the list of erasures: it may have what people erased.")
        count = erasures.replay(since=manifest.made_at, now=now)
        self.stdout.write(f"Erased again: {count}. `manage.py ledger` compares rows and files.")


def _require_fit(manifest: archive.Manifest) -> None:
    """Raise BadBackup for a backup of another database, with other keys, or made by a newer release."""
    if manifest.vendor != connection.vendor:
        raise archive.BadBackup(f"This is a backup of {manifest.vendor}, and the database here is {connection.vendor}.")
    if names := lacking(manifest.fingerprints):
        raise archive.BadBackup(
            f"The backup was made with another {' and another '.join(names)}: set the one that was in use then "
            "(former keys may follow the present one), or its secrets cannot be read."
        )
    known = MigrationLoader(connection=None).disk_migrations
    newer = [
        f"{app}.{name}" for app, names in manifest.migrations.items() for name in names if (app, name) not in known
    ]
    if newer:
        raise archive.BadBackup(
            f"The backup was made by a newer release, which has {newer[0]}: restore it with that one."
        )
