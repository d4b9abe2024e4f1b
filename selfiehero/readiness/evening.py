"""What a viral evening breaks first: slots, and a single provider."""

from __future__ import annotations

import math
from collections.abc import Iterator

from jobs.now import Facts
from jobs.now.facts import Studio
from jobs.now.forecast import film_seconds
from jobs.now.words import number
from providers import registry
from providers.callbacks import transport_problem

from .lines import AMBER, GREEN, RED, Line

AREA = "What the evening breaks"


def concurrency(facts: Facts, *, rate: int) -> Iterator[Line]:
    """Compare the films a minute that all open providers deliver with the rate that is wanted."""
    studios = [studio for studio in facts.studios if studio.row.enabled]
    possible = sum(studio.per_minute for studio in studios)
    measured = " + ".join(
        f"{studio.title} {number(studio.per_minute)} ({studio.row.max_concurrent} slots, "
        f"{film_seconds(studio.row, studio.flow):.0f} s a film)"
        for studio in studios
    )
    if possible >= rate:
        yield Line(AREA, "Concurrency", GREEN, f"{number(possible)} films a minute; {rate} are wanted.", measured)
        return
    yield Line(
        AREA, "Concurrency", RED, f"{rate} films a minute are wanted; {number(possible)} are possible.", measured,
        _level_to_buy(studios, missing=rate - possible),
    )  # fmt: skip


def _level_to_buy(studios: list[Studio], *, missing: float) -> str:
    """Name the smallest account level that makes up for what is missing, at the provider that staff put first."""
    for studio in studios:
        slots = studio.row.max_concurrent + math.ceil(missing * film_seconds(studio.row, studio.flow) / 60)
        calls = studio.row.max_per_minute + math.ceil(missing)
        for preset in registry.adapter_for(studio.row.adapter).presets:
            if preset.max_concurrent >= slots and preset.max_per_minute >= calls:
                return f"Get {preset.title} of {studio.title} ({preset.max_concurrent:,} at once), and choose it there."
    return "No level of an enabled provider is enough: enable another one, or ask a vendor for more."


def fallback(facts: Facts) -> Iterator[Line]:
    """Count who would make the films if the first provider had a bad day."""
    able = [studio for studio in facts.studios if studio.row.enabled and studio.row.is_open(now=facts.at)]
    clouds = [studio for studio in able if not studio.row.capabilities.is_ours]
    measured = ", ".join(studio.title for studio in able) or "none open"
    mend = "Enable a second provider, test its connection, and park the first one for a minute to see it work."
    if not able:
        yield Line(AREA, "Fallback", RED, "No provider takes films.", measured, mend)
    elif len(clouds) > 1:
        yield Line(AREA, "Fallback", GREEN, "A film that one provider refuses goes to another one.", measured)
    else:
        yield Line(AREA, "Fallback", AMBER, "Besides our own machines there is no second provider.", measured, mend)
    for studio in facts.studios:
        if studio.row.enabled and (problem := transport_problem(studio.row)):
            yield Line(AREA, f"Transport of {studio.title}", RED, problem, mend="Choose one of both.")
