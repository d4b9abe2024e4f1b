"""The staff's first page in words: what the template prints, and what an open page asks for every few seconds.

A field is a piece of text with a key. The template prints it at first and the page's script puts newer text into it,
so both show the same. When other providers or hosts are there than before, `shape` differs and the page loads anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from jobs.lifecycle.kinds import Phase
from jobs.rollups import histograms

from . import problems
from .cards import Card, cards_of
from .facts import Facts, Process, by_host
from .fields import Field
from .words import clock, number, spread

# Every so many minutes are a row of the table under the chart.
_TABLE_EVERY = 4
# What tells two hosts of one name apart (`jobs.heartbeats.host_id`).
_DIGEST = re.compile("-[0-9a-f]{6}$")
_ROWS = 8


@dataclass(frozen=True)
class Figure:
    label: str
    value: Field
    unit: str
    at: datetime | None


@dataclass(frozen=True)
class Host:
    name: str
    short: str
    version: Field
    does: str
    beat: Field
    at: datetime


@dataclass(frozen=True)
class Under:
    label: str
    value: Field
    at: datetime


@dataclass(frozen=True)
class Page:
    at: datetime
    level: str
    words: str
    why: str
    moves: Sequence[problems.Move]
    figures: Sequence[Figure]
    cards: Sequence[Card]
    hosts: Sequence[Host]
    under: Sequence[Under]
    law: Sequence[tuple[Field, str]]
    law_words: Field
    law_at: datetime | None
    chart: dict[str, Any]
    table: Sequence[Sequence[str]]
    legend: Sequence[tuple[str, Field]] = field(default_factory=list)

    @property
    def shape(self) -> str:
        """What the page is made of; a page with another shape is loaded anew."""
        return " ".join([*(card.slug for card in self.cards), "|", *(host.name for host in self.hosts)])

    def as_json(self) -> dict[str, Any]:
        """Return the page for its script: fields and ages by key."""
        fields = [figure.value for figure in self.figures]
        fields += [one for card in self.cards for one in card.fields]
        fields += [one for host in self.hosts for one in (host.version, host.beat)]
        fields += [row.value for row in self.under] + [value for value, _ in self.law] + [self.law_words]
        fields += [value for _, value in self.legend]
        ages = {f"{figure.value.key}.age": figure.at for figure in self.figures}
        ages |= {f"{card.key}.age": self.at for card in self.cards} | {
            f"{host.beat.key}": host.at for host in self.hosts
        }
        ages |= {f"{row.value.key}.age": row.at for row in self.under} | {"law.age": self.law_at}
        return {
            "now": self.at.timestamp(),
            "shape": self.shape,
            "level": self.level,
            "words": self.words,
            "why": self.why,
            "moves": [{"label": move.label, "url": move.url, "words": move.words} for move in self.moves],
            "fields": {one.key: one.as_json() for one in fields},
            "ages": {key: at.timestamp() for key, at in ages.items() if at is not None},
            "chart": self.chart,
        }


def page_of(facts: Facts) -> Page:
    """Return the page that says these facts."""
    found = problems.found_in(facts)
    first = found[0] if found else None
    flow = facts.flow
    return Page(
        at=facts.at,
        level=first.level if first else "good",
        words=first.words if first else _all_is_well(facts),
        why=_why(facts, found[1:]),
        moves=first.moves[:2] if first else (),
        figures=_figures(facts),
        cards=cards_of(facts),
        hosts=[_host(name, its, facts) for name, its in by_host(facts.processes).items()],
        under=_under(facts),
        law=_law(facts),
        law_words=_law_words(facts),
        law_at=facts.law.at,
        chart=_chart(facts),
        table=_table(facts),
        legend=[
            (name, Field(f"legend.{name}", number(value)))
            for name, value in (
                ("waiting", flow.waiting),
                ("accepted", flow.accepted),
                ("finished", flow.succeeded),
                ("failed", flow.failed),
            )
        ],
    )


def _all_is_well(facts: Facts) -> str:
    films = histograms.percentile(facts.flow.films, 0.5)
    took = f" Films take {spread(films, films)[0].split(' / ')[0]} {spread(films, films)[1]}." if films else ""
    return f"All is well: {_waiting(facts.drain.waiting)}.{took}"


def _waiting(count: int) -> str:
    return "nobody waits" if not count else f"{number(count)} wait{'s' if count == 1 else ''} for a moment"


def _why(facts: Facts, others: Sequence[problems.Problem]) -> str:
    """Say the pace, and what else is wrong."""
    flow = f"{number(facts.flow.accepted)} come and {number(facts.flow.left)} go a minute."
    more = " ".join(problem.words for problem in others[:2])
    if len(others) > 2:
        more += f" And {len(others) - 2} more."
    return f"{flow} {more}".strip()


def _figures(facts: Facts) -> list[Figure]:
    flow, at = facts.flow, facts.flow.at
    frame, frame_unit = _spread(flow.first_frames)
    film, film_unit = _spread(flow.films)
    kept = f"{flow.kept / flow.promised:.0%}".rstrip("%") if flow.promised else "–"
    rows = [
        ("Accepted", "accepted", number(flow.accepted), "/min"),
        ("Waiting", "waiting", number(flow.waiting), ""),
        ("In flight", "in_flight", number(flow.in_flight), ""),
        ("Finished", "finished", number(flow.succeeded), "/min"),
        ("Failed", "failed", number(flow.failed), "/min"),
        ("First picture", "frame", frame, frame_unit),
        ("Film p50, p95", "film", film, film_unit),
        ("Promise kept", "kept", kept, "%"),
    ]
    return [Figure(label, Field(f"figure.{key}", text, unit=unit), unit, at) for label, key, text, unit in rows]


def _spread(times: histograms.Histogram) -> tuple[str, str]:
    return spread(histograms.percentile(times, 0.5), histograms.percentile(times, 0.95))


def _host(name: str, processes: Sequence[Process], facts: Facts) -> Host:
    versions = {process.version for process in processes if process.version}
    version = ", ".join(sorted(versions)) or "not known"
    is_other = bool(versions - {settings.PRODUCT_VERSION})
    oldest = min(process.seen_at for process in processes)
    tone = "warn" if any(process.is_late for process in processes) else ""
    return Host(
        name=name,
        short=_DIGEST.sub("", name),
        version=Field(f"host.{name}.version", version, tone="warn" if is_other else ""),
        does=", ".join(process.name.removeprefix("worker-") for process in processes),
        beat=Field(f"host.{name}.beat", "", tone=tone),
        at=oldest,
    )


def _under(facts: Facts) -> list[Under]:
    house = facts.house
    database = "PostgreSQL" if "of" in house.database.words else "Database"
    overdue = house.overdue_erasures
    rows = [
        ("Queues", "queues", house.queues.words, house.queues.tone),
        ("Redis", "redis", house.redis.words, house.redis.tone),
        (database, "database", house.database.words, house.database.tone),
        ("Disk", "disk", house.disk.words, house.disk.tone),
        ("Storage", "storage", house.storage.words, house.storage.tone),
        ("Erasures", "erasures", f"{number(overdue)} overdue", "bad" if overdue else ""),
    ]
    return [Under(label, Field(f"under.{key}", words, tone=tone), house.at) for label, key, words, tone in rows]


def _law(facts: Facts) -> list[tuple[Field, str]]:
    found = facts.law.found
    if found is None:
        return []
    events = found.events
    rows = [("accepted", events.accepted), *((str(phase), events.by_phase[phase]) for phase in Phase)]
    return [(Field(f"law.{name}", number(count)), name.replace("_", " ")) for name, count in rows]


def _law_words(facts: Facts) -> Field:
    if facts.law.at is None:
        return Field("law.words", "The ledger has not been read yet.", state="off")
    if facts.law.balances:
        return Field("law.words", "Nothing is lost.", state="good")
    return Field("law.words", f"{number(facts.law.difference_count)} jobs differ.", state="bad")


def _chart(facts: Facts) -> dict[str, Any]:
    """Return what the chart draws: local minutes since 1970 with their figures, the forecast, and named moments."""
    now = _minute(facts.at)
    flow = facts.flow
    rows = [
        [_minute(row.minute), row.accepted, row.succeeded, row.failed, row.waiting]
        for row in facts.minutes
        if _minute(row.minute) < now
    ]
    if facts.minutes:
        present = [round(flow.accepted), round(flow.succeeded), round(flow.failed), flow.waiting]
        rows.append([now, *present])
    marks = [
        [_minute(since), f"{studio.title} 429", "warn"]
        for studio in facts.studios
        if (since := studio.flow.refused_since) is not None
    ]
    ahead = [[now + minute, waiting] for minute, waiting in facts.drain.points()] if facts.drain.waiting else []
    empty_at = facts.drain.empty_at(now=facts.at) if facts.drain.waiting else None
    words = f"empty at {clock(empty_at)}" if empty_at else ""
    return {"now": now, "clock": clock(facts.at), "rows": rows, "ahead": ahead, "marks": marks, "words": words}


def _minute(moment: datetime) -> int:
    local = timezone.localtime(moment)
    offset = local.utcoffset() or timedelta()
    return int((moment.timestamp() + offset.total_seconds()) // 60)


def _table(facts: Facts) -> Sequence[Sequence[str]]:
    rows: Iterable[Any] = facts.minutes[::-1][1::_TABLE_EVERY]
    return [
        (clock(row.minute), *(number(value) for value in (row.accepted, row.succeeded, row.failed, row.waiting)))
        for row in list(rows)[:_ROWS]
    ][::-1]
