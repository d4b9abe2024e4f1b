"""Inspections of the ledger: everything, or the law alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from jobs.reconcile import retention

from .balances import ALL_JOBS, Scope, read_sides
from .checks import check_rows
from .files import check_files
from .results import Ledger
from .snapshot import snapshot


def inspect_balances(*, now: datetime, scope: Scope = ALL_JOBS) -> Ledger:
    """Return both sides of the law and what is wrong with events, of all jobs or of some, and nothing else."""
    with snapshot():
        sides = read_sides(scope)
    return Ledger(now, sides.events, sides.rows, sides.differences, sides.findings)


def inspect_part(*, now: datetime, scope: Scope) -> Ledger:
    """Return both sides of the law for some jobs, and what is wrong with them, in one snapshot."""
    with snapshot():
        sides = read_sides(scope)
        found = [*sides.findings, *check_rows(now=now, settled=False, scope=scope)]
    return Ledger(now, sides.events, sides.rows, sides.differences, tuple(found))


def inspect(
    *,
    now: datetime,
    grace: timedelta = retention.UNREFERENCED_AFTER,
    settled: bool = False,
    with_files: bool = True,
    pause: Callable[[float], object] = time.sleep,
) -> Ledger:
    """Check the law, the rows and the files.

    With `settled` everything is expected to have ended, so whatever has not is a finding too. Files younger than
    `grace` are left out, because their row may not be committed yet; `grace` can be 0 when nothing is running.
    """
    with snapshot():
        sides = read_sides()
        found = [*sides.findings, *check_rows(now=now, settled=settled)]
    ledger = Ledger(now, sides.events, sides.rows, sides.differences, tuple(found))
    if not with_files or settings.S3_BUCKET:
        return ledger
    found += check_files(now=now, grace=grace, pause=pause)
    return replace(ledger, findings=tuple(found), files_checked=True)
