"""What pauses an operation that makes films again, without a person. Somebody has to let it go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jobs.models import BulkItem, BulkOperation, Job
from jobs.overload import state
from providers.models import ProviderConfig

from .actions import RETRY
from .plan import COSTLY

# Of the newest so many that ended, so large a share failed again.
NEWEST, MOST_FAILED, ENOUGH = 200, 0.2, 20


@dataclass(frozen=True)
class Brake:
    """One brake: what was measured, and whether it holds the operation."""

    name: str
    words: str
    holds: bool


def brakes_of(operation: BulkOperation, *, now: datetime) -> list[Brake]:
    """Measure the brakes of an operation; none for one that makes no films."""
    if operation.action not in COSTLY:
        return []
    found = [_line(operation), _budget(now=now)]
    return [_failed_again(operation), *found] if operation.action == RETRY.name else found


def _failed_again(operation: BulkOperation) -> Brake:
    made = BulkItem.objects.filter(operation=operation, made__isnull=False).order_by("-place").values("made")[:NEWEST]
    ended = list(Job.objects.filter(pk__in=made, status__in=Job.FINAL).values_list("status", flat=True))
    failed = sum(status == Job.Status.FAILED for status in ended)
    share = failed / len(ended) if ended else 0.0
    words = f"{share:.1%} of the last {len(ended)} that ended; pauses above {MOST_FAILED:.0%}"
    return Brake("Failed again", words, len(ended) >= ENOUGH and share > MOST_FAILED)


def _line(operation: BulkOperation) -> Brake:
    waiting = state.read_now().waiting
    words = f"{waiting:,} wait; pauses above {operation.line_limit:,}"
    return Brake("The line", words, waiting > operation.line_limit)


def _budget(*, now: datetime) -> Brake:
    enabled = list(ProviderConfig.objects.filter(enabled=True))
    able = [row for row in enabled if not row.is_out_of_budget(now=now)]
    words = f"{len(able)} of {len(enabled)} providers may spend; pauses when none may"
    return Brake("Budgets", words, not able)
