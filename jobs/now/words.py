"""How the staff's pages write numbers, times and lengths."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.utils import timezone


def number(value: float | None) -> str:
    """Return a count with its thousands apart: 1,240; – when it is not known."""
    return "–" if value is None else f"{round(value):,}"


def films(value: float) -> str:
    """Return a number of films: 1 film, 1,240 films."""
    words = number(value)
    return f"{words} film" if words == "1" else f"{words} films"


def clock(moment: datetime) -> str:
    """Return the hour and minute, with the day when it is another one."""
    local = timezone.localtime(moment)
    same_day = local.date() == timezone.localtime(timezone.now()).date()
    return f"{local:%H:%M}" if same_day else f"{local:%d %b %H:%M}"


def length(seconds: float) -> str:
    """Return a length of time for a sentence: 32 s, 9 min 12 s, 2 h 5 min, 3 d 4 h. No line breaks within it."""
    return _length(seconds).replace(" ", "\N{NO-BREAK SPACE}")


def _length(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 9.5 or whole == seconds else f"{seconds:.1f} s"
    for size, unit, smaller, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    raise AssertionError("a minute is the least of these")


def spread(first: float | None, second: float | None) -> tuple[str, str]:
    """Return two times as "12.4 / 19.8" and their unit, which is minutes when the second is long."""
    if first is None or second is None:
        return "– / –", "s"
    unit, name = (60.0, "min") if second >= 120 else (1.0, "s")
    return f"{_short(first / unit)} / {_short(second / unit)}", name


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 20 else f"{value:.0f}"


def price(amount: Decimal) -> str:
    """Return what a film costs, in US dollars: $0.30, and $0.0025 where cents are not enough."""
    places = max(2, -int(amount.normalize().as_tuple().exponent))
    return f"${amount:.{places}f}"


def money(value: float) -> str:
    """Return an amount in US dollars, in cents while it is small."""
    return f"${value:,.0f}" if value >= 100 else f"${value:.2f}"
