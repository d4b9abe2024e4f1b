"""Everything that the staff's first page says, read once. About a dozen short queries, none of a big table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from jobs import ledger, rollups
from jobs.models import FilmReport, Heartbeat, JobMinute, WebhookDelivery
from jobs.overload import state
from jobs.routing import limits
from providers.models import ProviderConfig

from . import house
from .forecast import Drain, capacity

# What the chart shows, and how far back a provider's trouble is followed.
HISTORY = timedelta(minutes=80)
# As in `/readyz`: everybody beats every five seconds.
LATE = timedelta(seconds=20)
# A host that has been gone for so long is not said to be late any more.
GONE = timedelta(hours=6)
MOST_REFUSED = 1000
MOST_REPORTS = 100


@dataclass(frozen=True)
class Studio:
    """One provider: its row, what goes on there, and what of its limits is used now."""

    row: ProviderConfig
    flow: rollups.ProviderFlow
    slots: int
    calls: int
    per_minute: float

    @property
    def title(self) -> str:
        return str(self.row)

    @property
    def is_full(self) -> bool:
        return self.slots >= self.row.max_concurrent

    def is_broken(self, *, now: datetime) -> bool:
        """Whether its breaker is open."""
        return self.row.breaker_until is not None and self.row.breaker_until > now


@dataclass(frozen=True)
class Process:
    """One process on one host, by its heartbeat. It is late when it, and nobody of its name elsewhere, works."""

    name: str
    host: str
    version: str
    seen_at: datetime
    is_late: bool
    is_replaced: bool
    keys: str = ""


@dataclass(frozen=True)
class Capacity:
    """What comes, what waits, and what each provider takes: the part of the facts that a forecast needs."""

    at: datetime
    minutes: Sequence[JobMinute]
    flow: rollups.Flow
    studios: Sequence[Studio]
    drain: Drain


@dataclass(frozen=True)
class Facts:
    at: datetime
    minutes: Sequence[JobMinute]
    flow: rollups.Flow
    studios: Sequence[Studio]
    processes: Sequence[Process]
    house: house.House
    law: ledger.Newest
    drain: Drain
    load: state.Load
    # Forged and late ones within the last rollups.WINDOW, counted up to MOST_REFUSED.
    refused_webhooks: int = 0
    # When people reported the films that nobody has decided about, up to MOST_REPORTS of them.
    reports: Sequence[datetime] = ()

    @property
    def versions(self) -> set[str]:
        """The versions that run, without those of hosts that are gone."""
        return {one.version for one in self.processes if one.version and not one.is_late} | {settings.PRODUCT_VERSION}


def read_capacity(*, now: datetime) -> Capacity:
    """Read what comes, what waits and what each provider takes."""
    minutes = rollups.newest(now=now, length=HISTORY)
    flow = rollups.flow(minutes, now=now)
    return Capacity(now, minutes, flow, _studios(flow, now=now), Drain(flow.waiting or 0, flow.accepted, flow.left))


def read(*, now: datetime) -> Facts:
    """Read what goes on now."""
    known = read_capacity(now=now)
    return Facts(
        now,
        known.minutes,
        known.flow,
        known.studios,
        _processes(now=now),
        house.look(),
        ledger.newest(),
        known.drain,
        state.read_now(),
        _refused_webhooks(now=now),
        _open_reports(),
    )


def _refused_webhooks(*, now: datetime) -> int:
    refused = (WebhookDelivery.Verdict.FORGED, WebhookDelivery.Verdict.STALE)
    rows = WebhookDelivery.objects.filter(verdict__in=refused, received_at__gt=now - rollups.WINDOW).order_by()
    return rows.values("pk")[:MOST_REFUSED].count()


def _open_reports() -> list[datetime]:
    rows = FilmReport.objects.filter(state=FilmReport.State.OPEN).order_by("reported_at")
    return list(rows.values_list("reported_at", flat=True)[:MOST_REPORTS])


def _studios(flow: rollups.Flow, *, now: datetime) -> list[Studio]:
    rows = list(ProviderConfig.objects.order_by("-enabled", "order", "id"))
    ids = [row.id for row in rows]
    flows = rollups.over(ids, at=flow.at or now, length=HISTORY)
    held, calls = limits.slots_held(ids), limits.calls_counted(ids, now=now)
    return [
        Studio(
            row,
            flows[row.id],
            held.get(row.id, 0),
            calls.get(row.id, 0),
            capacity(row, flows[row.id], now=now),
        )
        for row in rows
        if row.enabled or held.get(row.id)
    ]


def _processes(*, now: datetime) -> list[Process]:
    beats = list(Heartbeat.objects.filter(seen_at__gt=now - GONE).order_by("host", "name"))
    alive = {beat.name for beat in beats if now - beat.seen_at <= LATE}
    return [
        Process(
            beat.name,
            beat.host,
            beat.version,
            beat.seen_at,
            is_late=now - beat.seen_at > LATE,
            is_replaced=beat.name in alive,
            keys=beat.keys,
        )
        for beat in beats
    ]


def by_host(processes: Sequence[Process]) -> Mapping[str, list[Process]]:
    """Return the processes of each host."""
    hosts: dict[str, list[Process]] = {}
    for process in processes:
        hosts.setdefault(process.host or "this host", []).append(process)
    return hosts
