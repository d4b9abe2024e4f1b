"""What an action on many jobs would mean: how many, which stay as before and why, the cost at most, how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import Case, Count, Exists, IntegerField, Min, OuterRef, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce

from jobs.models import Job
from jobs.now import Capacity
from jobs.now.facts import Studio

from .actions import CANCEL, ERASE, MOVE, RETRY, StaffAction

# More jobs than these are not one action; a filter that finds more takes the newest.
MOST = 100_000
LISTED = 6
SLOWEST, FASTEST = 5, 6000
# Nobody waits for these, so they go as fast as the database likes.
CHEAP_RATE = 1200
LEAST_LINE_LIMIT = 2000
ACTIONS = {action.name: action for action in (RETRY, MOVE, CANCEL, ERASE)}
# What makes films again, and so costs.
COSTLY = frozenset({RETRY.name, MOVE.name})


@dataclass(frozen=True)
class Plan:
    """What would happen. `jobs` are those that were found, up to MOST, with `is_possible` (1 or 0) for each.

    `left` is why others stay as they are.
    """

    action: StaffAction
    jobs: QuerySet[Job]
    found: int
    is_capped: bool
    possible: int
    left: Sequence[tuple[int, str]]
    price: Decimal
    price_of: str
    budget_left: Decimal | None
    first_photo_goes: datetime | None
    first: Sequence[Job]
    free_rate: int
    line_limit: int

    @property
    def most_cost(self) -> Decimal:
        return self.price * self.possible

    @property
    def is_over_budget(self) -> bool:
        return self.budget_left is not None and self.most_cost > self.budget_left


def plan_of(action_name: str, jobs: QuerySet[Job], *, capacity: Capacity, now: datetime) -> Plan:
    """Return what the action would mean for these jobs, of which it takes the newest MOST."""
    action = ACTIONS[action_name]
    newest = jobs.order_by("-created_at", "-id")
    allowed = possible_in_bulk(action, now=now)
    # Judged row by row in the one walk that finds them. As a condition PostgreSQL would join all of them with all.
    judged = newest.annotate(
        is_possible=_counted(allowed),
        is_gone=_counted(Q(status__in=Job.FINAL) & ~_has_photo(now=now)),
        is_open=_counted(Q(status__in=Job.OPEN)),
    )
    sums = judged[:MOST].aggregate(
        found=Count("pk"),
        possible=Sum("is_possible", default=0),
        gone=Sum("is_gone", default=0),
        open=Sum("is_open", default=0),
        oldest=Min("finished_at", filter=Q(is_possible=1)),
    )
    found = sums["found"]
    others = found - sums["possible"]
    left = [(others, action.otherwise)]
    if action.name == RETRY.name:
        again = others - sums["gone"] - sums["open"]
        left = [(sums["gone"], "the photo is gone"), (sums["open"], "still under way"), (again, "tried again already")]
    oldest = sums["oldest"] if action.name == RETRY.name else None
    payer = _payer(capacity) if action.name in COSTLY else None
    return Plan(
        action=action,
        jobs=judged[:MOST],
        found=found,
        is_capped=found == MOST and newest[MOST : MOST + 1].exists(),
        possible=sums["possible"],
        left=[(number, why) for number, why in left if number],
        price=payer.row.price if payer else Decimal(0),
        price_of=payer.title if payer else "",
        budget_left=_budget_left(payer, now=now) if payer else None,
        first_photo_goes=oldest + settings.PHOTO_RETENTION if oldest else None,
        # Looking for the first of none would judge all of them again.
        first=list(judged.filter(is_possible=1).select_related("look")[:LISTED]) if sums["possible"] else [],
        free_rate=_free_rate(capacity) if action.name in COSTLY else CHEAP_RATE,
        line_limit=max(LEAST_LINE_LIMIT, 2 * capacity.drain.waiting),
    )


def possible_in_bulk(action: StaffAction, *, now: datetime) -> Q:
    """Return which jobs allow the action in bulk: as from their own page, but none is tried again a second time.

    So an operation that was stopped, or started twice, can be started again for the rest.
    """
    if action.name != RETRY.name:
        return action.possible
    first = Coalesce(OuterRef("retry_of"), OuterRef("pk"))
    later = Job.objects.filter(retry_of=first, created_at__gt=OuterRef("created_at"))
    return action.possible & _has_photo(now=now) & ~Q(Exists(later))


def _counted(condition: Q) -> Case:
    return Case(When(condition, then=1), default=0, output_field=IntegerField())


def _has_photo(*, now: datetime) -> Q:
    """Return which ended jobs have a photo that is kept for long enough to make another film."""
    has_file = ~Q(raw_key="") | ~Q(clean_key="")
    return has_file & Q(erased_at=None, erase_at__gte=now + settings.JOB_DEADLINE)


def _payer(capacity: Capacity) -> Studio | None:
    """Return the open provider whose films cost most: what it costs at most is counted with it."""
    open_ones = [studio for studio in capacity.studios if studio.row.enabled and studio.row.is_open(now=capacity.at)]
    return max(open_ones, key=lambda studio: studio.row.price, default=None)


def _budget_left(payer: Studio, *, now: datetime) -> Decimal | None:
    if payer.row.daily_budget is None:
        return None
    return max(Decimal(0), payer.row.daily_budget - payer.row.spent_today(now=now))


def _free_rate(capacity: Capacity) -> int:
    """Return how many jobs a minute go in without anybody waiting longer."""
    possible = sum(studio.per_minute for studio in capacity.studios)
    return max(SLOWEST, min(FASTEST, round(possible - capacity.flow.accepted)))


def rates(free: int) -> Sequence[int]:
    """Return the rates that are offered: the free one, twice and five times that."""
    return [free, *(rate for rate in (2 * free, 5 * free) if rate <= FASTEST)]


def checked_rate(text: str) -> int | None:
    """Return a rate that somebody entered, None when it is none."""
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text) <= FASTEST else None
