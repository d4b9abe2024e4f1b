"""`manage.py limit PROVIDER`: how many films at once, and how many calls a minute."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.clock import database_now
from jobs.management import shell
from providers import switches

MOST = 1_000_000


class Command(BaseCommand):
    help = "Set the limits of a provider; without an option it shows them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", help="its slug")
        parser.add_argument("--concurrent", type=int, metavar="N", help="films at once")
        parser.add_argument("--per-minute", type=int, metavar="N", help="calls a minute")

    def handle(self, *args: Any, provider: str, concurrent: int | None, per_minute: int | None, **options: Any) -> None:
        given = {"max_concurrent": concurrent, "max_per_minute": per_minute}
        values = {name: value for name, value in given.items() if value is not None}
        if not all(1 <= value <= MOST for value in values.values()):
            raise CommandError(f"A limit is a number from 1 to {MOST}.", returncode=2)
        rows = shell.provider(provider)
        switches.limit(rows, values, record=shell.record("provider_changed"), now=database_now())
        row = rows.get()
        self.stdout.write(f"{row}: {row.max_concurrent} at once, {row.max_per_minute} calls a minute.")
