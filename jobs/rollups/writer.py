"""Writes the figures of the present minute every few seconds, of ended ones once more, and of missed ones afterwards.

Every reconcile process may call it: whoever updates the time on the present minute's row first writes. All figures
are counted from the rows, so writing a minute twice writes the same. Minutes that nobody wrote, because reconcile was
down, are written when it is back, the newest first; how many jobs waited then is not known, and stays empty.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from jobs.models import Job, JobMinute, ProviderMinute

from .arithmetic import MINUTE, gauges, of_jobs, of_providers, start_of

EVERY = timedelta(seconds=5)
# So long after its end a minute may still get rows: a time is taken a moment before its transaction commits.
SETTLED_AFTER = timedelta(seconds=10)
CATCH_UP = timedelta(hours=24)
# Missed minutes that are written at a time, so that nothing else in the process waits for long.
MOST_MISSED = 20
KEEP = timedelta(days=60)


class Writer:
    """Writes what is due. Keep one for each process."""

    def __init__(self) -> None:
        self._caught_up_in: datetime | None = None

    def write_due(self, *, now: datetime) -> int:
        """Write the minutes that are due, unless another process does; return how many were written."""
        minute = start_of(now)
        if not _claim(minute, now=now):
            return 0
        _write(minute, now=now, measured=gauges())
        written = 1
        if self._caught_up_in != minute:
            missed = _missed(minute, now=now)
            for one in missed[:MOST_MISSED]:
                _write(one, now=now)
            written += len(missed[:MOST_MISSED])
            if now >= minute + SETTLED_AFTER and len(missed) <= MOST_MISSED:
                self._caught_up_in = minute
                _forget(now=now)
        return written


def _claim(minute: datetime, *, now: datetime) -> bool:
    """Return whether this process is to write now."""
    rows = JobMinute.objects.filter(minute=minute)
    # A time in the future is from a clock that was set back since.
    if rows.filter(written_at__lte=now - EVERY).update(written_at=now) or (
        rows.filter(written_at__gt=now + EVERY).update(written_at=now)
    ):
        return True
    return JobMinute.objects.get_or_create(minute=minute, defaults={"written_at": now})[1]


def _missed(minute: datetime, *, now: datetime) -> list[datetime]:
    """Return the ended minutes that are not complete, the newest first, back to the first job of CATCH_UP."""
    jobs = Job.objects.filter(created_at__gte=now - CATCH_UP, created_at__lt=minute).order_by("created_at", "id")
    oldest = jobs.values_list("created_at", flat=True).first()
    if oldest is None:
        return []
    first = start_of(oldest)
    complete = JobMinute.objects.filter(minute__gte=first, minute__lt=minute, is_complete=True).order_by()
    have = set(complete.values_list("minute", flat=True))
    ended = [minute - MINUTE * number for number in range(1, int((minute - first) / MINUTE) + 1)]
    return [one for one in ended if one not in have]


def _write(minute: datetime, *, now: datetime, measured: dict[str, int] | None = None) -> None:
    """Write one minute; what was measured in it stays when nothing is measured now."""
    jobs, providers = of_jobs(minute), of_providers(minute)
    values = jobs | (measured or {}) | {"written_at": now, "is_complete": now >= minute + MINUTE + SETTLED_AFTER}
    rows = [ProviderMinute(minute=minute, provider_id=provider_id, **its) for provider_id, its in providers.items()]
    columns = ["refused", "succeeded", "failed", "cold", "cost", "submits", "films"]
    with transaction.atomic():
        JobMinute.objects.update_or_create(minute=minute, defaults=values)
        ProviderMinute.objects.filter(minute=minute).exclude(provider__in=list(providers)).delete()
        ProviderMinute.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["minute", "provider"], update_fields=columns
        )


def _forget(*, now: datetime) -> None:
    for model in (JobMinute, ProviderMinute):
        model.objects.filter(minute__lt=now - KEEP).delete()
