"""Erasures of ended jobs in batches: the day after a busy evening 83 a second are due.

    claim a batch (lease) ─► delete its files ─► one transaction: rows, attempts, deliveries, messages

A claim uses the lease columns that an ended job no longer needs, so several processes share the work, and a batch whose
process died is due again after LEASE. Files go before rows, as in `services.erase_job`: a crash in between leaves a row
that says too much, never a file that no row names.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from jobs import lifecycle, storage
from jobs.models import HAS_ENDED_WITH_PHOTO, ErasureCount, Job
from jobs.queue import claims

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
_PHOTO_KEYS = ("raw_key", "clean_key", "preview_key")
_KEYS = (*_PHOTO_KEYS, "poster_key", "video_key")


def ended(*, now: datetime) -> QuerySet[Job]:
    """Return the ended jobs whose hour has come and whose lease nobody holds."""
    free = Q(lease_token="") | Q(due_at__lte=now)
    return Job.objects.to_erase(Job.FINAL, now=now).filter(free)


def erase_ended(*, now: datetime, limit: int) -> int:
    """Erase up to `limit` ended jobs whose hour has come; return how many were claimed.

    A job whose files cannot be removed stays as it is, and is due again after LEASE.
    """
    token = claims.new_token()
    claimed = _claim(token, now=now, limit=limit)
    if not claimed:
        return 0
    gone = [job_id for job_id, keys in claimed.items() if _delete(job_id, keys)]
    with transaction.atomic():
        erased = lifecycle.mark_all_erased(gone, lease_token=token, now=now)
        lifecycle.forget_attempts(erased, now=now)
        ErasureCount.objects.add(ErasureCount.FILMS, by="retention", promised=_promised(erased), now=now)
    logger.info("jobs_erased count=%d by=retention", len(erased))
    return len(claimed)


def with_photo(*, now: datetime) -> QuerySet[Job]:
    """Return the jobs that ended PHOTO_RETENTION ago and still have a photo or a preview."""
    return Job.objects.filter(HAS_ENDED_WITH_PHOTO, finished_at__lte=now - settings.PHOTO_RETENTION)


def erase_photos(*, now: datetime, limit: int, failed: list[UUID]) -> int:
    """Erase photo and preview of up to `limit` jobs that ended PHOTO_RETENTION ago; return how many were found.

    Jobs whose files cannot be removed stay as they are, and are added to `failed`, whose jobs are left out. Two
    processes may do the same batch: a file is removed once, and no row names a file that is gone.
    """
    kept = with_photo(now=now)
    rows = kept.exclude(id__in=failed).order_by("finished_at").values_list("id", "finished_at", *_PHOTO_KEYS)[:limit]
    gone: dict[UUID, datetime] = {}
    for job_id, finished_at, *keys in rows:
        if _delete(job_id, [key for key in keys if key]):
            gone[job_id] = finished_at + settings.PHOTO_RETENTION
        else:
            failed.append(job_id)
    with transaction.atomic():
        changed = list(claims.locked(kept.filter(id__in=list(gone))).values_list("id", flat=True))
        Job.objects.filter(id__in=changed).update(**dict.fromkeys(_PHOTO_KEYS, ""), photo_erased_at=now)
        promised = [gone[job_id] for job_id in changed]
        ErasureCount.objects.add(ErasureCount.PHOTOS, by="retention", promised=promised, now=now)
    if changed:
        logger.info("photos_erased count=%d by=retention", len(changed))
    return len(rows)


def overdue(*, now: datetime, by: timedelta) -> int:
    """Return how many jobs have a photo or film that should have been erased that long ago, each once.

    It looks at 10,000 late photos and films at most.
    """
    films = Job.objects.filter(erase_at__lt=now - by, erased_at=None).order_by().values_list("id", flat=True)
    photos = with_photo(now=now - by).order_by().values_list("id", flat=True)
    return len(set(films.union(photos, all=True)[:10_000]))


def _claim(token: str, *, now: datetime, limit: int) -> dict[UUID, list[str]]:
    """Take due jobs under a lease; return the storage keys of each."""
    with transaction.atomic():
        due = ended(now=now).order_by("erase_at")
        ids = list(claims.locked(due).values_list("id", flat=True)[:limit])
        Job.objects.filter(id__in=ids).update(lease_token=token, due_at=now + LEASE)
    rows = Job.objects.filter(id__in=ids, lease_token=token).values_list("id", *_KEYS)
    return {job_id: [key for key in keys if key] for job_id, *keys in rows}


def _promised(job_ids: Collection[UUID]) -> list[datetime]:
    return list(Job.objects.filter(id__in=list(job_ids)).values_list("erase_at", flat=True))


def _delete(job_id: UUID, keys: list[str]) -> bool:
    try:
        storage.delete(keys)
    except Exception as error:  # noqa: BLE001 - each storage backend has errors of its own
        logger.error("job_not_erased job=%s error=%s", job_id, type(error).__name__)
        return False
    return True
