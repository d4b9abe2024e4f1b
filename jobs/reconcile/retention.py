"""Retention: erases photos and films at `erase_at`, deliveries and unreferenced files later."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import QuerySet

from jobs import erasure_list, services, storage
from jobs.models import Attempt, ErasureCount, Job, WebhookDelivery

from . import erasures

logger = logging.getLogger(__name__)

REJECTED_KEPT = timedelta(days=2)
KEEP_WARM_KEPT = timedelta(days=30)
TEMPORARY_KEPT_SECONDS = 3600
# Longer than any lease: the row of a younger file may not be written yet.
UNREFERENCED_AFTER = timedelta(hours=1)
BATCH = 100
SWEEP_SECONDS = 5.0


def sweep(*, now: datetime) -> bool:
    """Erase what is due, for SWEEP_SECONDS at most; return whether there is more. It can be interrupted at any point.

    A job that cannot be erased is logged and tried again with the next sweep.
    """
    is_done = erase_due(now=now) and erase_photos(now=now)
    forget_evidence(now=now)
    return not is_done


def forget_evidence(*, now: datetime) -> None:
    """Remove deliveries, calls without a job and temporary files whose time is over."""
    rejected = [WebhookDelivery.Verdict.FORGED, WebhookDelivery.Verdict.STALE]
    WebhookDelivery.objects.filter(received_at__lt=now - REJECTED_KEPT, verdict__in=rejected).delete()
    old = WebhookDelivery.objects.filter(received_at__lt=now - settings.DELIVERIES_RETENTION)
    kept_until = [at + settings.DELIVERIES_RETENTION for at in old.values_list("received_at", flat=True)]
    old.delete()
    ErasureCount.objects.add(ErasureCount.REPORTS, by="retention", promised=kept_until, now=now)
    # Keep-warm attempts have no job with which they would be erased.
    idle = Attempt.objects.filter(job=None, claimed_at__lt=now - KEEP_WARM_KEPT, slot_held=False, cleanup="")
    idle.exclude(status__in=Attempt.OPEN).delete()
    # Files that killed requests and downloads left, and mails that were written to files without a mail server.
    _sweep_folder(settings.FILE_UPLOAD_TEMP_DIR, seconds=TEMPORARY_KEPT_SECONDS)
    _sweep_folder(settings.EMAIL_FILE_PATH, seconds=settings.RETENTION.total_seconds())


def still_open(*, now: datetime) -> QuerySet[Job]:
    """Return the jobs whose hour has come although they have not ended."""
    return Job.objects.to_erase(Job.OPEN, now=now)


def erase_due(*, now: datetime) -> bool:
    """Erase what is due, for a few seconds: ended jobs in batches, others one by one. Return whether that is all."""
    end = time.monotonic() + SWEEP_SECONDS
    failed: list[UUID] = []
    try:
        while time.monotonic() < end and erasures.erase_ended(now=now, limit=BATCH):
            pass
    except (OperationalError, InterfaceError):
        raise  # the database is away
    except Exception:
        logger.exception("batch_not_erased")  # its lease lapses, and it is due again
    while time.monotonic() < end:
        due = still_open(now=now).exclude(id__in=failed)
        job_ids = list(due.order_by("erase_at").values_list("id", flat=True)[:BATCH])
        if not job_ids:
            return True
        for job_id in job_ids:
            try:
                services.erase_job(job_id, now=now, by="retention")
            except (OperationalError, InterfaceError):
                raise  # the database is away
            except Exception:
                logger.exception("job_not_erased job=%s", job_id)
                failed.append(job_id)
    return False


def erase_photos(*, now: datetime) -> bool:
    """Erase the photos of jobs that ended PHOTO_RETENTION ago, for a few seconds; return whether that is all."""
    end = time.monotonic() + SWEEP_SECONDS
    failed: list[UUID] = []
    while time.monotonic() < end:
        if not erasures.erase_photos(now=now, limit=BATCH, failed=failed):
            return True
    return False


def sweep_unreferenced_files(*, now: datetime) -> int:
    """Remove photos and films that no row names, and lists of erasures that no backup needs; return how many photos.

    A process that is killed between storing a file and writing its row, or between writing the row and removing the
    file, leaves one.
    """
    removed = 0
    for keys in unreferenced_files(older_than=now - UNREFERENCED_AFTER):
        storage.delete(keys)
        removed += len(keys)
    if removed:
        logger.warning("unreferenced_files_removed count=%d", removed)
    erasure_list.forget(now=now)
    return removed


def unreferenced_files(*, older_than: datetime) -> Iterator[list[str]]:
    """Yield batches of stored files older than that which no row names, one kind after the other.

    The rows are read once for each kind, after its files, because there is no index on file keys.
    """
    for kind, found in itertools.groupby(storage.keys_older_than(older_than), key=itemgetter(0)):
        keys = {key for _, batch in found for key in batch}
        field = f"{kind}_key"
        rows = Job.objects.filter(erased_at=None).exclude(**{field: ""}).order_by()
        keys.difference_update(rows.values_list(field, flat=True).iterator())
        if keys:
            yield sorted(keys)


def _sweep_folder(folder: Path, *, seconds: float) -> None:
    """Remove the files of a folder that have not changed for that many seconds."""
    if not folder.is_dir():
        return
    oldest = time.time() - seconds
    for path in folder.iterdir():
        try:
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:
            logger.info("temporary_file_kept name=%s", path.name)
