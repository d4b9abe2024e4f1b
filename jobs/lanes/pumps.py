"""The pumps of this process, one a lane, made when first needed."""

from __future__ import annotations

import threading
from functools import lru_cache

from ..models import Lane
from .collect import CollectLane
from .dispatch import DispatchLane
from .engine import LaneWork, Pump
from .prepare import PrepareLane

_LANES: dict[str, type[LaneWork]] = {
    Lane.PREPARE: PrepareLane,
    Lane.DISPATCH: DispatchLane,
    Lane.COLLECT: CollectLane,
}
# Reconcile has less time to end than a worker (`selfiehero.supervisor.plan`).
SUBSTITUTE_STOP_SECONDS = 5.0
_lock = threading.Lock()


def pump_for(lane: str) -> Pump:
    """Return the pump a worker runs for a lane."""
    with _lock:
        return _worker_pump(lane)


def substitute(lane: str) -> Pump:
    """Return the pump reconcile runs while there is no Redis; it listens to nobody."""
    with _lock:
        return _substitute_pump(lane)


@lru_cache(maxsize=8)
def _worker_pump(lane: str) -> Pump:
    return Pump(_LANES[lane]())


@lru_cache(maxsize=8)
def _substitute_pump(lane: str) -> Pump:
    return Pump(_LANES[lane](), listens=False, stop_seconds=SUBSTITUTE_STOP_SECONDS)
