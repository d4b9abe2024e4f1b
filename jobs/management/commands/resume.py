"""`manage.py resume PROVIDER`: a provider that was parked or drained gets films again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.clock import database_now
from jobs.management import shell
from providers import switches


class Command(BaseCommand):
    help = "Enable a provider again and forget its failures and waits. Its connection must have been tested."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", help="its slug")

    def handle(self, *args: Any, provider: str, **options: Any) -> None:
        rows = shell.provider(provider)
        if not rows[0].may_be_enabled:
            raise CommandError("Test its connection first, on its page in the admin.", returncode=1)
        changed = switches.resume(rows, record=shell.record("provider_resumed"), now=database_now())
        self.stdout.write(shell.told(changed, "it gets films again.", otherwise="Nothing held it back."))
