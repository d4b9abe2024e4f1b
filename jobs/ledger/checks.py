"""Rows that should not exist, or that are overdue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, UUIDField

from jobs.models import QUEUE_LANES, Attempt, AuditEntry, Job, WebhookDelivery

from .balances import ALL_JOBS, Scope
from .results import LATE, LISTED, Finding, Item

_IS_OPEN = Q(status__in=Job.OPEN)


def check_rows(*, now: datetime, settled: bool, scope: Scope = ALL_JOBS) -> Iterator[Finding]:
    """Yield what is wrong at any time and, with `settled`, whatever has not ended. Call it inside a snapshot.

    Of some jobs only, and their attempts, with a `scope`; what belongs to no job is checked with the last part.
    """
    late = now - LATE
    jobs, attempts = scope.of(Job.objects.all(), "id"), scope.of(Attempt.objects.all(), "job_id")
    deliveries = WebhookDelivery.objects.all()
    # With its condition written out, so that SQLite uses the partial index of open jobs.
    open_jobs = scope.of(Job.objects.is_open(), "id")
    at_work = Exists(Attempt.objects.filter(job=OuterRef("pk"), status__in=Attempt.OPEN))
    in_lane = ~Q(lane="")
    checks: list[tuple[str, str, QuerySet[Any]]] = [
        (
            "job_orphaned",
            "An open job that no worker will touch: it is not in the queue and has no open attempt and no film.",
            open_jobs.filter(_IS_OPEN, ~at_work, winner=None).exclude(lane__in=QUEUE_LANES),
        ),
        (
            "job_late",
            "A job that is open although its deadline is over.",
            open_jobs.filter(_IS_OPEN, deadline_at__lt=late),
        ),
        (
            "lane_lease_lapsed",
            "A job whose lease lapsed and that no worker claimed again.",
            open_jobs.filter(_IS_OPEN, in_lane, due_at__lt=late).exclude(lease_token=""),
        ),
        (
            "lease_without_lane",
            "A job that is leased to a worker although it is in no lane.",
            # Ended jobs are leased while they are erased.
            jobs.filter(lane="").exclude(lease_token="").exclude(status__in=Job.FINAL, erase_at__lte=now),
        ),
        (
            "attempt_lease_lapsed",
            "An attempt whose worker died during the submit and that reconcile did not mark as unconfirmed.",
            attempts.filter(status__in=[Attempt.Status.PENDING, Attempt.Status.SUBMITTING], lease_until__lt=late),
        ),
        (
            "attempt_late",
            "An attempt that is open although its deadline is over.",
            attempts.filter(status__in=Attempt.OPEN, deadline_at__lt=late),
        ),
        (
            "attempt_after_the_end",
            "An attempt that is open although its job has ended.",
            attempts.filter(status__in=Attempt.OPEN, job__status__in=Job.FINAL),
        ),
        (
            "slot_kept",
            "An attempt that has ended and keeps its slot, with no provider cleanup that would give it back.",
            attempts.filter(slot_held=True, cleanup="").exclude(status__in=Attempt.OPEN),
        ),
        (
            "slot_missing",
            "An open attempt that does not count against its provider's limit.",
            attempts.filter(slot_held=False, status__in=Attempt.OPEN),
        ),
    ]
    if scope.is_last:
        checks += [
            (
                "film_mixed_up",
                "A provider gave one person's film for another's job within a day: look at both jobs.",
                AuditEntry.objects.filter(action="film_mixed_up", at__gte=now - timedelta(days=1)),
            ),
            ("delivery_late", "A delivery that is due and was not applied.", deliveries.filter(due_at__lt=late)),
        ]
    if settled:
        checks += [
            ("job_unsettled", "A job that has not ended.", open_jobs.filter(_IS_OPEN)),
            ("slot_unsettled", "A slot that is still held.", attempts.filter(slot_held=True)),
            ("cleanup_unsettled", "A provider cleanup that is still owed.", Attempt.objects.with_cleanup()),
            ("delivery_unsettled", "A delivery that is still to be applied.", deliveries.exclude(due_at=None)),
        ]
    for code, sentence, rows in checks:
        if count := rows.count():
            yield Finding(code, sentence, count, _items(rows))


def _items(rows: QuerySet[Any]) -> tuple[Item, ...]:
    if rows.model is AuditEntry:
        return tuple(
            Item(str(key), job_id) for key, job_id in rows.order_by("pk").values_list("pk", "subject")[:LISTED]
        )
    if rows.model is Job:
        found = rows.annotate(of=F("pk"))
    elif rows.model is Attempt:
        found = rows.annotate(of=F("job_id"))
    else:
        owner = Attempt.objects.filter(token=OuterRef("attempt_token"))
        found = rows.annotate(of=Subquery(owner.values("job_id")[:1], output_field=UUIDField()))
    pairs = found.order_by("pk").values_list("pk", "of")[:LISTED]
    return tuple(Item(str(key), str(job_id or "")) for key, job_id in pairs)
