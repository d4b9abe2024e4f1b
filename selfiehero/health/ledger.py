"""What `/readyz` tells of the ledger: whether what was accepted is all somewhere (see `jobs.ledger`).

A look reads every job event, which takes a second for a hundred thousand jobs. So it is made beside the requests, in
a thread of its own that nobody waits for, at most every ten seconds and never for more than a small share of the
time. A difference is told, not enforced: "not ready" means unable to accept, and whoever comes now can be accepted
whatever became of those before.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.db import connection
from django.utils import timezone

from jobs import ledger

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
# A look that takes long is made more rarely.
SHARE_OF_TIME = 0.05
# So long the very first one who asks waits, so that a young system has an answer at once.
FIRST_SECONDS = 0.25


class LedgerLook:
    """The newest look, and the thread that makes the next one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._next_at = float("-inf")
        self._seen_at: float | None = None
        self._seen: dict[str, Any] = {"balance": "not looked at yet", "differences": None}

    def told(self, *, may_look: bool) -> dict[str, Any]:
        """Return what was seen last and how long ago, and see to it that it is looked at again in time."""
        with self._lock:
            is_due = may_look and not self._is_looking() and time.monotonic() >= self._next_at
            is_first = is_due and self._thread is None
            if is_due:
                self._thread = threading.Thread(target=self._look, name="ledger", daemon=True)
                self._thread.start()
        if is_first:
            self.wait(FIRST_SECONDS)
        with self._lock:
            age = None if self._seen_at is None else round(time.monotonic() - self._seen_at, 1)
            return {**self._seen, "age": age}

    def wait(self, seconds: float) -> None:
        """Wait for the look that is under way, if there is one."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _is_looking(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _look(self) -> None:
        started = time.monotonic()
        try:
            seen = _seen()
        except Exception as error:
            logger.exception("ledger_not_read")
            seen = {"balance": f"failed: {type(error).__name__}", "differences": None}
        finally:
            connection.close()
        ended = time.monotonic()
        with self._lock:
            self._seen, self._seen_at = seen, ended
            self._next_at = started + max(EVERY_SECONDS, (ended - started) / SHARE_OF_TIME)


def _seen() -> dict[str, Any]:
    found = ledger.inspect_balances(now=timezone.now())
    if found.balances:
        return {"balance": "ok", "differences": 0}
    job_ids = [item.id for finding in found.differences for item in finding.items]
    logger.error("ledger_differs count=%d jobs=%s", found.difference_count, ",".join(job_ids))
    return {"balance": f"differs: {found.difference_count}", "differences": found.difference_count}
