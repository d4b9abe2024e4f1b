"""`manage.py ledger`: check that every accepted job is accounted for, and that nothing is stuck or left over.

Exit codes: 0 nothing was found, 1 something was found and printed, 2 a wrong argument, 3 the database does not answer.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from jobs import ledger
from jobs.clock import database_now
from jobs.lifecycle.kinds import Phase
from jobs.reconcile import retention


class Command(BaseCommand):
    help = "Compare accepted jobs with their phases, by events and by rows, and list what is stuck or left over."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument("--settled", action="store_true", help="also list whatever has not ended")
        parser.add_argument("--no-files", action="store_true", help="do not check files")
        parser.add_argument(
            "--grace",
            type=_seconds,
            metavar="SECONDS",
            default=retention.UNREFERENCED_AFTER,
            help="leave out younger files, whose row may not be written yet (an hour); 0 when nothing is running",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = ledger.inspect(
                now=database_now(),
                grace=options["grace"],
                settled=options["settled"],
                with_files=not options["no_files"],
            )
        except DatabaseError as error:
            self.stderr.write(f"The database does not answer ({type(error).__name__}).")
            sys.exit(3)
        if options["json"]:
            self.stdout.write(json.dumps(found.as_json(), indent=2))
        else:
            self.stdout.write("\n".join(written(found)))
        if not found.is_clean:
            sys.exit(1)


def written(found: ledger.Ledger) -> list[str]:
    """Return the ledger as lines for people."""
    lines = [f"Ledger of {found.at:%Y-%m-%d %H:%M:%S} UTC", "", f"{'':<12}{'events':>10}{'rows':>10}"]
    lines += [_line(phase, found.events.by_phase[phase], found.rows.by_phase[phase]) for phase in Phase]
    sums = [sum(side.by_phase.values()) for side in (found.events, found.rows)]
    lines += [_line("total", *sums), _line("accepted", found.events.accepted, found.rows.accepted), ""]
    for finding in (*found.differences, *found.findings):
        lines.append(f"{finding.code}: {finding.count}. {finding.sentence}")
        lines += [f"    {_name(item)}" for item in finding.items]
        if finding.count > len(finding.items):
            lines.append(f"    and {finding.count - len(finding.items)} more")
    law = "The law holds" if found.balances else "THE LAW DOES NOT HOLD"
    rest = "nothing else was found" if not found.findings else f"{len(found.findings)} kinds of trouble were found"
    files = "" if found.files_checked else " (files were not checked)"
    lines.append(f"{law}; {rest}{files}.")
    return lines


def _line(name: str, events: int, rows: int) -> str:
    return f"{name.replace('_', ' '):<12}{events:>10}{rows:>10}" + ("" if events == rows else "   differ")


def _name(item: ledger.Item) -> str:
    return item.id if item.job_id in ("", item.id) else f"{item.id} of job {item.job_id}"


def _seconds(text: str) -> timedelta:
    try:
        length = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        length = timedelta(seconds=-1)
    if length < timedelta(0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return length
