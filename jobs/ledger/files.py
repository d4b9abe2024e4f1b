"""Files that no row names, and rows whose file is missing.

Files and rows cannot be read at the same moment, and a file is stored or removed shortly before or after its row is
written. So each suspect is checked again CONFIRM_SECONDS later, and counts when nothing has changed by then.
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
    """Yield files older than `grace` that no row names, and files that a row names and that do not exist."""
    unreferenced, missing = _unreferenced(now - grace), _missing()
    if unreferenced or missing:
        pause(CONFIRM_SECONDS)
        unreferenced, missing = unreferenced & _unreferenced(now - grace), missing & _missing()
    if unreferenced:
        items = tuple(Item(key) for key in sorted(unreferenced)[:LISTED])
        yield Finding("file_unreferenced", "A file that no job names.", len(unreferenced), items)
    if missing:
        items = tuple(Item(key, job_id) for key, job_id in sorted(missing)[:LISTED])
        yield Finding("file_missing", "A file that a job names and that is not there.", len(missing), items)


def _unreferenced(moment: datetime) -> set[str]:
    return {key for keys in retention.unreferenced_files(older_than=moment) for key in keys}


def _missing() -> set[tuple[str, str]]:
    """Return (key, job id) of each file that a row names and that does not exist."""
    rows = Job.objects.values_list("id", *_FIELDS).order_by().iterator()
    return {(key, str(job_id)) for job_id, *keys in rows for key in keys if key and not storage.is_on_disk(key)}
