"""The guarded UPDATE that changes a job, with its event, and the progress of each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import F, Q, Value

from jobs import signals
from jobs.models import Job, JobEvent, next_seq

from .statements import insert_events, update_rows

Status, Stage = Job.Status, Job.Stage

# The progress, from 0 to 1, at which each stage begins; the wait page uses the same numbers.
STAGE_PROGRESS = {
    Stage.ACCEPTED: 0.0,
    Stage.PREPARING: 0.03,
    Stage.WAITING_FOR_SLOT: 0.10,
    Stage.SUBMITTED: 0.20,
    Stage.WARMING_UP: 0.22,
    Stage.RENDERING: 0.24,
    Stage.COLLECTING: 0.92,
    Stage.READY: 1.0,
}
# Reports may come late or twice: they move a job on from these stages; in any other stage they are outdated.
STAGES_BEFORE = {
    Stage.SUBMITTED: (Stage.WAITING_FOR_SLOT,),
    Stage.WARMING_UP: (Stage.WAITING_FOR_SLOT, Stage.SUBMITTED),
    Stage.RENDERING: (Stage.WAITING_FOR_SLOT, Stage.SUBMITTED, Stage.WARMING_UP),
}
RENDERING_SPAN = STAGE_PROGRESS[Stage.COLLECTING] - STAGE_PROGRESS[Stage.RENDERING]


def change(
    job_id: UUID | None,
    guard: Q,
    kind: str,
    now: datetime,
    data: dict[str, Any] | None = None,
    *,
    progress_at_least: float | None = None,
    **values: Any,
) -> bool:
    """Write a job's new state and its event, if the job is still in the state that `guard` describes.

    Return whether it was; False also without a job id, as keep-warm attempts have none.
    """
    if job_id is None:
        return False
    values = _with_progress(values, progress_at_least)
    if not Job.objects.filter(guard, id=job_id).update(seq=next_seq(), **values):
        return False
    seq, owner, email = Job.objects.values_list("seq", "owner", "email").get(id=job_id)
    JobEvent.objects.create(job_id=job_id, seq=seq, kind=kind, at=now, data=data or {})
    signals.announce(job_id)
    if values.get("status") in Job.FINAL:
        who = (data or {}).get("by", "")
        signals.job_ended.send(
            sender=None, job_id=job_id, owner=owner, email=email, status=values["status"], by=who, now=now
        )
    if "erased_at" in values:
        signals.jobs_erased.send(sender=None, owners={job_id: owner})
    return True


def change_all(events: Mapping[UUID, dict[str, Any]], guard: Q, kind: str, now: datetime, **values: Any) -> set[UUID]:
    """Do what `change` does for many jobs at once; return the ids of those that changed.

    `events` has the event data by job id. It takes four SQL statements in all.
    """
    if not events:
        return set()
    # Locked by id, so that two batches cannot deadlock; on SQLite the transaction is the lock.
    rows = Job.objects.select_for_update().filter(guard, id__in=list(events)).order_by("id")
    seqs = dict(rows.values_list("id", "seq"))
    Job.objects.filter(id__in=list(seqs)).update(seq=next_seq(), **_with_progress(values, None))
    JobEvent.objects.bulk_create(
        [JobEvent(job_id=job_id, seq=seq + 1, kind=kind, at=now, data=events[job_id]) for job_id, seq in seqs.items()]
    )
    for job_id in seqs:
        signals.announce(job_id)
    return set(seqs)


def change_rows(
    kind: str,
    rows: Mapping[UUID, Mapping[str, Any]],
    *,
    guard: str,
    now: datetime,
    guard_values: Sequence[Any] = (),
    data: Mapping[UUID, Mapping[str, Any]] | None = None,
    keep_first: Sequence[str] = (),
    **common: Any,
) -> set[UUID]:
    """Do as `change` for many jobs in two statements, each with values of its own; return those that changed.

    For the guard see `statements.update_rows`; without `is_supported` there is `change_all`.
    """
    computed = {"seq": "t.seq + 1"}
    if "stage" in common:
        at_least = min(1.0, STAGE_PROGRESS[Stage(common["stage"])])
        computed["progress"] = f"CASE WHEN t.progress < {at_least} THEN {at_least} ELSE t.progress END"
    changed = update_rows(
        Job,
        rows,
        guard=guard,
        guard_values=guard_values,
        keep_first=keep_first,
        common=common,
        computed=computed,
        returning=("seq", "owner", "email"),
    )
    events = data or {}
    insert_events(kind, [(job_id, seq, events.get(job_id, {})) for job_id, seq, _, _ in changed], now=now)
    for job_id, _seq, owner, email in changed:
        signals.announce(job_id)
        if common.get("status") in Job.FINAL:
            signals.job_ended.send(
                sender=None, job_id=job_id, owner=owner, email=email, status=common["status"], by="", now=now
            )
    if "erased_at" in common and changed:
        signals.jobs_erased.send(sender=None, owners={job_id: owner for job_id, _, owner, _ in changed})
    return {job_id for job_id, *_ in changed}


def _with_progress(values: dict[str, Any], at_least: float | None) -> dict[str, Any]:
    """Return the values with a progress that never goes back: at least `at_least`, or that of the stage."""
    if at_least is None and "progress" not in values and "stage" in values:
        at_least = STAGE_PROGRESS[Stage(values["stage"])]
    if at_least is None:
        return values
    further = models.When(progress__lt=at_least, then=Value(min(1.0, at_least)))
    return values | {"progress": models.Case(further, default=F("progress"))}
