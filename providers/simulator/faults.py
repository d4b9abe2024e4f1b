"""All faults by stage, and the choice of the next one.

Responses (stages `any`, `submit`, `fetch`, `list`, `cancel`, `delete`, `upload`, `secret`; a fault for a
particular stage goes before one for `any`):

| fault | what the caller sees | did the call take effect? |
| --- | --- | --- |
| `busy` (retry_after, seconds, value) | 429 in the vendor's format | no |
| `status` (status) | this status in the vendor's format | no |
| `account` (trouble) | 401, 402 or 403 in the vendor's format | no |
| `html` (status) | a gateway's page of HTML, 502 | no |
| `hang` (seconds) | nothing, until the caller or the timeout ends the connection | no |
| `lose_request` | the connection breaks | no |
| `lose_answer` | the connection breaks | yes |
| `garbage` | the status of a success, and half a JSON | yes |
| `drip` (seconds) | the right response, one byte at a time with a pause after each | yes |
| `slow` (seconds) | the right response, so much later | yes |
| `webhook_first` (`submit` only) | the prediction ends and its webhook is sent before the response | yes |
| `fine` | no fault, for `next` | yes |

`takes_effect` overrides the last column, unless the fault shows the response:
`{"fault": "status", "status": 500, "takes_effect": true}`.

The end of a prediction (`outcome`): `fail` (message), `refuse` (moderation; of: `photo`, `prompt`), `bad_photo`
(it could not be loaded), `abort` (the vendor gave up: WaveSpeed `timeout`, Replicate `aborted`, fal
`startup_timeout`), `stick` (runs for ever), `no_output` (succeeds with nothing), `output_url` (url: succeeds with this
address as film), `fine`.

Its webhooks (`webhook`): `lost`, `late` (seconds), `duplicated` (copies, all at once), `reordered` (Replicate: the
last event first; the others: after the next prediction's, or after so many seconds), `forged` (how: `wrong_secret`,
`unsigned`, `altered`, `stale`, `malformed`; genuine: whether the right one follows), `fine`.

Its film when it is downloaded (`film`): `html`, `garbage`, `empty`, `truncated`, `endless` (bytes_per_second),
`expired` (404), `redirect` (url), `status` (status), `drip` (seconds), `slow` (seconds), `hang` (seconds), `fine`.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RETRY_AFTER_FORMS = ("none", "seconds", "date", "iso", "body", "raw")
TROUBLES = ("unauthorized", "no_credit", "forbidden")
FORGERIES = ("wrong_secret", "unsigned", "altered", "stale", "malformed")

# Each fault's options with their defaults. An option has the type of its default.
_ANSWER_FAULTS: dict[str, dict[str, Any]] = {
    "fine": {},
    "busy": {"retry_after": "none", "seconds": 5, "value": ""},
    "status": {"status": 500},
    "account": {"trouble": "unauthorized"},
    "html": {"status": 502},
    "hang": {"seconds": 3600.0},
    "lose_request": {},
    "lose_answer": {},
    "garbage": {},
    "drip": {"seconds": 1.0},
    "slow": {"seconds": 5.0},
}
ANSWER_STAGES = ("submit", "fetch", "list", "cancel", "delete", "upload", "secret")
FAULTS: dict[str, dict[str, dict[str, Any]]] = {
    "any": _ANSWER_FAULTS,
    **dict.fromkeys(ANSWER_STAGES, _ANSWER_FAULTS),
    "submit": _ANSWER_FAULTS | {"webhook_first": {}},
    "outcome": {
        "fine": {},
        "fail": {"message": ""},
        "refuse": {"of": "photo"},
        "bad_photo": {},
        "abort": {},
        "stick": {},
        "no_output": {},
        "output_url": {"url": ""},
    },
    "webhook": {
        "fine": {},
        "lost": {},
        "late": {"seconds": 5.0},
        "duplicated": {"copies": 10},
        "reordered": {"seconds": 2.0},
        "forged": {"how": "wrong_secret", "genuine": True},
    },
    "film": {
        "fine": {},
        "html": {},
        "garbage": {},
        "empty": {},
        "truncated": {},
        "endless": {"bytes_per_second": 10_000_000},
        "expired": {},
        "redirect": {"url": ""},
        "status": {"status": 500},
        "drip": {"seconds": 1.0},
        "slow": {"seconds": 5.0},
        "hang": {"seconds": 3600.0},
    },
}
_WORDS = {"retry_after": RETRY_AFTER_FORMS, "trouble": TROUBLES, "how": FORGERIES, "of": ("photo", "prompt")}
_NEEDED = {"url"}
_WITHOUT_EFFECT = frozenset({"busy", "status", "account", "html", "hang", "lose_request"})
_NEED_EFFECT = frozenset({"fine", "garbage", "drip", "slow", "webhook_first"})  # they show the response


class BadFault(ValueError):
    """A fault cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Fault:
    """One fault, with all its options."""

    name: str
    options: Mapping[str, Any]
    takes_effect: bool = True

    def __getitem__(self, option: str) -> Any:
        return self.options[option]


