"""`manage.py up`: run the whole product until Ctrl-C."""

import asyncio
import hashlib
import os
import sys
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand

from selfiehero import environment, preflight
from selfiehero.supervisor.logs import Terminal, wants_colour
from selfiehero.supervisor.plan import make_plan
from selfiehero.supervisor.rundir import AlreadyRunning, Lock
from selfiehero.supervisor.runner import Supervisor


class Command(BaseCommand):
    help = "Run everything under one supervisor: Valkey, web, workers, reconcile, studio. Ctrl-C drains and stops it."
    requires_system_checks = ()

    def add_arguments(self, parser):
        parser.add_argument("--prepare", action="store_true", help="only migrate, collect static files and seed")

    def handle(self, *args, prepare: bool, verbosity: int, **options):
        if prepare:
            self.prepare(verbosity)
            return
        self.exit(run(environment.read()))

    def prepare(self, verbosity: int) -> None:
        """Bring database and static files up to date; what is there already stays."""
        quieter = max(0, verbosity - 1)
        call_command("migrate", interactive=False, verbosity=quieter, stdout=self.stdout)
        collect_static_files(verbosity=quieter)
        call_command("seed", verbosity=verbosity, stdout=self.stdout)

    def exit(self, code: int) -> None:
        self.stdout.flush()
        sys.exit(code)


def collect_static_files(*, verbosity: int) -> None:
    """Collect, hash and compress static files, unless exactly these were collected before."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    present = fingerprint_static_files()
    if settings.DEBUG or (stamp.exists() and stamp.read_text(encoding="ascii") == present):
        return
    call_command("collectstatic", interactive=False, verbosity=verbosity)
    stamp.write_text(present, encoding="ascii")


def fingerprint_static_files() -> str:
    """Return a hash over name, size and time of every static file, and the storage that prepares them."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            state = os.stat(storage.path(name))
            digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def run(chosen: environment.Environment) -> int:
    """Run the product; return 0 after a drain, 1 when starting failed, 2 when it cannot start here."""
    lock = Lock(chosen.run_dir / "up.lock")
    try:
        preflight.check_python()
        preflight.check_writable(chosen.var_dir)
        descriptor = lock.acquire(url=chosen.public_url)
        preflight.check(chosen)
    except (preflight.Problem, AlreadyRunning) as problem:
        print(problem, file=sys.stderr)
        lock.release()
        return 2
    try:
        plan = make_plan(chosen)
        terminal = Terminal(colour=wants_colour(sys.stdout.buffer, dict(os.environ)))
        return asyncio.run(Supervisor(plan, terminal=terminal, lock_descriptor=descriptor).run())
    finally:
        lock.release()
