"""What is kept, and when it goes: photos and films at `erase_at`, evidence and loose files later."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

from jobs import services, storage
from jobs.models import Attempt, Job, WebhookDelivery

logger = logging.getLogger(__name__)

DELIVERIES_KEPT = timedelta(days=30)
REJECTED_KEPT = timedelta(days=2)
KEEP_WARM_KEPT = timedelta(days=30)
TEMPORARY_KEPT_SECONDS = 3600
# Longer than any lease: a younger file may be one whose row is being written.
UNREFERENCED_AFTER = timedelta(hours=1)
BATCH = 100
SWEEP_SECONDS = 5.0


def sweep(*, now: datetime) -> bool:
    """Erase what is due, for a few seconds; return whether there is more. Killed half-way the next one goes on.

    A job that cannot be erased is logged and tried again with the next sweep.
    """
    is_done = _erase_due(now=now)
    rejected = [WebhookDelivery.Verdict.FORGED, WebhookDelivery.Verdict.STALE]
    WebhookDelivery.objects.filter(received_at__lt=now - REJECTED_KEPT, verdict__in=rejected).delete()
    WebhookDelivery.objects.filter(received_at__lt=now - DELIVERIES_KEPT).delete()
    # Calls that only kept a model awake belong to no job that would take them along.
    idle = Attempt.objects.filter(job=None, claimed_at__lt=now - KEEP_WARM_KEPT, slot_held=False, cleanup="")
    idle.exclude(status__in=Attempt.OPEN).delete()
    # What killed requests and downloads left, and mails that were written to files for want of a mail server.
    _sweep_folder(settings.FILE_UPLOAD_TEMP_DIR, seconds=TEMPORARY_KEPT_SECONDS)
    _sweep_folder(settings.EMAIL_FILE_PATH, seconds=settings.RETENTION.total_seconds())
    return not is_done


def _erase_due(*, now: datetime) -> bool:
    end, failed = time.monotonic() + SWEEP_SECONDS, []
    while time.monotonic() < end:
        due = Job.objects.filter(erase_at__lte=now, erased_at=None).exclude(id__in=failed).order_by("erase_at")
        job_ids = list(due.values_list("id", flat=True)[:BATCH])
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


def sweep_unreferenced_files(*, now: datetime) -> int:
    """Remove photos and films that no job knows of; return how many.

    A process that is killed between storing a file and writing its row, or between writing the
    row and removing the file, leaves one. On S3 that is for a lifecycle rule of the bucket.
    """
    removed = 0
    for keys in unreferenced_files(older_than=now - UNREFERENCED_AFTER):
        storage.delete(keys)
        removed += len(keys)
    if removed:
        logger.warning("unreferenced_files_removed count=%d", removed)
    return removed


def unreferenced_files(*, older_than: datetime) -> Iterator[list[str]]:
    """Yield the files from before then that no job knows of, one kind after the other.

    The rows are read once for each kind, after its files: no index knows a file's name.
    """
    for kind, found in itertools.groupby(storage.keys_older_than(older_than), key=itemgetter(0)):
        keys = {key for _, batch in found for key in batch}
        field = f"{kind}_key"
        rows = Job.objects.filter(erased_at=None).exclude(**{field: ""}).order_by()
        keys.difference_update(rows.values_list(field, flat=True).iterator())
        if keys:
            yield sorted(keys)


def _sweep_folder(folder: Path, *, seconds: float) -> None:
    """Remove the files of a folder that have not changed for so long."""
    if not folder.is_dir():
        return
    oldest = time.time() - seconds
    for path in folder.iterdir():
        try:
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:
            logger.info("temporary_file_kept name=%s", path.name)
