"""What a provider would deliver within other limits: the forecast beside them, by the first page's arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from jobs import rollups
from providers import registry
from providers.models import ProviderConfig

from .facts import HISTORY, Capacity, read_capacity
from .forecast import Drain, capacity, delivered, film_seconds
from .words import clock, films, number, price

# Of the account levels that allow more than now, so many are shown.
MOST_LEVELS = 3


def lines(provider: ProviderConfig, *, now: datetime) -> Iterator[str]:
    """Yield a sentence for the present limits, one for twice the slots and for each larger account level."""
    known = read_capacity(now=now)
    flow = rollups.over([provider.id], at=known.flow.at or now, length=HISTORY)[provider.id]
    present = capacity(provider, flow, now=now)
    slots, calls = provider.max_concurrent, provider.max_per_minute
    larger = [
        level
        for level in registry.adapter_for(provider.adapter).presets
        if level.max_concurrent > slots and level.max_per_minute >= calls
    ]
    for name, most_slots, most_calls in (
        (f"As it is, {number(slots)} at once", slots, calls),
        (f"With {number(2 * slots)} at once", 2 * slots, calls),
        *(
            (f"{level.title}, {number(level.max_concurrent)} at once", level.max_concurrent, level.max_per_minute)
            for level in larger[:MOST_LEVELS]
        ),
    ):
        a_minute = delivered(provider, flow, max_concurrent=most_slots, max_per_minute=most_calls)
        yield f"{name}: {films(a_minute)} a minute; {_line_of(known, a_minute - present, now=now)}."
    cost = f"{price(provider.price)} a film" if provider.price else "no cost"
    yield f"Counted with {film_seconds(provider, flow):.0f} s a film, {number(calls)} calls a minute now, {cost}."
    if not present:
        yield "It takes no films at present: that is what it delivers once it does."
    elif flow.refused:
        yield f"While it answers 429 it delivers what it did lately, {films(present)} a minute, whatever its limits."


def _line_of(known: Capacity, gained: float, *, now: datetime) -> str:
    drain = Drain(known.drain.waiting, known.drain.coming, known.drain.going + gained)
    if not drain.waiting:
        return "nobody waits"
    empty_at = drain.empty_at(now=now)
    return f"the line is empty at {clock(empty_at)}" if empty_at else "the line grows"
