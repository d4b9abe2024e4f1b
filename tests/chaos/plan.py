"""The plan of a storm: which fault comes when, and for how long. The same seed and length give the same plan.

Every kind of fault comes at least once when there is time for it, in an order of the seed's; then the deck is
shuffled anew. Faults overlap, but never two of them at the same thing (`faults.Kind.touches`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.faults import KINDS, Kind

# Seconds between two faults that begin; a short storm is a dense one.
EVERY, EVERY_SHORT = 5.0, 3.0
# Before the first and after the last the load runs calmly.
CALM = 8.0
# A rolling restart touches everything: nothing else begins meanwhile.
EVERYTHING = "everything"


@dataclass(frozen=True)
class Blow:
    """One fault of a plan: begins `at` seconds after the load, is healed `seconds` later."""

    at: float
    kind: Kind
    target: str
    seconds: float

    def __str__(self) -> str:
        on = f" {self.target}" if self.target else ""
        return f"{self.at:6.1f} s  {self.kind.name}{on}" + (f" for {self.seconds:.0f} s" if self.seconds else "")


def make_plan(seed: int, *, seconds: float, database: str, kinds: Sequence[Kind] = KINDS) -> list[Blow]:
    """Return the faults of a storm of this length, in the order in which they begin."""
    dice = random.Random(f"{seed}:{database}")
    possible = [kind for kind in kinds if not kind.only_on or kind.only_on == database]
    is_short = seconds < 300
    plan: list[Blow] = []
    free_at: dict[str, float] = {}
    deck: list[tuple[Kind, str]] = []
    at = CALM
    while at < seconds - CALM:
        if not deck:
            deck = [(kind, target) for kind in possible for target in kind.targets]
            dice.shuffle(deck)
            # Kinds that were not there yet go before a second target of one that was.
            seen: set[str] = set()
            deck.sort(key=lambda card: (card[0].name in seen) or bool(seen.add(card[0].name)))
        kind, target = next((card for card in deck if _is_free(card, free_at, at)), (None, ""))
        if kind is None:
            at += 1.0
            continue
        deck.remove((kind, target))
        lasts = kind.short_seconds if is_short else kind.seconds
        ends = at + lasts + kind.rest
        if at + lasts > seconds:
            continue  # there is no time left for this one
        plan.append(Blow(round(at, 1), kind, target, lasts))
        for thing in kind.touching(target):
            free_at[thing] = ends
        at += dice.uniform(0.5, 1.5) * (EVERY_SHORT if is_short else EVERY)
    return plan


def _is_free(card: tuple[Kind, str], free_at: dict[str, float], at: float) -> bool:
    kind, target = card
    things = kind.touching(target)
    if EVERYTHING in things:
        return all(moment <= at for moment in free_at.values())
    return all(free_at.get(thing, 0.0) <= at for thing in (*things, EVERYTHING))
