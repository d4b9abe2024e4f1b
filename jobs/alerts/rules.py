"""What is worth an alert. A rule yields what is wrong now: which thing, how bad, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from types import MappingProxyType

from jobs.models import Alert, Job, Lane
from jobs.now import Facts
from jobs.now.problems import SPARE
from jobs.now.words import length, money, number
from providers.models import BreakerReason

# Forged and late webhooks of a quarter of an hour from which on it is more than a bad line.
MOST_REFUSED = 20
LOW_BUDGET = 0.8
_REASONS = {
    BreakerReason.CALLS: "its calls fail",
    BreakerReason.FILMS: "its films fail",
    BreakerReason.ACCOUNT: "our key or balance is refused",
}


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong now. `subject` tells it from others of its rule."""

    subject: str
    level: str
    words: str


@dataclass(frozen=True)
class Rule:
    """When people are told: `limit` in words for them, after it has been so for `hold`."""

    title: str
    limit: str
    look: Callable[[Facts], Iterator[Wrong]]
    hold: timedelta = timedelta()


def found_in(facts: Facts) -> Iterator[tuple[Alert.Rule, Wrong]]:
    """Yield everything that is wrong."""
    for name, rule in RULES.items():
        for wrong in rule.look(facts):
            yield name, wrong


def _no_provider(facts: Facts) -> Iterator[Wrong]:
    if not any(studio.row.enabled and studio.row.is_open(now=facts.at) for studio in facts.studios):
        yield Wrong("", "bad", f"No provider takes films; {number(facts.drain.waiting)} wait.")


def _breakers(facts: Facts) -> Iterator[Wrong]:
    for studio in facts.studios:
        if studio.row.enabled and studio.is_broken(now=facts.at):
            reason = _REASONS[BreakerReason(studio.row.breaker_reason)]
            failed = (
                f", {studio.flow.failed} of {ended}" if (ended := studio.flow.failed + studio.flow.succeeded) else ""
            )
            yield Wrong(studio.row.slug, "bad", f"{studio.title} gets no films: {reason}{failed}.")


def _law(facts: Facts) -> Iterator[Wrong]:
    if differences := facts.law.difference_count:
        yield Wrong("", "bad", f"{number(differences)} jobs are not where their events say.")


def _backlog(facts: Facts) -> Iterator[Wrong]:
    """Compare how long the first in line has waited with what it was promised."""
    waiting = Job.objects.in_lane(Lane.DISPATCH).order_by("-priority", "turn_at")
    first = waiting.exclude(promised_p90=None).values_list("created_at", "promised_p90").first()
    promised = first[1] if first is not None else None
    if first is None or promised is None or (waits := (facts.at - first[0]).total_seconds()) <= promised:
        return
    words = f"The first in line waits {length(waits)}, promised were {length(promised)}; "
    yield Wrong("", "warn", f"{words}{number(facts.drain.waiting)} wait.")


def _budgets(facts: Facts, *, used_up: bool) -> Iterator[Wrong]:
    today = facts.at.astimezone(UTC).date()
    for studio in facts.studios:
        row = studio.row
        if not row.enabled or not row.daily_budget or row.budget_day != today:
            continue
        share = float(row.budget_used / row.daily_budget)
        is_used_up = share >= 1 or row.is_out_of_budget(now=facts.at)
        if is_used_up if used_up else share >= LOW_BUDGET:
            words = (
                f"{studio.title} has used {money(float(row.budget_used))} of today's {money(float(row.daily_budget))}."
            )
            yield Wrong(row.slug, "bad" if used_up else "warn", words)


def _erasures(facts: Facts) -> Iterator[Wrong]:
    if overdue := facts.house.overdue_erasures:
        yield Wrong("", "bad", f"{number(overdue)} people's photos should be erased by now and are not.")


def _heartbeats(facts: Facts) -> Iterator[Wrong]:
    gone: dict[str, float] = {}
    for process in facts.processes:
        if process.is_late and not process.is_replaced and process.name not in SPARE:
            age = (facts.at - process.seen_at).total_seconds()
            gone[process.name] = min(age, gone.get(process.name, age))
    for name, age in sorted(gone.items()):
        yield Wrong(name, "bad", f"Nobody does the work of {name}: last seen {length(age)} ago.")


def _parts(facts: Facts) -> Iterator[Wrong]:
    for name in ("redis", "database", "disk", "storage"):
        measured = getattr(facts.house, name)
        if measured.tone == "bad":
            yield Wrong(name, "warn" if name == "redis" else "bad", f"{name.capitalize()}: {measured.words}.")


def _forged(facts: Facts) -> Iterator[Wrong]:
    if facts.refused_webhooks >= MOST_REFUSED:
        words = f"{number(facts.refused_webhooks)} forged or late webhooks in 15 minutes."
        yield Wrong("", "warn", f"{words} A secret differs, or somebody tries.")


R = Alert.Rule
RULES: Mapping[Alert.Rule, Rule] = MappingProxyType(
    {
        R.NO_PROVIDER: Rule("No provider open", "for 30 s", _no_provider, timedelta(seconds=30)),
        R.BREAKER_OPEN: Rule("Breaker open", "any provider, at once", _breakers),
        R.LAW_BROKEN: Rule("Conservation law broken", "at once", _law),
        R.BACKLOG_OLD: Rule(
            "Backlog older than promised", "the first in line, for 2 min", _backlog, timedelta(minutes=2)
        ),
        R.BUDGET_LOW: Rule("Budget nearly used", f"{LOW_BUDGET:.0%} of a day's", lambda f: _budgets(f, used_up=False)),
        R.BUDGET_USED: Rule("Budget used", "all of a day's", lambda f: _budgets(f, used_up=True)),
        R.ERASURES_OVERDUE: Rule("Erasures overdue", "one, 15 min after its hour", _erasures, timedelta(minutes=5)),
        R.HEARTBEAT_LOST: Rule("Heartbeat lost", "60 s without one", _heartbeats, timedelta(seconds=40)),
        R.PART_AWAY: Rule("Redis, database, disk or storage away", "for 1 min", _parts, timedelta(minutes=1)),
        R.FORGED_WEBHOOKS: Rule("Forged webhooks rising", f"{MOST_REFUSED} in 15 min", _forged),
    }
)
