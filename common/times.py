"""Times as texts (RFC 3339)."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(moment: datetime, *, timespec: str = "auto") -> str:
    """Return an aware time in UTC, ending in Z. `timespec` is what `datetime.isoformat` knows: "seconds", …

    Raise ValueError for a naive time, which is no moment.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
