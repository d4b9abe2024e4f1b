"""What a look at the ledger finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from jobs.lifecycle.kinds import Standing

# Reconcile looks every second; what is overdue by so much was not seen, or could not be done.
LATE = timedelta(minutes=1)
# So many ids are told of each finding; the count is of all.
LISTED = 20


@dataclass(frozen=True)
class Balance:
    """One side of the law: how many were accepted, and where they stand."""

    accepted: int
    standing: Mapping[Standing, int]

    @property
    def holds(self) -> bool:
        return self.accepted == sum(self.standing.values())


@dataclass(frozen=True)
class Item:
    """One thing that should not be, and the job that it belongs to, where there is one."""

    id: str
    job_id: str = ""


@dataclass(frozen=True)
class Finding:
    """What should not be: a stable code, a sentence for people, how many there are and which, up to LISTED."""

    code: str
    sentence: str
    count: int
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Ledger:
    """Both sides of the law, the jobs on which they differ, and whatever else was found."""

    at: datetime
    events: Balance
    rows: Balance
    differences: tuple[Finding, ...]
    findings: tuple[Finding, ...] = ()
    # Files are not looked at in a bucket: listing one costs a call for every thousand of them.
    files_seen: bool = False

    @property
    def balances(self) -> bool:
        """Whether the law holds on both sides and they agree on every job."""
        return self.events == self.rows and self.events.holds and self.rows.holds and not self.differences

    @property
    def difference_count(self) -> int:
        """How many jobs the two sides tell differently (one that is wrong in two ways counts twice)."""
        return sum(found.count for found in self.differences)

    @property
    def is_clean(self) -> bool:
        return self.balances and not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "clean": self.is_clean,
            "balances": self.balances,
            "events": {"accepted": self.events.accepted, **self.events.standing},
            "rows": {"accepted": self.rows.accepted, **self.rows.standing},
            "differences": [asdict(found) for found in self.differences],
            "findings": [asdict(found) for found in self.findings],
            "files_seen": self.files_seen,
        }
