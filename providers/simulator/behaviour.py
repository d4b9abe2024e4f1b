"""The behaviour of a simulated provider, as a scenario describes it. A scenario is JSON:

    {"seed": 7, "providers": {"wavespeed": {…}, "replicate": {…}, "fal": {…}}}

What a scenario leaves out has its default. A behaviour, with the defaults of WaveSpeed:

    {"limits": {"concurrent": null,       how many run at once; more wait in the vendor's queue
                "strict": false,          true: more are refused with 429 instead of waiting
                "per_minute": null,       submits in any sliding window; beyond that 429
                "window": 60,             the length of that window in seconds
                "queue": null,            how many may wait; beyond that 429
                "retry_after": "none"},   where a 429 gives the wait: "seconds", "date", "iso", "body", "none"
     "times": {"answer": 0,               seconds until the response to a submit
               "call": 0,                 until the response to any other call
               "cold_start": 0,           how long a cold model takes to start
               "duration": 0.5},          how long a prediction runs; null: until the control API ends it
     "cold": {"first": 0,                 this many first predictions of a model start cold
              "sleeps_after": null},      a model that was idle for so many seconds starts cold again
     "account": {"keys": null,            the accepted keys; null: any
                 "trouble": null},        "unauthorized", "no_credit" or "forbidden" for every call with a key
     "price": "0.30",                     US dollars per prediction
     "refunds": true,                     whether a failed prediction is refunded
     "cancel": "stops",                   "goes_on": a canceled prediction still runs to its end
     "fetch_photo": false,                true: load the photo as the vendor would, and fail without it
     "results": {"expire_after": 604800,  seconds until films are 404; null: never
                 "film_bytes": 0},        films are padded to this length
     "webhooks": {"retries": [1, 2, 4],   seconds before each retry of one that was not accepted
                  "timeout": 30,          seconds a receiver may take
                  "clock_skew": 0},       seconds that the vendor's clock is ahead
     "faults": {"submit": [{"fault": "busy", "probability": 0.1, "between": [0, 60], "seconds": 7}]}}

A time is a number, `{"fixed": 3}`, `{"uniform": [2, 5]}` or `{"lognormal": {"median": 20, "sigma": 0.5, "most": 90}}`.
Stages and faults are listed in `faults`. `between` is in seconds since the last reset. One random number chooses among
all faults of a stage that are in force, so their probabilities add up.

With the same seed the k-th prediction of a provider has the same outcome and the same times. Ids and secrets are always
random, because a product stores them for longer than a simulator runs.
"""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .faults import RETRY_AFTER_FORMS, TROUBLES, BadFault, StandingFault, read_standing

PROVIDERS = ("wavespeed", "replicate", "fal")

DEFAULTS: dict[str, Any] = {
    "limits": {
        "concurrent": None,
        "strict": False,
        "per_minute": None,
        "window": 60,
        "queue": None,
        "retry_after": "none",
    },
    "times": {"answer": 0, "call": 0, "cold_start": 0, "duration": 0.5},
    "cold": {"first": 0, "sleeps_after": None},
    "account": {"keys": None, "trouble": None},
    "price": "0.30",
    "refunds": True,
    "cancel": "stops",
    "fetch_photo": False,
    "results": {"expire_after": None, "film_bytes": 0},
    "webhooks": {"retries": [], "timeout": 30, "clock_skew": 0},
    "faults": {},
}
# Where a vendor differs from DEFAULTS.
OWN_DEFAULTS: dict[str, dict[str, Any]] = {
    "wavespeed": {
        "results": {"expire_after": 7 * 24 * 3600},
        "webhooks": {"retries": [1, 2, 4]},
    },
    "replicate": {
        "limits": {"retry_after": "body"},
        "refunds": False,
        "results": {"expire_after": 3600},
        # Only the final webhook is repeated, the last time about a minute after completion.
        "webhooks": {"retries": [1, 4, 15, 40], "timeout": 10},
    },
    "fal": {
        "price": "0.40",
        "webhooks": {"retries": [1, 2, 4, 8, 16, 32, 64, *([120] * 24)], "timeout": 15},
    },
}


