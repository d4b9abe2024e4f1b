"""`manage.py up`: run the whole product until Ctrl-C."""

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from providers.keys import OtherKeys, require_known_keys
from selfiehero.environment import PROJECT_DIR


class Command(BaseCommand):
    help = "Run everything under one supervisor: Valkey, web, workers, reconcile, studio. Ctrl-C drains and stops it."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--prepare", action="store_true", help="only migrate, collect static files and seed")
        parser.add_argument("--no-static", action="store_true", help="with --prepare: collect no static files")
        parser.add_argument("--no-admin", action="store_true", help="with --prepare: make no admin account")

    def handle(
        self, *args: Any, prepare: bool, no_static: bool, no_admin: bool, verbosity: int, **options: Any
    ) -> None:
        if prepare:
            self.prepare(verbosity, with_static=not no_static, with_admin=not no_admin)
            return
        os.chdir(PROJECT_DIR)  # so that -m finds the package wherever this was called
        os.execv(sys.executable, [sys.executable, "-m", "selfiehero.supervisor"])  # noqa: S606 our own module

    def prepare(self, verbosity: int, *, with_static: bool, with_admin: bool) -> None:
        """Bring database and static files up to date; what is there already stays."""
        try:
            require_known_keys()  # before anything of the database is changed
        except OtherKeys as error:
            raise CommandError(str(error), returncode=2) from None
        quieter = max(0, verbosity - 1)
        call_command("migrate", interactive=False, verbosity=quieter, stdout=self.stdout)
        if with_static:
            collect_static_files(verbosity=quieter)
        call_command("seed", no_admin=not with_admin, verbosity=verbosity, stdout=self.stdout)


def collect_static_files(*, verbosity: int) -> None:
    """Collect, hash and compress static files, unless exactly these were collected before."""
    if settings.DEBUG:
        return
    stamp, manifest = settings.VAR_DIR / "run" / "static.sha256", Path(settings.STATIC_ROOT) / "staticfiles.json"
    present = fingerprint_static_files()
    if manifest.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == present:
        return
    call_command("collectstatic", interactive=False, verbosity=verbosity)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(present, encoding="ascii")


def fingerprint_static_files() -> str:
    """Return a hash over name, size and time of every static file, and the storage that prepares them."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            state = os.stat(storage.path(name))
            digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()
