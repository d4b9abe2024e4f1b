"""Files that no row names, and rows whose files are gone.

Files and rows cannot be read in one moment. Whoever removes a file does it just before or just after writing
the row, so a suspect is looked at once more a little later, and counts when nothing has changed by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from jobs import storage
from jobs.models import Job
from jobs.reconcile import retention

from .results import LISTED, Finding, Item

CONFIRM_SECONDS = 2.0
_FIELDS = [f"{kind}_key" for kind in storage.KINDS]


def check_files(*, now: datetime, grace: timedelta, pause: Callable[[float], object]) -> Iterator[Finding]:
    """Yield files older than `grace` that no row names, and files that rows name in vain."""
    loose, missing = _loose(now - grace), _missing()
    if loose or missing:
        pause(CONFIRM_SECONDS)
        loose, missing = loose & _loose(now - grace), missing & _missing()
    if loose:
        items = tuple(Item(key) for key in sorted(loose)[:LISTED])
        yield Finding("file_loose", "A file that no job names.", len(loose), items)
    if missing:
        items = tuple(Item(key, job_id) for key, job_id in sorted(missing)[:LISTED])
        yield Finding("file_missing", "A file that a job names and that is not there.", len(missing), items)


def _loose(moment: datetime) -> set[str]:
    return {key for keys in retention.loose_files(older_than=moment) for key in keys}


def _missing() -> set[tuple[str, str]]:
    """Return (key, job) of each file that is named and not there."""
    rows = Job.objects.values_list("id", *_FIELDS).order_by().iterator()
    return {(key, str(job_id)) for job_id, *keys in rows for key in keys if key and not storage.is_on_disk(key)}
