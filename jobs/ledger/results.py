"""What an inspection of the ledger returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from jobs.lifecycle.kinds import Phase

# Reconcile checks every second; what is overdue by this much was missed, or could not be done.
LATE = timedelta(minutes=1)
# At most this many ids are listed for each finding; the count is of all.
LISTED = 20


@dataclass(frozen=True)
class Balance:
    """One side of the law: how many jobs were accepted, and how many are in each phase."""

    accepted: int
    by_phase: Mapping[Phase, int]

    @property
    def holds(self) -> bool:
        return self.accepted == sum(self.by_phase.values())


@dataclass(frozen=True)
class Item:
    """One row or file of a finding, and the job that it belongs to, where there is one."""

    id: str
    job_id: str = ""


@dataclass(frozen=True)
class Finding:
    """A problem: a code for programs, a sentence for people, how many there are, and the first LISTED of them."""

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
    # Files in an S3 bucket are not checked: listing them costs a call for every thousand.
    files_checked: bool = False

    @property
    def balances(self) -> bool:
        """Whether the law holds on both sides and they agree on every job."""
        return self.events == self.rows and self.events.holds and self.rows.holds and not self.differences

    @property
    def difference_count(self) -> int:
        """On how many jobs the two sides differ (a job that differs in two ways counts twice)."""
        return sum(found.count for found in self.differences)

    @property
    def is_clean(self) -> bool:
        return self.balances and not self.findings

    def as_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "clean": self.is_clean,
            "balances": self.balances,
            "events": {"accepted": self.events.accepted, **self.events.by_phase},
            "rows": {"accepted": self.rows.accepted, **self.rows.by_phase},
            "differences": [asdict(found) for found in self.differences],
            "findings": [asdict(found) for found in self.findings],
            "files_checked": self.files_checked,
        }
