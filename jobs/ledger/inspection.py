"""A look at the ledger: all of it, or the law alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from jobs.reconcile import retention

from .balances import read_sides
from .checks import check_rows
from .files import check_files
from .results import Ledger
from .snapshot import snapshot


def look_at_balances(*, now: datetime) -> Ledger:
    """Return both sides of the law and what is wrong with events, and nothing else."""
    with snapshot():
        sides = read_sides()
    return Ledger(now, sides.events, sides.rows, sides.differences, sides.findings)


def look(
    *,
    now: datetime,
    grace: timedelta = retention.LOOSE_AFTER,
    settled: bool = False,
    with_files: bool = True,
    pause: Callable[[float], object] = time.sleep,
) -> Ledger:
    """Return all that the ledger tells.

    With `settled` everything should be at its end, so whatever is not is found too. Files younger than `grace`
    may be ones whose row is being written; after everything has come to rest that can be nothing.
    """
    with snapshot():
        sides = read_sides()
        found = [*sides.findings, *check_rows(now=now, settled=settled)]
    ledger = Ledger(now, sides.events, sides.rows, sides.differences, tuple(found))
    if not with_files or settings.S3_BUCKET:
        return ledger
    found += check_files(now=now, grace=grace, pause=pause)
    return replace(ledger, findings=tuple(found), files_seen=True)
