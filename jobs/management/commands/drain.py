"""`manage.py drain PROVIDER`: no new films for a provider until it is resumed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs.clock import database_now
from jobs.management import shell
from jobs.models import Attempt
from providers import switches


class Command(BaseCommand):
    help = "Disable a provider: it gets no new films, and those under way go on. `resume` ends it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("provider", help="its slug")

    def handle(self, *args: Any, provider: str, **options: Any) -> None:
        rows = shell.provider(provider)
        changed = switches.drain(rows, record=shell.record("provider_disabled"), now=database_now())
        left = Attempt.objects.filter(provider__in=rows, status__in=Attempt.OPEN).count()
        words = f"no new films; {left} under way go on."
        self.stdout.write(shell.told(changed, words, otherwise=f"It was disabled before; {left} are under way."))
