"""`manage.py brownout`: show what is left out for load, set it by hand for a while, or end that."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from common.times import rfc3339
from jobs.audit import audit
from jobs.clock import database_now
from jobs.overload import state
from jobs.overload.levels import Level

_UNITS = {"s": 1, "m": 60, "h": 3600}
_LONGEST = timedelta(days=1)


class Command(BaseCommand):
    help = "Show the brownout level, or set it by hand: full, no_posters, short_films, email_only; auto ends that."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("level", nargs="?", choices=[*Level.labels, "auto"], help="show the present one without it")
        parser.add_argument(
            "--for", dest="period", type=_period, default=timedelta(minutes=30), metavar="30m", help="at most 24h"
        )
        parser.add_argument("--by", default="", help="who says so, for the audit log")

    def handle(self, *args: Any, level: str | None, period: timedelta, by: str, **options: Any) -> None:
        now = database_now()
        if level == "auto":
            state.force(None, until=None, by="")
        elif level is not None:
            state.force(Level(Level.labels.index(level)), until=now + period, by=by)
        if level is not None:
            seconds = round(period.total_seconds()) if level != "auto" else None
            audit(None, "brownout", level, {"by": by, "seconds": seconds}, now=now)
        load = state.read_now()
        until = f" by hand until {rfc3339(load.forced_until, timespec='seconds')}" if load.forced_until else ""
        self.stdout.write(f"{load.level.label}{until}; {load.waiting} waiting, {load.backlog_seconds:.0f} s of work")


def _period(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smh])", text)
    period = timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found else timedelta()
    if not timedelta() < period <= _LONGEST:
        raise argparse.ArgumentTypeError("a time such as 30m or 2h, at most 24h")
    return period