class BadScenario(ValueError):
    """The scenario cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Times:
    """A distribution of times, in seconds."""

    kind: str
    values: tuple[float, ...]

    def draw(self, rng: random.Random) -> float:
        if self.kind == "fixed":
            return self.values[0]
        if self.kind == "uniform":
            return rng.uniform(*self.values)
        median, sigma, most = self.values
        return min(most, rng.lognormvariate(math.log(median), sigma))


@dataclass(frozen=True)
class Behaviour:
    """A validated behaviour. `as_json` is its JSON, including defaults."""

    concurrent: int | None
    strict: bool
    per_minute: int | None
    window: float
    queue: int | None
    retry_after: str
    answer: Times
    call: Times
    cold_start: Times
    duration: Times | None
    cold_first: int
    sleeps_after: float | None
    keys: frozenset[str] | None
    trouble: str | None
    price: Decimal
    refunds: bool
    cancel_stops: bool
    fetch_photo: bool
    expire_after: float | None
    film_bytes: int
    webhook_retries: tuple[float, ...]
    webhook_timeout: float
    clock_skew: float
    faults: Mapping[str, tuple[StandingFault, ...]]
    as_json: Mapping[str, Any]


def default_behaviour(provider: str) -> dict[str, Any]:
    """Return the default behaviour of a provider, as JSON."""
    return merged(DEFAULTS, OWN_DEFAULTS[provider])


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with the values of `new`; objects are merged, everything else is replaced."""
    result = copy.deepcopy(dict(old))
    for name, value in new.items():
        if isinstance(value, Mapping) and isinstance(result.get(name), Mapping) and name not in TIME_NAMES:
            result[name] = merged(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


TIME_NAMES = frozenset(DEFAULTS["times"])


def read_scenario(value: Any) -> tuple[int | None, dict[str, Mapping[str, Any]]]:
    """Return the seed, if any, and the behaviour of each provider in a scenario. Raise BadScenario."""
    scenario = _object(value, "the scenario")
    _known(scenario, ("seed", "providers"), "the scenario")
    seed = scenario.get("seed")
    if seed is not None and not _is_whole(seed):
        raise BadScenario("seed is a whole number.")
    providers = _object(scenario.get("providers", {}), "providers")
    _known(providers, PROVIDERS, "providers")
    return seed, {name: _object(behaviour, f"providers.{name}") for name, behaviour in providers.items()}


def read_behaviour(provider: str, value: Mapping[str, Any]) -> Behaviour:
    """Return a behaviour, defaults included. Raise BadScenario for the first error."""
    _known(value, DEFAULTS, "the behaviour")
    whole = merged(default_behaviour(provider), value)
    for name, default in DEFAULTS.items():
        if isinstance(default, Mapping) and name != "faults":
            _known(_object(whole[name], name), default, name)
    limits, times, cold, account = whole["limits"], whole["times"], whole["cold"], whole["account"]
    results, webhooks = whole["results"], whole["webhooks"]
    retries = webhooks["retries"]
    if not isinstance(retries, list):
        raise BadScenario("webhooks.retries is a list of seconds.")
    try:
        faults = read_standing(_object(whole["faults"], "faults"))
    except BadFault as error:
        raise BadScenario(str(error)) from error
    return Behaviour(
        concurrent=_count(limits["concurrent"], "limits.concurrent", least=1, optional=True),
        strict=_flag(limits["strict"], "limits.strict"),
        per_minute=_count(limits["per_minute"], "limits.per_minute", least=1, optional=True),
        window=_seconds(limits["window"], "limits.window"),
        queue=_count(limits["queue"], "limits.queue", least=0, optional=True),
        retry_after=_word(limits["retry_after"], "limits.retry_after", RETRY_AFTER_FORMS),
        answer=_times(times["answer"], "times.answer"),
        call=_times(times["call"], "times.call"),
        cold_start=_times(times["cold_start"], "times.cold_start"),
        duration=None if times["duration"] is None else _times(times["duration"], "times.duration"),
        cold_first=_count(cold["first"], "cold.first", least=0) or 0,
        sleeps_after=_optional_seconds(cold["sleeps_after"], "cold.sleeps_after"),
        keys=_keys(account["keys"]),
        trouble=None if account["trouble"] is None else _word(account["trouble"], "account.trouble", TROUBLES),
        price=_money(whole["price"]),
        refunds=_flag(whole["refunds"], "refunds"),
        cancel_stops=_word(whole["cancel"], "cancel", ("stops", "goes_on")) == "stops",
        fetch_photo=_flag(whole["fetch_photo"], "fetch_photo"),
        expire_after=_optional_seconds(results["expire_after"], "results.expire_after"),
        film_bytes=_count(results["film_bytes"], "results.film_bytes", least=0) or 0,
        webhook_retries=tuple(_seconds(pause, "webhooks.retries") for pause in retries),
        webhook_timeout=_seconds(webhooks["timeout"], "webhooks.timeout"),
        clock_skew=_number(webhooks["clock_skew"], "webhooks.clock_skew"),
        faults=faults,
        as_json=whole,
    )


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadScenario(f"{where} is a JSON object.")
    return value


def _known(value: Mapping[str, Any], names: Any, where: str) -> None:
    for name in value:
        if name not in names:
            raise BadScenario(f"{where} knows no “{name}”; it knows {', '.join(names)}.")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(value: Any, where: str, *, least: int, optional: bool = False) -> int | None:
    if value is None and optional:
        return None
    if not _is_whole(value) or value < least:
        raise BadScenario(f"{where} is a whole number, at least {least}{', or null' if optional else ''}.")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadScenario(f"{where} is true or false.")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadScenario(f"{where} is a number.")
    return float(value)


def _seconds(value: Any, where: str) -> float:
    seconds = _number(value, where)
    if seconds < 0:
        raise BadScenario(f"{where} is in seconds, at least 0.")
    return seconds


def _optional_seconds(value: Any, where: str) -> float | None:
    return None if value is None else _seconds(value, where)


def _word(value: Any, where: str, words: tuple[str, ...]) -> str:
    if value not in words:
        raise BadScenario(f"{where} is one of {', '.join(words)}.")
    return value


def _keys(value: Any) -> frozenset[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise BadScenario("account.keys is a list of texts, or null.")
    return frozenset(value)


def _money(value: Any) -> Decimal:
    try:
        money = Decimal(str(value))
    except InvalidOperation:
        money = Decimal(-1)
    if not money.is_finite() or money < 0:
        raise BadScenario("price is an amount of dollars, such as 0.30.")
    return money


def _times(value: Any, where: str) -> Times:
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, given),) = value.items()
        if kind == "fixed":
            return Times("fixed", (_seconds(given, where),))
        if kind == "uniform" and isinstance(given, list) and len(given) == 2:
            return Times("uniform", (_seconds(given[0], where), _seconds(given[1], where)))
        if kind == "lognormal" and isinstance(given, Mapping):
            _known(given, ("median", "sigma", "most"), where)
            median, sigma = _seconds(given.get("median"), where), _seconds(given.get("sigma", 0.5), where)
            if median > 0:
                return Times("lognormal", (median, sigma, _seconds(given.get("most", 3600), where)))
        raise BadScenario(f"{where}: a time is a number, fixed, uniform [from, to] or lognormal with a median.")
    return Times("fixed", (_seconds(value, where),))
