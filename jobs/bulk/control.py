"""Start, pause, go on, change the rate, stop: each a guarded update with an entry in the audit log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from jobs.audit import audit
from jobs.models import BulkOperation

from .plan import Plan

Status = BulkOperation.Status


def start(
    plan: Plan, *, form_token: str, query: str, words: str, rate: int, actor: Any, address: str, now: datetime
) -> BulkOperation:
    """Keep which jobs it is about, for reconcile to work, the oldest first.

    Starting twice with the same `form_token` starts one operation.
    """
    with transaction.atomic():
        chosen = {
            "action": plan.action.name,
            "query": query[:1000],
            "words": words[:300],
            "created_at": now,
            "created_by": actor,
            "creator_name": actor.get_username(),
            "address": address,
            "rate": rate,
            "line_limit": plan.line_limit,
            "most_cost": plan.most_cost,
            "due_at": now,
            "paced_from": now - timedelta(minutes=1) / rate,
        }
        operation, is_new = BulkOperation.objects.get_or_create(form_token=form_token[:64], defaults=chosen)
        if is_new:
            operation.total = _write_items(operation, plan.jobs)
            operation.save(update_fields=["total"])
            data = {"jobs": operation.total, "rate": rate}
            note(operation, "bulk_started", data, actor=actor, address=address, now=now)
    return operation


def _write_items(operation: BulkOperation, jobs: Any) -> int:
    """Write an item for each job that is possible, the oldest first, in one statement; return how many there are.

    `jobs` are those of a plan, with what that adds to them.
    """
    found, values = jobs.values_list("id", "created_at", "is_possible").query.sql_with_params()
    place = "ROW_NUMBER() OVER (ORDER BY created_at, id)"
    statement = (
        "INSERT INTO jobs_bulkitem (operation_id, outcome, place, job_id) "  # noqa: S608 - the ORM wrote the rest
        f"SELECT %s, '', {place}, id FROM ({found}) judged WHERE is_possible = 1"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [operation.pk, *values])
        return int(cursor.rowcount)


def pause(operation: BulkOperation, *, actor: Any, address: str = "", why: str = "", now: datetime) -> bool:
    """Pause a running operation, by staff or by a brake (`why`); return whether it was running."""
    rows = BulkOperation.objects.filter(pk=operation.pk, status=Status.RUNNING)
    if not rows.update(status=Status.PAUSED, paused_why=why[:200]):
        return False
    note(operation, "bulk_paused", {"why": why} if why else {}, actor=actor, address=address, now=now)
    return True


def go_on(operation: BulkOperation, *, actor: Any, address: str = "", now: datetime) -> bool:
    """Let a paused operation go on at its rate; return whether it was paused."""
    rows = BulkOperation.objects.filter(pk=operation.pk, status=Status.PAUSED)
    if not rows.update(status=Status.RUNNING, paused_why="", due_at=now, paced_from=now):
        return False
    note(operation, "bulk_resumed", {}, actor=actor, address=address, now=now)
    return True


def set_rate(operation: BulkOperation, rate: int, *, actor: Any, address: str = "", now: datetime) -> bool:
    """Change the rate from now on; return whether the operation is open."""
    rows = BulkOperation.objects.filter(pk=operation.pk, status__in=BulkOperation.OPEN)
    if not rows.update(rate=rate, paced_from=now):
        return False
    note(operation, "bulk_rate", {"rate": [operation.rate, rate]}, actor=actor, address=address, now=now)
    return True


def stop(operation: BulkOperation, *, actor: Any, address: str = "", now: datetime) -> bool:
    """End an operation for good: what is done stays done, the others stay as they were."""
    rows = BulkOperation.objects.filter(pk=operation.pk, status__in=BulkOperation.OPEN)
    if not rows.update(status=Status.STOPPED, ended_at=now):
        return False
    note(operation, "bulk_stopped", {}, actor=actor, address=address, now=now)
    return True


def note(
    operation: BulkOperation, action: str, data: dict[str, Any], *, actor: Any, now: datetime, address: str = ""
) -> None:
    """Add an entry about an operation to the audit log."""
    audit(actor, action, subject_of(operation), data, now=now, address=address)


def subject_of(operation: BulkOperation) -> str:
    """Return what entries of the audit log about an operation are found by."""
    return f"bulk {operation.pk}"


def finish(operation: BulkOperation, *, now: datetime) -> None:
    """End an operation that has no job left."""
    with transaction.atomic():
        rows = BulkOperation.objects.filter(pk=operation.pk, status=Status.RUNNING)
        if rows.update(status=Status.DONE, ended_at=now):
            note(operation, "bulk_done", {}, actor=None, now=now)
