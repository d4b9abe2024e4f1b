"""The inspection that goes on for as long as reconcile runs: once per cluster, in small parts, its result in one row.

To inspect a million jobs at once takes a dozen seconds, and each web process used to do it by itself. So whichever
reconcile holds the row's lease reads, every STEP_EVERY:

- the jobs that are open or have ended since the step before, up to RECENT of them: what goes wrong now is seen now;
- for STEP_SECONDS, the next jobs in the order of their ids with their attempts, PART at a time. With the last part the
  result is kept, and the next step begins again.

Both sides of the law are compared in one snapshot for each part. They have to agree on every job, so their sums agree
as well, although the parts were read at different moments. A part's cost does not depend on the number of all jobs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from jobs.models import Job, LedgerInspection, plain_sql
from jobs.reconcile import retention

from .balances import Scope
from .files import check_files
from .inspection import inspect_balances, inspect_part
from .results import Finding, Ledger

logger = logging.getLogger(__name__)

STEP_EVERY = timedelta(seconds=10)
STEP_SECONDS = 0.5
PART = 2000
RECENT = 2000
# A reconcile that died during a step is replaced after so long.
LEASE = timedelta(minutes=2)
_NAME = "ledger"


class Newest(NamedTuple):
    """The newest results: of all jobs, of those that are open or just ended, and of the files when staff asked."""

    found: Ledger | None
    recent: Ledger | None
    files: tuple[Finding, ...] | None
    files_at: datetime | None
    files_wanted: bool

    @property
    def at(self) -> datetime | None:
        """When anything was inspected last."""
        return max((one.at for one in (self.found, self.recent) if one is not None), default=None)

    @property
    def difference_count(self) -> int | None:
        """On how many jobs the sides differ at least, None before the first inspection."""
        counts = [one.difference_count for one in (self.found, self.recent) if one is not None]
        return max(counts, default=None)

    @property
    def balances(self) -> bool:
        return all(one.balances for one in (self.found, self.recent) if one is not None)


def newest() -> Newest:
    """Return the newest results, by one read of one row."""
    row = LedgerInspection.objects.filter(name=_NAME).defer("walk_found").first() or LedgerInspection()
    files = None if row.files_found is None else tuple(Finding.from_json(one) for one in row.files_found)
    return Newest(_ledger(row.found), _ledger(row.recent), files, row.files_at, row.files_wanted)


def want_files(*, now: datetime) -> None:
    """Have the files checked too with the next step, which is due at once."""
    LedgerInspection.objects.get_or_create(name=_NAME, defaults={"due_at": now})
    rows = LedgerInspection.objects.filter(name=_NAME)
    rows.update(files_wanted=True)
    rows.filter(due_at__lte=now + STEP_EVERY).update(due_at=now)


def inspect_next(*, now: datetime, clock: Callable[[], float] = time.monotonic) -> bool:
    """Inspect the next part when it is due and no other process does; return whether it was."""
    due = plain_sql.one("SELECT due_at FROM jobs_ledgerinspection WHERE name = %s", _NAME)
    if due is not None and now < plain_sql.moment(due[0]) <= now + LEASE:
        return False
    row = LedgerInspection.objects.filter(name=_NAME).first()
    if row is None:
        row = LedgerInspection.objects.get_or_create(name=_NAME, defaults={"due_at": now})[0]
    # A time further away than a lease is from a clock that was set back since.
    is_due = row.due_at <= now or row.due_at > now + LEASE
    rows = LedgerInspection.objects.filter(name=_NAME)
    lease_until = now + LEASE
    if not is_due or not rows.filter(due_at=row.due_at).update(due_at=lease_until):
        return False
    mine = rows.filter(due_at=lease_until)
    started = clock()
    values: dict[str, Any] = {"recent": _recent(row.recent_at, now=now).as_json(), "recent_at": now}
    values |= _walk(row, now=now, until=started + STEP_SECONDS, clock=clock)
    if row.files_wanted:
        files = [] if settings.S3_BUCKET else check_files(now=now, grace=retention.UNREFERENCED_AFTER, pause=time.sleep)
        values |= {"files_found": [asdict(one) for one in files], "files_at": now, "files_wanted": False}
    _log(row, values)
    # A step that took longer than its share of the time is followed by a longer pause.
    pause = min(max(STEP_EVERY, timedelta(seconds=10 * (clock() - started))), LEASE)
    mine.update(due_at=now + pause, **values)
    return True


def _recent(since: datetime | None, *, now: datetime) -> Ledger:
    ended = Q(finished_at__gt=(since or now) - STEP_EVERY)
    ids = list(Job.objects.is_open().order_by("deadline_at").values_list("id", flat=True)[:RECENT])
    ids += Job.objects.filter(ended).order_by("-finished_at").values_list("id", flat=True)[:RECENT]
    return inspect_balances(now=now, scope=Scope(ids=ids))


def _walk(row: LedgerInspection, *, now: datetime, until: float, clock: Callable[[], float]) -> dict[str, Any]:
    """Inspect part after part until that time of the clock; return the columns to write."""
    after: UUID | None = row.walk_after
    found = _ledger(row.walk_found) or Ledger.nothing(now)
    while True:
        later = Job.objects.order_by("id") if after is None else Job.objects.filter(id__gt=after).order_by("id")
        last = later.values_list("id", flat=True)[PART - 1 : PART].first()
        found += inspect_part(now=now, scope=Scope(after=after, until=last))
        if last is None:
            return {"found": found.as_json(), "walk_after": None, "walk_found": None}
        after = last
        if clock() >= until:
            return {"walk_after": after, "walk_found": found.as_json()}


def _ledger(stored: dict[str, Any] | None) -> Ledger | None:
    return None if stored is None else Ledger.from_json(stored)


def _log(row: LedgerInspection, values: dict[str, Any]) -> None:
    """Log the jobs on which the two sides differ, when they are others than before."""
    for name in ("found", "recent"):
        before, after = _differing(getattr(row, name)), _differing(values.get(name))
        if after - before:
            logger.error("ledger_differs count=%d jobs=%s", len(after), ",".join(sorted(after)))


def _differing(stored: dict[str, Any] | None) -> set[str]:
    return {item["id"] for finding in (stored or {}).get("differences", ()) for item in finding["items"]}
