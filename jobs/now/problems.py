"""What is not as it should be, the worst first. Each problem has the one next step that helps, and what it would do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.urls import reverse

from providers.models import BreakerReason

from .facts import Facts, Studio
from .forecast import Drain, capacity
from .words import clock, length, number, price

# From here on the rollups are said to be old.
STALE = timedelta(minutes=1)
# A queue that is empty within this long needs nobody.
LONG_QUEUE = timedelta(minutes=3)
PARK = timedelta(minutes=15)
# Work goes on without these, at other providers and in other web processes.
SPARE = {"web", "studio", "simulator"}
# Shares below are judged from so many jobs on.
ENOUGH = 20
_BREAKER_WORDS = {
    BreakerReason.CALLS: "its calls fail",
    BreakerReason.FILMS: "its films fail",
    BreakerReason.ACCOUNT: "our key or balance is refused",
}


@dataclass(frozen=True)
class Move:
    """A next step: what its button says, where it leads, and what is to be expected of it."""

    label: str
    url: str
    words: str


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: "warn" or "bad", in a sentence."""

    level: str
    words: str
    moves: tuple[Move, ...] = ()


def found_in(facts: Facts) -> list[Problem]:
    """Return what is wrong, the worst first."""
    found = [*_broken(facts), *_house(facts), *_processes(facts), *_studios(facts), *_load(facts), *_people(facts)]
    found += _reports(facts)
    return sorted(found, key=lambda problem: problem.level != "bad")


def _broken(facts: Facts) -> Iterator[Problem]:
    if differences := facts.law.difference_count:
        yield Problem(
            "bad",
            f"The ledger does not balance: {number(differences)} jobs are not where their events say.",
            (Move("Open the ledger", reverse("admin:jobs_job_ledger"), "It names the first of them."),),
        )
    if facts.house.overdue_erasures:
        yield Problem(
            "bad",
            f"{number(facts.house.overdue_erasures)} people's photos should be erased by now and are not.",
            (
                Move(
                    "Look at the processes",
                    reverse("admin:jobs_heartbeat_changelist"),
                    "Reconcile erases; storage has to answer.",
                ),
            ),
        )


def _house(facts: Facts) -> Iterator[Problem]:
    house = facts.house
    if house.disk.tone == "bad":
        yield Problem("bad", f"The disk is full ({house.disk.words}): no photo is accepted.")
    if house.storage.tone == "bad":
        yield Problem("bad", "The bucket does not answer: no photo is accepted, no film is collected.")
    if house.redis.tone == "bad":
        yield Problem("warn", f"Redis gives {house.redis.words}: work starts a second later, nothing is lost.")
    if house.database.tone:
        yield Problem("warn", f"The database has few connections left ({house.database.words}).")


def _processes(facts: Facts) -> Iterator[Problem]:
    look = Move("Look at the processes", reverse("admin:jobs_heartbeat_changelist"), "By host, with their heartbeats.")
    gone: dict[str, float] = {}
    for process in facts.processes:
        if process.is_late and not process.is_replaced:
            age = (facts.at - process.seen_at).total_seconds()
            gone[process.name] = min(age, gone.get(process.name, age))
    for level, names in (("bad", sorted(gone.keys() - SPARE)), ("warn", sorted(gone.keys() & SPARE))):
        if names:
            age = max(gone[name] for name in names)
            yield Problem(level, f"Nobody does the work of {_listed(names)}: last seen {length(age)} ago.", (look,))
    if facts.flow.at is None or facts.at - facts.flow.at > STALE:
        since = "yet" if facts.flow.at is None else f"since {clock(facts.flow.at)}"
        yield Problem("bad", f"Reconcile has written no figures {since}: what stands here is old.", (look,))
    if len(facts.versions) > 1:
        yield Problem("warn", f"{len(facts.versions)} versions run: {', '.join(sorted(facts.versions))}.", (look,))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _studios(facts: Facts) -> Iterator[Problem]:
    studios = [studio for studio in facts.studios if studio.row.enabled]
    listed = reverse("admin:providers_providerconfig_changelist")
    if not any(studio.row.is_open(now=facts.at) for studio in studios):
        until = [at for studio in studios if (at := studio.row.blocked_until(now=facts.at))]
        again = f" The first is asked again at {clock(min(until))}." if until else ""
        yield Problem(
            "bad",
            f"No provider takes films; {number(facts.drain.waiting)} wait.{again}",
            (Move("Open the providers", listed, "Enable another one, or close a breaker."),),
        )
        return
    queue = _queue(facts)
    for studio in studios:
        if sentence := _trouble(studio, facts):
            yield Problem("warn", f"{sentence}{queue}.", tuple(_moves(studio, facts)))
            queue = ""  # is said once
    minutes = facts.drain.minutes
    if queue and facts.drain.waiting and (minutes is None or minutes > LONG_QUEUE / timedelta(minutes=1)):
        fullest = max(studios, key=lambda studio: (studio.is_full, studio.per_minute))
        what = f"{number(facts.drain.waiting)} wait"
        yield Problem("warn", f"{what}; {_pace(facts.drain, facts)}.", tuple(_raise(fullest, facts)))


def _load(facts: Facts) -> Iterator[Problem]:
    """Yield what is left out because too much waits, and whom the door keeps out."""
    look = Move("Look at the load", reverse("admin:jobs_loadstate_changelist"), "How much waits, and what is left out.")
    load = facts.load
    if load.admitted_per_second is not None:
        a_minute = number(60 * load.admitted_per_second)
        yield Problem("warn", f"Too much waits: each web process lets in {a_minute} photos a minute.", (look,))
    if load.level:
        by = " by hand" if load.forced_until else ""
        yield Problem("warn", f"Brownout level {load.level.label.replace('_', ' ')} is on{by}.", (look,))


