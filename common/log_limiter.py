"""A log line at most every few seconds: an outage is logged now and then, not once for each request it costs."""

from __future__ import annotations

import threading
import time


class LogLimiter:
    """Says who may log; threads share it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._quiet_until = float("-inf")

    def may_log(self) -> bool:
        """Return True to the first who asks, then to nobody for `seconds`."""
        with self._lock:
            now = time.monotonic()
            if now < self._quiet_until:
                return False
            self._quiet_until = now + self._seconds
            return True
