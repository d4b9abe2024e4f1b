"""`manage.py requeue JOB...`: another try for jobs that have ended or whose provider keeps them waiting."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs import services
from jobs.bulk.actions import MOVE, RETRY
from jobs.clock import database_now
from jobs.management import shell
from jobs.models import Job

_WAITS = "it waits for a provider already."


class Command(BaseCommand):
    help = (
        "Give jobs another try, as the admin's actions do: one that has ended gets a new job with the same photo, one "
        "that a provider has is sent to another. Exit code 1 when one of them does not allow it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("jobs", nargs="+", metavar="JOB", help="the id of a job")

    def handle(self, *args: Any, jobs: list[str], **options: Any) -> None:
        refused = 0
        for text in jobs:
            words, is_done = self._requeue(text)
            refused += not is_done
            self.stdout.write(f"{text}: {words}")
        if refused:
            raise CommandError(f"{refused} of {len(jobs)} could not be requeued.", returncode=1)

    def _requeue(self, text: str) -> tuple[str, bool]:
        job = Job.objects.filter(pk=text).first() if _is_id(text) else None
        if job is None:
            return "there is no such job.", False
        action = RETRY if job.is_final else MOVE
        if not Job.objects.filter(action.possible, pk=job.pk).exists():
            return _WAITS if action is MOVE else f"{action.otherwise}.", False
        try:
            made = action.act(job.pk, now=database_now(), actor=shell.who(), address="")
        except (services.NotPossible, FileNotFoundError) as error:
            return f"{error}", False
        return (f"tried again as {made.pk}." if made else "sent to another provider."), True


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
