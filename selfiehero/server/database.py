"""How long a request waits for the database. Workers wait longer, because no client waits for them.

A thread that waits serves nobody else, so a door that cannot have the database soon says 503 and Retry-After.
"""

from __future__ import annotations

import os
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from .bridge import SLOW, SLOW_THREADS

# For a row or, on SQLite, for the one writer; far above what a busy evening needs.
LOCK_SECONDS = 5.0
STATEMENT_SECONDS = 20.0
CONNECT_SECONDS = 2
# Two for sockets and one for those without Redis (`notifications`), two for admission, one for health.
_BESIDE = 6


def web_threads() -> int:
    """Return how many threads of a web process run Django (WEB_THREADS)."""
    return int(os.environ.get("WEB_THREADS") or "8")


def most_connections() -> int:
    """Return how many connections a web process may hold: one for each thread that asks the database."""
    return web_threads() + len(SLOW) * SLOW_THREADS + _BESIDE


def wait_briefly() -> None:
    """Limit the wait of every connection that this process makes from now on."""
    settings: dict[str, Any] = connections.settings["default"]
    options = settings.setdefault("OPTIONS", {})
    if settings["ENGINE"].endswith("sqlite3"):
        options["timeout"] = LOCK_SECONDS
        options["init_command"] = f"{options.get('init_command', '')} PRAGMA busy_timeout={LOCK_SECONDS * 1000:.0f};"
    elif settings["ENGINE"].endswith("postgresql"):
        options["connect_timeout"] = CONNECT_SECONDS
        connection_created.connect(limit_waits, dispatch_uid="selfiehero.server.database")


def limit_waits(sender: Any, connection: Any, **kwargs: Any) -> None:
    """Set PostgreSQL's time limits for this connection.

    Behind a pooler they would stay with a connection that others get next: there the role has them (docs/operations).
    """
    if connection.vendor == "postgresql" and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)",
                [f"{LOCK_SECONDS * 1000:.0f}", f"{STATEMENT_SECONDS * 1000:.0f}"],
            )
