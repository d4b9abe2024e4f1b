"""Shared films that people report, and that staff take down from the public.

    report ─► open ─► taken down: the public addresses answer 410, the owner's page says why; the film stays its owner's
                 └──► dismissed: nothing changes     reinstated: public again as before, the reports are dismissed

A taken-down film cannot be shared anew. Reports are deleted with the film, so none is kept longer than the film.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from .audit import audit
from .models import FilmReport, Job
from .services import NotPossible, note_change

logger = logging.getLogger(__name__)

WORDS_MAX = 500


def report(job_id: UUID, *, reason: str, words: str, email: str = "", now: datetime) -> FilmReport | None:
    """Keep a report that a shared film should not be public, for staff to decide; None when it is erased already."""
    with transaction.atomic():
        # Under the row's lock, so that the erasure that deletes a film's reports sees this one or comes before it.
        if Job.objects.select_for_update().filter(id=job_id, erased_at=None).first() is None:
            return None
        kept = FilmReport.objects.create(
            job_id=job_id,
            reason=reason,
            words=words.replace("\0", "")[:WORDS_MAX],
            email=email,
            reported_at=now,
        )
        # What the person wrote goes with the film; the audit log stays, so it has the reason alone.
        audit(None, "film_reported", str(job_id), {"reason": reason}, now=now)
    logger.warning("film_reported job=%s reason=%s", job_id, reason)
    return kept


def take_down(job_id: UUID, *, now: datetime, actor: Any, address: str = "") -> None:
    """Take a shared film from the public, and settle its open reports. NotPossible when it is not shared."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(id=job_id)
        if job.taken_down_at or not job.share_slug or job.erased_at:
            raise NotPossible("the film is not public")
        note_change(job, "taken_down", now, taken_down_at=now)
        settled = _settle(job_id, FilmReport.State.OPEN, FilmReport.State.TAKEN_DOWN, actor=actor, now=now)
        audit(actor, "film_taken_down", str(job_id), {"reports": settled}, now=now, address=address)
    logger.info("film_taken_down job=%s", job_id)


def reinstate(job_id: UUID, *, now: datetime, actor: Any, address: str = "") -> None:
    """Undo a takedown: the film is public again as far as its owner shares it. NotPossible when none was."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(id=job_id)
        if not job.taken_down_at or job.erased_at:
            raise NotPossible("the film was not taken down")
        note_change(job, "reinstated", now, taken_down_at=None)
        settled = _settle(job_id, FilmReport.State.TAKEN_DOWN, FilmReport.State.DISMISSED, actor=actor, now=now)
        audit(actor, "film_reinstated", str(job_id), {"reports": settled}, now=now, address=address)
    logger.info("film_reinstated job=%s", job_id)


def dismiss(report_id: int, *, now: datetime, actor: Any, address: str = "") -> None:
    """Settle an open report and leave its film as it is. NotPossible when it was settled already."""
    with transaction.atomic():
        found = FilmReport.objects.filter(id=report_id).values_list("job_id", "reason").first()
        rows = FilmReport.objects.filter(id=report_id, state=FilmReport.State.OPEN)
        settled = {"state": FilmReport.State.DISMISSED, "settled_at": now, "settled_by": actor}
        if found is None or not rows.update(**settled):
            raise NotPossible("the report was settled already")
        audit(actor, "report_dismissed", str(found[0]), {"reason": found[1]}, now=now, address=address)


def on_jobs_erased(*, owners: Mapping[UUID, str], **_: Any) -> None:
    """Receive `jobs.signals.jobs_erased`: forget what people reported about these films."""
    FilmReport.objects.filter(job__in=list(owners)).delete()


def _settle(job_id: UUID, state: FilmReport.State, settled: FilmReport.State, *, actor: Any, now: datetime) -> int:
    rows = FilmReport.objects.filter(job=job_id, state=state)
    return rows.update(state=settled, settled_at=now, settled_by=actor)