def _trouble(studio: Studio, facts: Facts) -> str:
    """Return what is wrong with a provider, "" for nothing."""
    row, flow = studio.row, studio.flow
    if studio.is_broken(now=facts.at):
        since = f" since {clock(flow.failed_since)}" if flow.failed_since else ""
        return f"{studio.title} gets no films{since}: {_BREAKER_WORDS[BreakerReason(row.breaker_reason)]}"
    if row.has_been_parked(now=facts.at) and row.rate_limited_until is not None:
        return f"{studio.title} is parked until {clock(row.rate_limited_until)}"
    if row.is_rate_limited(now=facts.at) or flow.refused >= 1:
        since = f" since {clock(flow.refused_since)}" if flow.refused_since else ""
        return f"{studio.title} answers 429{since}"
    if row.is_out_of_budget(now=facts.at):
        return f"{studio.title} has used today's budget of ${row.daily_budget:,.0f}"
    share = flow.success
    if share is not None and share < 0.8 and flow.succeeded + flow.failed >= ENOUGH:
        return f"{studio.title} fails {1 - share:.0%} of its films"
    return ""


def _queue(facts: Facts) -> str:
    if not facts.drain.waiting:
        return "; nobody waits"
    return f"; {number(facts.drain.waiting)} wait; {_pace(facts.drain, facts)}"


def _pace(drain: Drain, facts: Facts) -> str:
    empty_at = drain.empty_at(now=facts.at)
    return f"at this pace the line is empty at {clock(empty_at)}" if empty_at else "at this pace the line grows"


def _moves(studio: Studio, facts: Facts) -> Iterator[Move]:
    """Yield what helps while this provider is in trouble: more slots elsewhere, and doing without it."""
    others = [other for other in facts.studios if other is not studio and other.is_full and other.per_minute]
    if others:
        yield from _raise(max(others, key=lambda other: _gained(other, facts)), facts)
    if studio.row.has_been_parked(now=facts.at):
        yield Move(f"Open {studio.title}", _page(studio), "Park it for longer there, or resume it.")
        return
    without = Drain(facts.drain.waiting, facts.drain.coming, max(0.0, facts.drain.going - studio.flow.finished))
    after = PARK / timedelta(minutes=1)
    yield Move(
        f"Open {studio.title}",
        _page(studio),
        f"Without it {number(without.waiting_after(after))} wait at {clock(facts.at + PARK)}.",
    )


def _raise(studio: Studio, facts: Facts) -> Iterator[Move]:
    """Yield the step to twice the slots, with when the queue would be empty and what a film costs there."""
    gained = _gained(studio, facts)
    if gained <= 0:
        return
    drain = Drain(facts.drain.waiting, facts.drain.coming, facts.drain.going + gained)
    empty_at, after = drain.empty_at(now=facts.at), PARK / timedelta(minutes=1)
    still = f"{number(drain.waiting_after(after))} wait at {clock(facts.at + PARK)}, not "
    still += number(facts.drain.waiting_after(after))
    when = f"empty at {clock(empty_at)}" if empty_at else still
    cost = f"{price(studio.row.price)} a film" if studio.row.price else "no cost"
    words = f"With {2 * studio.row.max_concurrent}: {when}; {cost}."
    yield Move(f"Give {studio.title} more slots", f"{_page(studio)}#id_max_concurrent", words)


def _gained(studio: Studio, facts: Facts) -> float:
    """Return how many films a minute more a provider delivers with twice the slots."""
    slots = 2 * studio.row.max_concurrent
    return capacity(studio.row, studio.flow, now=facts.at, max_concurrent=slots) - studio.per_minute


def _page(studio: Studio) -> str:
    return reverse("admin:providers_providerconfig_change", args=[studio.row.pk])


def _reports(facts: Facts) -> Iterator[Problem]:
    """Yield how many reports of shared films nobody has decided about."""
    if facts.reports:
        count, waits = len(facts.reports), (facts.at - facts.reports[0]).total_seconds()
        what = "One report of a shared film waits" if count == 1 else f"{number(count)} reports of shared films wait"
        listed = reverse("admin:jobs_filmreport_changelist", query={"state__exact": "open"})
        move = Move("Open the reports", listed, "Each film is taken down or left as it is.")
        yield Problem(
            "warn", f"{what} for a decision{', the first' if count > 1 else ''} for {length(waits)}.", (move,)
        )


def _people(facts: Facts) -> Iterator[Problem]:
    """Yield what people notice, whatever the reason."""
    flow = facts.flow
    failed = sum(row.failed for row in facts.minutes[-15:])
    ended = failed + sum(row.succeeded for row in facts.minutes[-15:])
    if ended >= ENOUGH and failed > 0.1 * ended:
        listed = reverse("admin:jobs_job_changelist", query={"status__exact": "failed"})
        yield Problem(
            "warn",
            f"{failed / ended:.0%} of the last {number(ended)} jobs failed.",
            (Move("Look at them", listed, "The newest first, with their reasons."),),
        )
    if flow.promised >= ENOUGH and flow.kept < 0.8 * flow.promised:
        words = f"{1 - flow.kept / flow.promised:.0%} of the films came later than promised."
        yield Problem("warn", words)
