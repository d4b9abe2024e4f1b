"""`manage.py ledger`: whether every accepted job is somewhere, and nothing is where it should not be.

Exit codes: 0 all is well, 1 something was found (and said), 2 a mistake in an argument, 3 the database is away.
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
from jobs.lifecycle.kinds import Standing
from jobs.reconcile import retention


class Command(BaseCommand):
    help = "Compare what was accepted with where it stands, by the events and by the rows; look for what is stuck."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the same for programs")
        parser.add_argument("--settled", action="store_true", help="everything should have come to its end")
        parser.add_argument("--no-files", action="store_true", help="leave out the files")
        parser.add_argument(
            "--grace",
            type=_seconds,
            metavar="SECONDS",
            default=retention.LOOSE_AFTER,
            help="a younger file may be without a row (an hour); 0 when nothing is at work",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = ledger.look(
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
    lines += [_line(standing, found.events.standing[standing], found.rows.standing[standing]) for standing in Standing]
    sums = [sum(side.standing.values()) for side in (found.events, found.rows)]
    lines += [_line("together", *sums), _line("accepted", found.events.accepted, found.rows.accepted), ""]
    for finding in (*found.differences, *found.findings):
        lines.append(f"{finding.code}: {finding.count}. {finding.sentence}")
        lines += [f"    {_name(item)}" for item in finding.items]
        if finding.count > len(finding.items):
            lines.append(f"    and {finding.count - len(finding.items)} more")
    law = "The law holds" if found.balances else "THE LAW DOES NOT HOLD"
    rest = "nothing else was found" if not found.findings else f"{len(found.findings)} kinds of trouble were found"
    files = "" if found.files_seen else " (files were not looked at)"
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
