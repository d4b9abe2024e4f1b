"""The web process's request log, without the secrets in paths.

Some paths are secrets: a media address is signed, a webhook's names an attempt, a shared name opens a film.
"""

from __future__ import annotations

import logging
from typing import Any

SECRET_PREFIXES = ("/media/", "/webhooks/", "/v/")

logger = logging.getLogger(__name__)


def shown(path: str) -> str:
    """Return a path as it may be logged: without its query, and cut after a prefix of SECRET_PREFIXES."""
    path = path.partition("?")[0]
    return next((f"{prefix}…" for prefix in SECRET_PREFIXES if path.startswith(prefix)), path)


class HideSecrets(logging.Filter):
    """Cuts secrets from paths in Django's own log lines about 4xx and 5xx responses."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(shown(part) if is_path(part) else part for part in record.args)
        return True


class OneLine(logging.Filter):
    """Shortens Django's traceback about a wrong Host header to one line: scanners send thousands of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        host = request.META.get("HTTP_HOST", "") if request is not None else ""
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        record.msg, record.args = "host_not_allowed host=%s", (repr(host[:60]),)
        return True


def is_path(part: Any) -> bool:
    return isinstance(part, str) and part.startswith("/")


def hide_secrets() -> None:
    """Filter Django's request log in this process."""
    log = logging.getLogger("django.request")
    if not any(isinstance(present, HideSecrets) for present in log.filters):
        log.addFilter(HideSecrets())


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
