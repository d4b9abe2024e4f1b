"""The pumps of this process, one per lane, created when they are first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import QuerySet

from jobs.models import Lane
from jobs.queue.engine import LaneWork, Pump

from .collect import CollectLane
from .dispatch import DispatchLane
from .prepare import PrepareLane

_LANES: dict[str, type[LaneWork]] = {
    Lane.PREPARE: PrepareLane,
    Lane.DISPATCH: DispatchLane,
    Lane.COLLECT: CollectLane,
}
# Reconcile has less time to end than a worker (`selfiehero.supervisor.plan`).
SUBSTITUTE_STOP_SECONDS = 5.0
# Lanes of other apps, each with the function that returns the rows of it that are due at a time.
_OTHERS: dict[str, tuple[type[LaneWork], Callable[[datetime], QuerySet[Any, Any]]]] = {}
_lock = threading.Lock()


def register(work: type[LaneWork], *, due: Callable[[datetime], QuerySet[Any, Any]]) -> None:
    """Add a lane of another app, so that workers and reconcile work it too."""
    _OTHERS[work.lane] = (work, due)


def others() -> dict[str, Callable[[datetime], QuerySet[Any, Any]]]:
    """Return the lanes of other apps, each with the function that returns its rows that are due at a time."""
    return {lane: due for lane, (_, due) in _OTHERS.items()}


def lanes() -> list[str]:
    """Return the names of all lanes."""
    return [*_LANES, *_OTHERS]


def _work_of(lane: str) -> type[LaneWork]:
    return _LANES[lane] if lane in _LANES else _OTHERS[lane][0]


def pump_for(lane: str) -> Pump:
    """Return the pump a worker runs for a lane."""
    with _lock:
        return _worker_pump(lane)


def substitute(lane: str) -> Pump:
    """Return the pump that reconcile runs in place of a worker; it does not listen for nudges."""
    with _lock:
        return _substitute_pump(lane)


@lru_cache(maxsize=8)
def _worker_pump(lane: str) -> Pump:
    return Pump(_work_of(lane)())


@lru_cache(maxsize=8)
def _substitute_pump(lane: str) -> Pump:
    return Pump(_work_of(lane)(), listens=False, stop_seconds=SUBSTITUTE_STOP_SECONDS)
