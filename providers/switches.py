"""What staff switch at a provider by hand, from the admin and from a shell: each changes rows in one transaction.

| switch | new films | films under way |
| --- | --- | --- |
| park | none until a time; then one probe, as after a rate limit | go on |
| drain | none until somebody resumes it | go on |
| resume | as before, failures and waits forgotten | go on |

Each calls `record(provider, data)` for every row that it changed, in the same transaction: for the audit log, which
`jobs` knows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from .models import NOTHING_AGAINST_IT, PARKED, ProviderConfig

Record = Callable[[ProviderConfig, dict[str, Any]], object]


def switch(
    rows: QuerySet[ProviderConfig], values: dict[str, Any], *, record: Record, data: dict[str, Any], now: datetime
) -> list[ProviderConfig]:
    """Write the values into these rows and record each; return the rows as they were."""
    with transaction.atomic():
        found = list(rows)
        ProviderConfig.objects.filter(pk__in=[row.pk for row in found]).update(updated_at=now, **values)
        for row in found:
            record(row, data)
    return found


def park(rows: QuerySet[ProviderConfig], *, until: datetime, record: Record, now: datetime) -> list[ProviderConfig]:
    """Give them no new films until a time. Calls that are under way change nothing about that."""
    minutes = round((until - now).total_seconds() / 60)
    values = {"rate_limited_until": until, "rate_limited_reason": PARKED, "blocked_at": now, "probe_until": None}
    return switch(rows, values, record=record, data={"minutes": minutes}, now=now)


def drain(rows: QuerySet[ProviderConfig], *, record: Record, now: datetime) -> list[ProviderConfig]:
    """Disable those that are enabled."""
    return switch(rows.filter(enabled=True), {"enabled": False}, record=record, data={}, now=now)


def resume(rows: QuerySet[ProviderConfig], *, record: Record, now: datetime) -> list[ProviderConfig]:
    """Enable them and forget failures and waits; those whose connection was not tested stay as they are."""
    able = [row.pk for row in rows if row.may_be_enabled]
    changed = rows.filter(Q(enabled=False) | ~Q(**NOTHING_AGAINST_IT), pk__in=able)
    return switch(changed, {"enabled": True, **NOTHING_AGAINST_IT}, record=record, data={}, now=now)


def limit(
    rows: QuerySet[ProviderConfig], values: dict[str, int], *, record: Record, now: datetime
) -> list[ProviderConfig]:
    """Set `max_concurrent`, `max_per_minute` or both; the record has old and new of what changed."""
    changed = []
    with transaction.atomic():
        for row in rows.select_for_update():
            data = {name: [getattr(row, name), new] for name, new in values.items() if getattr(row, name) != new}
            if data:
                changed += switch(ProviderConfig.objects.filter(pk=row.pk), values, record=record, data=data, now=now)
    return changed


def end_parking(rows: QuerySet[ProviderConfig], *, now: datetime) -> None:
    """Let parked ones have films again at once, without a probe; what the vendor itself asked for stays."""
    values = {"rate_limited_until": None, "rate_limited_reason": "", "rate_limits_in_row": 0}
    rows.filter(rate_limited_reason=PARKED).update(updated_at=now, **values)
