"""What the web process says about requests; `selfiehero.redaction` takes out what their paths give away."""

from __future__ import annotations

import logging
from typing import Any

from django.db import InterfaceError, OperationalError

from selfiehero.redaction import shown

logger = logging.getLogger(__name__)


class OneLine(logging.Filter):
    """Shortens Django's traceback about a wrong Host header to one line: scanners send thousands of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        host = request.META.get("HTTP_HOST", "") if request is not None else ""
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        record.msg, record.args = "host_not_allowed host=%s", (repr(host[:60]),)
        return True


class DatabaseAway(logging.Filter):
    """Drops the traceback of a request that found no database: `database_unavailable` says so in a line of its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.exc_info, tuple) and isinstance(record.exc_info[1], OperationalError | InterfaceError):
            record.exc_info = record.exc_text = None
        return True


def log_access(protocol: str, action: str, details: dict[str, Any]) -> None:
    """Write one line per answered request or socket event."""
    path = shown(details["path"])
    if protocol == "http":
        logger.info(
            "request method=%s path=%s status=%s bytes=%s ms=%.0f",
            *(details["method"], path, details["status"], details["size"], details["time_taken"] * 1000),
        )
    elif action != "connecting":
        logger.info("socket %s path=%s", action, path)
