"""The database's time, for leases and limits.

Machines' clocks differ, and a lease that one machine writes another one reads, so with several machines the
database's clock decides (decision 0050). On SQLite there is one machine and one clock.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """Return the database's present time. Call it after taking a lock, not before."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
