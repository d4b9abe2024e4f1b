"""The tasks that RQ workers run. Queued names and arguments outlive a release: add a task instead of changing one."""

from __future__ import annotations

import logging
import time

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from jobs.queue import engine, queues

from .lanes import pumps

logger = logging.getLogger(__name__)

# A pump waits this long for a database that is away, because it holds outcomes that are not written yet.
DATABASE_PATIENCE_SECONDS = 60.0
DATABASE_PAUSE_SECONDS = 1.0


def pump(lane: str) -> None:
    """Work a lane until it is empty or the time budget is used up; then nudge it again if there may be more."""
    away_since: float | None = None
    while not engine.stopping.is_set() or away_since is None:
        close_old_connections()
        try:
            has_more = pumps.pump_for(lane).run()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            if away_since is None:
                logger.warning("pump_without_database lane=%s error=%s", lane, type(error).__name__)
                away_since = time.monotonic()
            if time.monotonic() - away_since > DATABASE_PATIENCE_SECONDS:
                return  # reconcile nudges whatever is overdue
            engine.stopping.wait(DATABASE_PAUSE_SECONDS)
            continue
        if has_more:
            queues.nudge(lane)
        return
