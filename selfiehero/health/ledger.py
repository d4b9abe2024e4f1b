"""What `/readyz` says of the ledger: whether what was accepted is all somewhere (see `jobs.ledger`).

Reconcile inspects it, once per cluster; here its newest result is read. A difference is reported, not enforced: "not
ready" means unable to accept, and whoever comes now can be accepted whatever became of those before.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from jobs import ledger

NOT_YET: dict[str, Any] = {"balance": "not inspected yet", "differences": None, "age": None}


def result() -> dict[str, Any]:
    """Return the newest result, and its age in seconds."""
    newest = ledger.newest()
    if newest.at is None:
        return NOT_YET
    count = newest.difference_count
    return {
        "balance": "ok" if newest.balances else f"differs: {count}",
        "differences": count,
        "age": round(max(0.0, (timezone.now() - newest.at).total_seconds()), 1),
    }
