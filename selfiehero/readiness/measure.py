"""All lines, in their order. A check that breaks is a red line and ends no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from jobs import now as present

from . import drill, evening, gateway, machines, people, stores
from .lines import RED, Line

logger = logging.getLogger(__name__)


def measure(
    *, rate: int, now: datetime, drill_seconds: int = 0, by: str = "", idle_seconds: float | None = None
) -> list[Line]:
    """Return every line; `rate` is how many jobs a minute shall be made into films. Takes up to two minutes.

    With `drill_seconds` the first provider is parked for so long, in the name of `by`. A socket is held open for
    `idle_seconds` (gateway.IDLE_SECONDS) beside the other checks; with 0 there is none.
    """
    idle = gateway.IDLE_SECONDS if idle_seconds is None else idle_seconds
    with ThreadPoolExecutor(1, thread_name_prefix="readiness-socket") as beside:
        held = beside.submit(_guarded, lambda: gateway.idle_socket(seconds=idle))
        lines = _measure(rate=rate, now=now, drill_seconds=drill_seconds, by=by)
        after = max((place for place, line in enumerate(lines) if line.area == gateway.AREA), default=-1) + 1
        return [*lines[:after], *held.result(), *lines[after:]]


def _measure(*, rate: int, now: datetime, drill_seconds: int, by: str) -> list[Line]:
    facts = present.read(now=now)
    found: list[Line] = []
    for check in (
        lambda: evening.concurrency(facts, rate=rate),
        lambda: evening.fallback(facts),
        lambda: drill.drill(facts, seconds=drill_seconds, by=by),
        gateway.slow_answers,
        gateway.uploads,
        gateway.sockets,
        gateway.webhooks,
        gateway.proxies,
        lambda: machines.processes(facts),
        lambda: machines.house(facts),
        stores.redis_disk,
        lambda: stores.connections(facts),
        machines.serving,
        machines.indexes,
        stores.storage_round_trip,
        machines.bucket,
        stores.bucket_for_pages,
        machines.open_files,
        lambda: people.promises(facts),
        people.doors,
        lambda: people.secrets(now=now),
        people.told,
        people.deploy_checks,
    ):
        found += _guarded(check)
    return found


def _guarded(check: Callable[[], Iterator[Line]]) -> list[Line]:
    try:
        return list(check())
    except Exception as error:
        logger.exception("readiness_check_failed")
        words = f"The check itself failed: {type(error).__name__}"
        return [Line("Machines", "Checks", RED, words, mend="The log of this process says more.")]
