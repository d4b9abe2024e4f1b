"""What an inspection of the ledger returns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

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

    def __add__(self, other: Balance) -> Balance:
        phases = {phase: self.by_phase[phase] + other.by_phase[phase] for phase in Phase}
        return Balance(self.accepted + other.accepted, phases)

    def as_json(self) -> dict[str, int]:
        return {"accepted": self.accepted, **{str(phase): count for phase, count in self.by_phase.items()}}

    @classmethod
    def from_json(cls, stored: Mapping[str, int]) -> Self:
        return cls(stored["accepted"], {phase: stored[phase] for phase in Phase})


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

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        items = tuple(Item(**item) for item in stored["items"])
        return cls(stored["code"], stored["sentence"], stored["count"], items)


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return one finding for each code, with the counts added up and the first LISTED items."""
    by_code: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_code[finding.code].append(finding)
    return tuple(
        Finding(
            code, same[0].sentence, sum(one.count for one in same), tuple(i for one in same for i in one.items)[:LISTED]
        )
        for code, same in by_code.items()
    )


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
            "events": self.events.as_json(),
            "rows": self.rows.as_json(),
            "differences": [asdict(found) for found in self.differences],
            "findings": [asdict(found) for found in self.findings],
            "files_checked": self.files_checked,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the ledger that `as_json` made this of."""
        return cls(
            datetime.fromisoformat(stored["at"]),
            Balance.from_json(stored["events"]),
            Balance.from_json(stored["rows"]),
            tuple(Finding.from_json(found) for found in stored["differences"]),
            tuple(Finding.from_json(found) for found in stored["findings"]),
            stored["files_checked"],
        )

    @classmethod
    def nothing(cls, at: datetime) -> Self:
        """Return the ledger of no job at all, to which others can be added."""
        empty = Balance(0, dict.fromkeys(Phase, 0))
        return cls(at, empty, empty, ())

    def __add__(self, other: Ledger) -> Ledger:
        """Return the ledger of the jobs of both, as of the later moment."""
        return Ledger(
            max(self.at, other.at),
            self.events + other.events,
            self.rows + other.rows,
            merged([*self.differences, *other.differences]),
            merged([*self.findings, *other.findings]),
            self.files_checked or other.files_checked,
        )
