"""Files that a lane brought and its outcome does not want."""

from __future__ import annotations

from collections.abc import Iterable

from ..models import Job


def nobodys(keys: Iterable[str]) -> list[str]:
    """Return those of these storage keys that no job names.

    An outcome is written again when nobody knows whether its commit arrived. If it did, the second writing finds the
    job gone on and takes its file for unwanted, although the job lives on it.
    """
    keys = [key for key in keys if key]
    if not keys:
        return []
    named: set[str] = set()
    for field in ("clean_key", "preview_key", "poster_key", "video_key"):
        named |= set(Job.objects.filter(**{f"{field}__in": keys}).values_list(field, flat=True))
    return [key for key in keys if key not in named]
