"""What RQ workers run. Names and arguments outlive a release: add a task rather than change one."""

from __future__ import annotations

from . import queues
from .lanes import pumps


def pump(lane: str) -> None:
    """Work a lane until it is empty or the time budget is used up, then hand on."""
    if pumps.pump_for(lane).run():
        queues.nudge(lane)