@dataclass(frozen=True)
class StandingFault:
    """A fault with a probability, between two times in seconds since the last reset."""

    fault: Fault
    probability: float
    starts: float
    ends: float


def read_fault(stage: str, value: Any, where: str = "fault") -> Fault:
    """Return the fault of `{"fault": name, option: …}`, or of a bare name, at a stage. Raise BadFault."""
    given = {"fault": value} if isinstance(value, str) else value
    check_stage(stage)
    if not isinstance(given, Mapping):
        raise BadFault(f"{where} is a fault's name, or an object with “fault” in it.")
    name = given.get("fault")
    if not isinstance(name, str) or name not in FAULTS[stage]:
        raise BadFault(f"{where}: at {stage} there is no fault “{name}”; there are {', '.join(FAULTS[stage])}.")
    defaults = FAULTS[stage][name]
    options = dict(defaults)
    for option, choice in given.items():
        if option in ("fault", "takes_effect"):
            continue
        if option not in defaults:
            known = ", ".join(defaults) or "none"
            raise BadFault(f"{where}: {name} has no option “{option}”; its options: {known}.")
        options[option] = _read_option(option, choice, defaults[option], where)
    for option in _NEEDED & set(options):
        if not options[option]:
            raise BadFault(f"{where}: {name} needs “{option}”.")
    takes_effect = given.get("takes_effect", name not in _WITHOUT_EFFECT)
    if not isinstance(takes_effect, bool):
        raise BadFault(f"{where}: takes_effect is true or false.")
    if not takes_effect and name in _NEED_EFFECT:
        raise BadFault(f"{where}: {name} shows the answer to a call that took effect.")
    return Fault(name, options, takes_effect)


def check_stage(stage: str) -> None:
    if stage not in FAULTS:
        raise BadFault(f"There is no stage “{stage}”; there are {', '.join(FAULTS)}.")


def _read_option(option: str, choice: Any, default: Any, where: str) -> Any:
    if option in _WORDS:
        if choice not in _WORDS[option]:
            raise BadFault(f"{where}: {option} is one of {', '.join(_WORDS[option])}.")
        return choice
    if isinstance(default, bool) or isinstance(choice, bool):
        fits = isinstance(default, bool) and isinstance(choice, bool)
    elif isinstance(default, str):
        fits = isinstance(choice, str)
    elif isinstance(default, float):
        fits = isinstance(choice, int | float) and choice >= 0
    else:
        fits = isinstance(choice, int) and choice >= 0
    if not fits:
        raise BadFault(f"{where}: {option} does not go with {choice!r}.")
    return choice


def read_standing(value: Mapping[str, Any]) -> dict[str, tuple[StandingFault, ...]]:
    """Return the standing faults of a behaviour, by stage."""
    return {stage: _read_stage(stage, faults) for stage, faults in value.items()}


def _read_stage(stage: str, faults: Any) -> tuple[StandingFault, ...]:
    check_stage(stage)
    where = f"faults.{stage}"
    if not isinstance(faults, list):
        raise BadFault(f"{where} is a list.")
    standing = []
    for given in faults:
        own = dict(given) if isinstance(given, Mapping) else {"fault": given}
        probability, between = own.pop("probability", 1), own.pop("between", [0, float("inf")])
        if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise BadFault(f"{where}: a probability is a number from 0 to 1.")
        try:
            starts, ends = (float(moment) for moment in between)
        except (TypeError, ValueError):
            raise BadFault(f"{where}: between is two numbers of seconds.") from None
        standing.append(StandingFault(read_fault(stage, own, where), float(probability), starts, ends))
    return tuple(standing)


class FaultSelector:
    """Chooses the faults of one provider: scripted ones first, then by probability."""

    def __init__(self) -> None:
        self.scripted: dict[str, deque[Fault]] = {}
        self.happened: Counter[str] = Counter()

    def script(self, stage: str, fault: Fault, times: int) -> None:
        """Append a fault to the scripted ones of a stage, so many times."""
        self.scripted.setdefault(stage, deque()).extend([fault] * times)

    def choose(
        self,
        stage: str,
        standing: Mapping[str, tuple[StandingFault, ...]],
        *,
        rng: random.Random,
        age: float,
    ) -> Fault | None:
        """Return the fault that happens now at a stage, if any. `age` is in seconds since the last reset."""
        stages = (stage, "any") if stage in ANSWER_STAGES else (stage,)
        for name in stages:
            waiting = self.scripted.get(name)
            if waiting:
                return self._note(stage, waiting.popleft())
        for name in stages:
            faults = standing.get(name)
            if not faults:
                continue
            throw = rng.random()
            for one in faults:
                if not one.starts <= age < one.ends:
                    continue
                if throw < one.probability:
                    return self._note(stage, one.fault)
                throw -= one.probability
        return None

    def _note(self, stage: str, fault: Fault) -> Fault | None:
        if fault.name == "fine":
            return None
        self.happened[f"{stage}.{fault.name}"] += 1
        return fault
