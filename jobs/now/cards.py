"""One card for each provider on the staff's first page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta

from django.urls import reverse

from jobs.rollups import histograms
from providers.models import BreakerReason

from .facts import Facts, Studio
from .fields import Field
from .words import clock, films, length, money, number, spread

_REASONS = {
    BreakerReason.CALLS: "Its calls fail",
    BreakerReason.FILMS: "Its films fail",
    BreakerReason.ACCOUNT: "Our key or balance is refused",
}
# Below this a wait is told in seconds: by the clock it would seem to be over.
_SHORT_WAIT = timedelta(minutes=2)
_PLACES = ("First", "Second", "Third", "Fourth", "Fifth")


@dataclass(frozen=True)
class Card:
    slug: str
    title: str
    url: str
    state: Field
    why: Field
    bars: Sequence[tuple[str, Field, Field]]
    six: Sequence[tuple[str, Field]]

    @property
    def key(self) -> str:
        return f"p.{self.slug}"

    @property
    def fields(self) -> Sequence[Field]:
        bars = [one for _, bar, of in self.bars for one in (bar, of)]
        return [self.state, self.why, *bars, *(value for _, value in self.six)]


def cards_of(facts: Facts) -> list[Card]:
    """Return a card for each provider, in staff's order."""
    return [_card(studio, place, facts) for place, studio in enumerate(facts.studios)]


def _card(studio: Studio, place: int, facts: Facts) -> Card:
    row, flow, key = studio.row, studio.flow, f"p.{studio.row.slug}"
    state, word, why = _state(studio, place, facts)
    success = flow.success
    asked = flow.succeeded + flow.failed

    def field(name: str, text: str, tone: str = "") -> Field:
        return Field(f"{key}.{name}", text, tone=tone)

    return Card(
        slug=row.slug,
        title=studio.title,
        url=reverse("admin:providers_providerconfig_change", args=[row.pk]),
        state=Field(f"{key}.state", word, state=state),
        why=field("why", why),
        bars=[
            _bar(key, "Slots", "slots", studio.slots, row.max_concurrent, ""),
            _bar(key, "Calls/min", "calls", studio.calls, row.max_per_minute, "warn" if flow.refused >= 1 else ""),
            _budget(key, studio, facts),
        ],
        six=[
            ("429s a min", field("refused", number(flow.refused), "warn" if flow.refused >= 1 else "")),
            ("Submit s", field("submit", _times(flow.submits))),
            ("Film s", field("film", _times(flow.films))),
            ("Success", field("success", "–" if success is None else f"{success:.1%}", _tone(success, asked))),
            ("Cold", field("cold", f"{flow.cold / flow.succeeded:.0%}" if flow.succeeded else "–")),
            ("A film", field("cost", money(float(flow.cost) / flow.succeeded) if flow.succeeded else "–")),
        ],
    )


def _bar(key: str, label: str, name: str, used: int, most: int, tone: str) -> tuple[str, Field, Field]:
    bar = Field(f"{key}.{name}", "", tone=tone, fill=min(1.0, used / most))
    return label, bar, Field(f"{key}.{name}_of", f"{number(used)} of {number(most)}")


def _budget(key: str, studio: Studio, facts: Facts) -> tuple[str, Field, Field]:
    row = studio.row
    if row.daily_budget is None:
        words = "no limit" if row.price else "no cost"
        return "Budget", Field(f"{key}.budget", "", fill=0.0), Field(f"{key}.budget_of", words)
    today = facts.at.astimezone(UTC).date()
    used = float(row.budget_used) if row.budget_day == today else 0.0
    most = float(row.daily_budget)
    share = min(1.0, used / most) if most else 1.0
    tone = "bad" if share >= 1 else "warn" if share > 0.9 else ""
    words = f"{money(used)} of {money(most)}"
    return "Budget", Field(f"{key}.budget", "", tone=tone, fill=share), Field(f"{key}.budget_of", words)


def _times(times: histograms.Histogram) -> str:
    words, unit = spread(histograms.percentile(times, 0.5), histograms.percentile(times, 0.95))
    return words if unit == "s" else f"{words} min"


def _tone(share: float | None, count: int) -> str:
    if share is None or count < 5:
        return ""
    return "bad" if share < 0.5 else "warn" if share < 0.8 else ""


def _state(studio: Studio, place: int, facts: Facts) -> tuple[str, str, str]:
    """Return the shape, the word and the sentence of a provider's state."""
    row, flow, now = studio.row, studio.flow, facts.at
    order = f"{_PLACES[place]} in order. " if place < len(_PLACES) else ""
    since = f"; 429s since {clock(flow.refused_since)}" if flow.refused_since else ""
    if not row.enabled:
        return "off", "disabled", "It gets no new films; what is under way is finished."
    if row.breaker_until is not None and row.breaker_until > now:
        failed = f": {flow.failed} of {flow.failed + flow.succeeded} in 15 min" if flow.failed else ""
        reason = _REASONS[BreakerReason(row.breaker_reason)]
        return "bad", "breaker open", f"{reason}{failed}. Tried again at {clock(row.breaker_until)}."
    if row.is_rate_limited(now=now) and row.rate_limited_until is not None:
        until = clock(row.rate_limited_until)
        if row.has_been_parked(now=now):
            return "warn", "parked", f"{order}By staff until {until}; films under way go on."
        left = row.rate_limited_until - now
        wait = f"another {length(left.total_seconds())}" if left < _SHORT_WAIT else f"until {until}"
        return "warn", "answers 429", f"{order}Asked us to wait {wait}{since}."
    if flow.refused >= 1:
        return "warn", "answers 429", f"{order}Takes {number(flow.finished)} of what we offer a minute{since}."
    if row.needs_probe(now=now):
        return "warn", "one probe", f"{order}One call is let through; the others follow when it goes well."
    if row.is_out_of_budget(now=now):
        return "warn", "budget used", f"{order}Today's budget is used up; it gets films again at 00:00 UTC."
    if studio.is_full:
        return "good", "works, full", f"{order}Every slot is taken; the limit is ours."
    owned = "Our own machines. " if row.capabilities.is_ours else ""
    return "good", "works", f"{order}{owned}Delivers up to {films(studio.per_minute)} a minute."
