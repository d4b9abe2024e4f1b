"""Rules for the parameters that staff enter, with messages that say what a vendor accepts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import AccountProblem
from .http import hosts


@dataclass(frozen=True)
class Rule:
    """The values that one parameter may have. `wants` follows the parameter's name in the message."""

    wants: str
    fits: Callable[[Any], bool]


def whole(lowest: int, highest: int) -> Rule:
    def fits(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest

    return Rule(f"has to be a whole number from {lowest} to {highest}", fits)


def number(lowest: float, highest: float) -> Rule:
    def fits(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and lowest <= value <= highest and math.isfinite(value)

    return Rule(f"has to be a number from {lowest:g} to {highest:g}", fits)


def one_of(*values: str | int) -> Rule:
    def fits(value: Any) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in values)

    shown = [f"“{value}”" if isinstance(value, str) else str(value) for value in values]
    return Rule(f"has to be {' or '.join([', '.join(shown[:-1]), shown[-1]] if shown[1:] else shown)}", fits)


def flag() -> Rule:
    return Rule("has to be true or false", lambda value: isinstance(value, bool))


def name() -> Rule:
    def fits(value: Any) -> bool:
        return isinstance(value, str) and 0 < len(value) <= 60 and value.isidentifier()

    return Rule("has to be the name of a field", fits)


def address() -> Rule:
    def fits(value: Any) -> bool:
        try:
            hosts.permit_call(value if isinstance(value, str) else "")
        except AccountProblem:
            return False
        return True

    return Rule("has to be a public address that begins with https://", fits)


def host_list() -> Rule:
    def fits(value: Any) -> bool:
        try:
            return isinstance(value, list) and bool([hosts.Entry.parse(line) for line in value])
        except (ValueError, AttributeError):
            return False

    return Rule("has to be a list of host names, such as files.example.com or *.example.com", fits)


def mapping() -> Rule:
    return Rule("has to be a JSON object", lambda value: isinstance(value, dict))


def problems(rules: Mapping[str, Rule], parameters: Mapping[str, Any], *, unknown: str) -> list[str]:
    """Return a message for each invalid parameter. `unknown` is the one for unknown names, with `{name}` in it."""
    messages = []
    for key, value in parameters.items():
        if key not in rules:
            messages.append(unknown.format(name=key))
        elif not rules[key].fits(value):
            messages.append(f"“{key}” {rules[key].wants}, not {_shown(value)}.")
    return messages


def _shown(value: Any) -> str:
    shown = f"“{value}”" if isinstance(value, str) else repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "…"
