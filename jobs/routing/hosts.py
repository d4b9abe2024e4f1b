"""Providers whose address is one host's own, such as the studio that `manage.py up` starts at 127.0.0.1.

Each host has a row of its own for them, named after it once a second host comes, and only its processes call that
address: they submit, poll, cancel and fetch films there. For everybody the row counts as a provider, so that forecasts
know of all studios. A host is there as long as its heartbeats are; when it is gone its rows get no jobs, and what they
were making is made elsewhere. When it comes back they are used again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db.models import Max, Q

from common.timed_cache import TimedCache
from jobs.heartbeats import host_id
from jobs.models import Attempt, Heartbeat
from providers.models import ProviderConfig
from providers.secrets import is_unreadable

logger = logging.getLogger(__name__)

# Longer than a restart takes, and than a database is away without being noticed.
GONE_AFTER = timedelta(minutes=2)
_CACHE_SECONDS = 5.0


@cache
def this_host() -> str:
    """Return the name of this host, as in its heartbeats."""
    return host_id(settings.VAR_DIR)


def out_of_reach() -> Collection[int]:
    """Return the ids of the providers that only other hosts can call, as they were seconds ago; usually none."""
    return _cache.get()


def _read() -> Collection[int]:
    return list(ProviderConfig.objects.out_of_reach_of(this_host()).values_list("id", flat=True))


_cache: TimedCache[Collection[int]] = TimedCache(_CACHE_SECONDS, lambda: _read())


def own_row(slug: str, *, host: str, api_key: str, now: datetime) -> tuple[ProviderConfig | None, str]:
    """Return this host's row of a process of its own, if there is one, and the slug for a new one.

    It is known by the host, or by its key when the host was renamed. A row that no host has taken yet, of the release
    before, is left to another host that is there and may still use it. Call it inside a transaction.
    """
    mine = Q(slug=slug) | Q(slug__startswith=f"{slug}-", is_managed=True)
    rows = list(ProviderConfig.objects.select_for_update().filter(mine).order_by("id"))
    for row in rows:
        if row.host == host:
            return row, row.slug
    for row in rows:
        if api_key and not is_unreadable(row.api_key) and row.api_key == api_key:
            return row, row.slug
    free = next((row for row in rows if row.slug == slug), None)
    if free is not None and free.host == "" and not _others_are_there(host, now=now):
        return free, free.slug
    return None, slug if free is None else f"{slug}-{host[-6:]}"


def _others_are_there(host: str, *, now: datetime) -> bool:
    return Heartbeat.objects.exclude(host__in=["", host]).filter(seen_at__gt=now - GONE_AFTER).exists()


def retire_gone(*, now: datetime) -> int:
    """Retire the providers of hosts without a heartbeat, and take back those whose host is there; return how many."""
    rows = list(ProviderConfig.objects.exclude(host=""))
    if not rows:
        return 0
    seen = dict(Heartbeat.objects.order_by().values_list("host").annotate(at=Max("seen_at")))
    changed = 0
    for row in rows:
        seen_at = max(seen.get(row.host, row.updated_at), row.updated_at)
        is_gone = seen_at < now - GONE_AFTER
        if is_gone == (row.host_gone_at is not None):
            continue
        before = ProviderConfig.objects.filter(id=row.id, host_gone_at=row.host_gone_at)
        if before.update(host_gone_at=now if is_gone else None):
            changed += 1
            logger.warning("provider_%s provider=%s host=%s", "host_gone" if is_gone else "back", row.slug, row.host)
            if is_gone:
                # What it was making is late from now on, and is given up and made elsewhere.
                Attempt.objects.is_open().filter(provider=row, deadline_at__gt=now).update(deadline_at=now)
    if changed:
        _cache.clear()
    return changed
