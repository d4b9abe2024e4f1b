"""Which jobs were erased before their hour, kept beside the database so that a restored backup can be brought up to it.

    erased/2026-11-30/<random>.json    {"at": "2026-11-30T14:20:05Z", "jobs": ["<id>", …]}

A backup is older than the erasures after it, and would bring back what people had erased. The list is in storage, not
in the database, because it must not be as old as the backup is; it holds ids and nothing of a person. What retention
erases needs no line: a row of the backup names the hour itself, and is erased again when it is restored.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from common.times import rfc3339

from . import storage

logger = logging.getLogger(__name__)

# An older backup is not brought up to date by the list; `manage.py restore` says so.
KEPT = timedelta(days=400)
_PREFIX = "erased/"


def record(job_ids: Sequence[UUID], *, at: datetime) -> None:
    """Note that these jobs are erased. It never raises: an erasure must not fail for want of its note."""
    content = {"at": rfc3339(at), "jobs": [str(job_id) for job_id in job_ids]}
    try:
        storage.save(f"{_PREFIX}{at:%Y-%m-%d}/{secrets.token_hex(16)}.json", json.dumps(content).encode())
    except Exception as error:  # noqa: BLE001 - each storage backend has errors of its own
        logger.error("erasure_not_listed jobs=%s error=%s", content["jobs"], type(error).__name__)


def since(moment: datetime) -> Iterator[UUID]:
    """Yield the jobs that were erased since that moment, and some that were erased on its day before it.

    Raise OSError when storage does not answer.
    """
    for key, day in _days():
        if day >= moment.date():
            yield from (UUID(job_id) for job_id in json.loads(storage.read(key))["jobs"])


def forget(*, now: datetime) -> int:
    """Remove lists that are older than KEPT; return how many."""
    oldest = (now - KEPT).date()
    keys = [key for key, day in _days() if day < oldest]
    storage.delete(keys)
    return len(keys)


def _days() -> Iterator[tuple[str, date]]:
    for key, _stored_at in storage.listed(_PREFIX):
        yield key, date.fromisoformat(key.removeprefix(_PREFIX).partition("/")[0])
