"""Files that a lane brought and its outcome does not want."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from jobs.models import Job

_FIELDS = ("clean_key", "preview_key", "poster_key", "video_key")


def unreferenced(keys: Iterable[str], *, brought_for: Iterable[UUID]) -> list[str]:
    """Return those of these storage keys that none of the jobs they were brought for names.

    An outcome is written again when nobody knows whether its commit arrived. If it did, the second writing finds the
    job gone on and takes its file for unwanted, although the job lives on it.
    """
    keys = [key for key in keys if key]
    if not keys:
        return []
    rows = Job.objects.filter(id__in=list(brought_for)).values_list(*_FIELDS)
    named = {key for row in rows for key in row}
    return [key for key in keys if key not in named]
