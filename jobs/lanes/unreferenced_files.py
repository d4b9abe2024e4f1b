"""Which of the files that a lane has stored have no row."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from jobs.models import Job

_FIELDS = ("clean_key", "preview_key", "poster_key", "video_key")


def unreferenced(keys: Iterable[str], *, brought_for: Iterable[UUID]) -> list[str]:
    """Return those of these storage keys that no row of the jobs they were stored for names.

    An outcome is written again when it is unknown whether its commit succeeded. If it did, the second write finds the
    job moved on and returns its file as unwanted, although the job's row names it.
    """
    keys = [key for key in keys if key]
    if not keys:
        return []
    rows = Job.objects.filter(id__in=list(brought_for)).values_list(*_FIELDS)
    named = {key for row in rows for key in row}
    return [key for key in keys if key not in named]
