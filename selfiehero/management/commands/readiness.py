"""`manage.py readiness`: whether this installation would stand the evening, line by line (`selfiehero.readiness`)."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.clock import database_now
from jobs.management.shell import who
from selfiehero.readiness import AMBER, GREEN, RED, Line, reports

_MARKS = {GREEN: "ok ", AMBER: "!  ", RED: "XX "}
LONGEST_DRILL = LONGEST_IDLE = 600


class Command(BaseCommand):
    help = "Measure whether this installation would stand a viral evening. Exit code: 0 green, 1 amber, 2 red."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rate", type=int, default=60, help="films a minute that are wanted (60)")
        parser.add_argument("--json", action="store_true", help="as JSON")
        parser.add_argument(
            "--drill", type=int, default=0, metavar="SECONDS", help="park the first provider for so long, for real"
        )

        parser.add_argument(
            "--idle",
            type=int,
            metavar="SECONDS",
            help="hold a socket open for so long beside the rest (65); 0 leaves it out",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["rate"] < 1:
            raise CommandError("--rate is a number of films a minute.", returncode=64)
        if not 0 <= options["drill"] <= LONGEST_DRILL:
            raise CommandError(f"--drill is at most {LONGEST_DRILL} seconds.", returncode=64)
        if not 0 <= (options["idle"] or 0) <= LONGEST_IDLE:
            raise CommandError(f"--idle is at most {LONGEST_IDLE} seconds.", returncode=64)
        report = reports.begin(rate=options["rate"], by=who().name, now=database_now())
        lines = reports.complete(report, drill_seconds=options["drill"], idle_seconds=options["idle"])
        worst = reports.worst_of(lines)
        if options["json"]:
            told = {"level": worst, "rate": options["rate"], "lines": [line.as_json() for line in lines]}
            self.stdout.write(json.dumps(told, indent=1, ensure_ascii=False))
        else:
            self._write(lines)
        if worst != GREEN:
            raise SystemExit(2 if worst == RED else 1)

    def _write(self, lines: list[Line]) -> None:
        area = ""
        for line in lines:
            if line.area != area:
                area = line.area
                self.stdout.write(f"\n{area}")
            measured = f" ({line.measured})" if line.measured else ""
            self.stdout.write(f"{_MARKS[line.level]} {line.name}: {line.words}{measured}")
            if line.mend and line.level != GREEN:
                self.stdout.write(f"     {line.mend}")
        counts = reports.counts_of([line.as_json() for line in lines])
        self.stdout.write("\n" + ", ".join(f"{count} {level}" for level, count in counts.items()))
