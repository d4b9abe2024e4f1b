"""What is kept, and when it goes: photos and films at `erase_at`, evidence and loose files later."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings

from . import services
from .models import Job, WebhookDelivery

logger = logging.getLogger(__name__)

DELIVERIES_KEPT = timedelta(days=30)
REJECTED_KEPT = timedelta(days=2)
TEMPORARY_KEPT_SECONDS = 3600
BATCH = 100


def sweep(*, now: datetime) -> None:
    """Erase what is due, in batches; killed half-way it goes on with the next sweep."""
    due = Job.objects.filter(erase_at__lte=now, erased_at=None).values_list("id", flat=True)[:BATCH]
    for job_id in list(due):
        services.erase_job(job_id, now=now, by="retention")
    rejected = [WebhookDelivery.Verdict.FORGED, WebhookDelivery.Verdict.STALE]
    WebhookDelivery.objects.filter(received_at__lt=now - REJECTED_KEPT, verdict__in=rejected).delete()
    WebhookDelivery.objects.filter(received_at__lt=now - DELIVERIES_KEPT).delete()
    _sweep_temporary_files()


def _sweep_temporary_files() -> None:
    """Remove what killed requests and downloads left in the folder for unfinished files."""
    folder = settings.FILE_UPLOAD_TEMP_DIR
    if not folder.is_dir():
        return
    oldest = time.time() - TEMPORARY_KEPT_SECONDS
    for path in folder.iterdir():
        try:
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
        except OSError:
            logger.info("temporary_file_kept name=%s", path.name)
