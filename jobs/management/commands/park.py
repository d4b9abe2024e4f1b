"""`manage.py park PROVIDER MINUTES`: no new films for a provider for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.clock import database_now
from jobs.management import shell
from providers import switches

MOST_MINUTES = 7 * 24 * 60


class Command(BaseCommand):
    help = "Give a provider no new films for so many minutes. Films under way go on; `resume` ends it sooner."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", help="its slug")
        parser.add_argument("minutes", type=int, help=f"1 to {MOST_MINUTES}")

    def handle(self, *args: Any, provider: str, minutes: int, **options: Any) -> None:
        if not 1 <= minutes <= MOST_MINUTES:
            raise CommandError(f"Minutes are a number from 1 to {MOST_MINUTES}.", returncode=2)
        now = database_now()
        until = now + timedelta(minutes=minutes)
        rows = shell.provider(provider)
        changed = switches.park(rows, until=until, record=shell.record("provider_parked"), now=now)
        self.stdout.write(shell.told(changed, f"no new films until {until:%H:%M} UTC.", otherwise=""))
