"""`manage.py erasures`: what was erased when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from jobs.models import ErasureCount


class Command(BaseCommand):
    help = "Print how many photos, films and reports were erased on each day, at whose wish, and how late at most."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30)

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        since = timezone.now().date() - timedelta(days=days)
        rows = ErasureCount.objects.filter(day__gte=since).order_by("-day", "what", "by")
        for row in rows:
            late = f", {round(row.latest.total_seconds())} s late at most" if row.by == "retention" else ""
            self.stdout.write(f"{row.day}  {row.what:<8} {row.count:>8}  by {row.by}{late}")
        if not rows:
            self.stdout.write(f"Nothing was erased in the last {days} days.")
