"""The control API, below `/control/`: what a test asks and says while the simulator runs.

| call | what it does |
| --- | --- |
| `GET /control/state` | per provider: what runs now, the maxima, counters, charges, faults that happened |
| `GET /control/ledger` | the same, and every creation; `?provider=`, `?since=` (number), `?fields=a,b`, `?window=` |
| `GET /control/webhooks` | every webhook that was sent, with its answer; `?provider=`, `?reference=`, `?prediction=` |
| `PUT`, `POST /control/scenario` | replace, or add to, what all providers do; a PUT is what a reset returns to |
| `GET /control/{provider}` | its behaviour, with every default |
| `PUT /control/{provider}` | behave like this and otherwise by default |
| `POST /control/{provider}` | change only this |
| `POST /control/{provider}/next` | `{"stage": "submit", "times": 2, "fault": "busy", "seconds": 7}`: the next two |
| `DELETE /control/{provider}/next` | forget what was scripted so |
| `POST /control/{provider}/finish` | `{"prediction": id or reference, "outcome": {…}}`: end it now; outcome optional |
| `POST /control/{provider}/secret` | sign webhooks with a new secret from now on, or with `{"secret": …}` |
| `GET /control/{provider}/secret` | the secret |
| `POST /control/reset` | forget everything that happened; `{"seed": 7}` |

Errors are `{"error": sentence}` with 400 or 404. Nobody is asked for a key: listen on the loopback only.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from . import signing
from .behaviour import PROVIDERS, BadScenario
from .calls import Answer, BadBody, Call, json_answer
from .faults import BadFault, read_fault
from .ledger import FIELDS

if TYPE_CHECKING:
    from .simulator import Simulator
    from .vendor import Vendor

DEFAULT_FIELDS = tuple(field for field in FIELDS if field not in ("input", "photo"))


async def answer(simulator: Simulator, call: Call) -> Answer:
    """Return what the control API answers; every refusal is a sentence."""
    try:
        return await _answer(simulator, call)
    except BadBody as error:
        return json_answer({"error": f"The body is {error}."}, 400)
    except (BadScenario, BadFault) as error:
        return json_answer({"error": str(error)}, 400)


async def _answer(simulator: Simulator, call: Call) -> Answer:
    match call.method, call.parts:
        case "GET", [] | ["state"]:
            return json_answer(state(simulator, call))
        case "GET", ["ledger"]:
            return ledger(simulator, call)
        case "GET", ["webhooks"]:
            return webhooks(simulator, call)
        case (("PUT" | "POST"), ["scenario"]):
            replace = call.method == "PUT"
            simulator.follow(call.json(), replace=replace)
            if replace:
                simulator.scenario = call.json()
            return json_answer({"ok": True})
        case "POST", ["reset"]:
            seed = call.json().get("seed")
            if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
                raise BadScenario("seed is a whole number.")
            await simulator.reset(seed=seed)
            return json_answer({"ok": True, "seed": simulator.seed})
        case _, [provider, *rest] if provider in simulator.vendors:
            return of_provider(simulator, simulator.vendors[provider], call, rest)
    return json_answer({"error": "There is no such call."}, 404)


def of_provider(simulator: Simulator, vendor: Vendor, call: Call, rest: list[str]) -> Answer:
    match call.method, rest:
        case "GET", []:
            return json_answer(vendor.behaviour.as_json)
        case (("PUT" | "POST"), []):
            vendor.behave(call.json(), replace=call.method == "PUT")
            return json_answer(vendor.behaviour.as_json)
        case "POST", ["next"]:
            script(vendor, call.json())
            return json_answer({"ok": True})
        case "DELETE", ["next"]:
            vendor.faults.scripted.clear()
            return json_answer({"ok": True})
        case "POST", ["finish"]:
            return finish(vendor, call.json())
        case "POST", ["secret"]:
            vendor.rotate_secret(str(call.json().get("secret") or signing.new_secret(vendor.name)))
            return json_answer({"secret": vendor.secret})
        case "GET", ["secret"]:
            return json_answer({"secret": vendor.secret})
    return json_answer({"error": "There is no such call."}, 404)


def script(vendor: Vendor, wanted: dict[str, Any]) -> None:
    stage, times = wanted.pop("stage", None), wanted.pop("times", 1)
    if not isinstance(stage, str):
        raise BadFault("“stage” says where the fault happens.")
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise BadFault("“times” is a whole number, at least 1.")
    vendor.faults.script(stage, read_fault(stage, wanted), times)


def finish(vendor: Vendor, wanted: dict[str, Any]) -> Answer:
    prediction = vendor.find_by_name(str(wanted.get("prediction", "")))
    if prediction is None:
        return json_answer({"error": "There is no such prediction."}, 404)
    if "outcome" in wanted:
        prediction.fate = read_fault("outcome", wanted["outcome"])
    return json_answer({"ok": vendor.fleet.finish(prediction), "prediction": prediction.id})


def summary(simulator: Simulator, vendor: Vendor, window: float | None) -> dict[str, Any]:
    fleet = vendor.fleet
    return {
        "open": fleet.open,
        "running": fleet.running,
        "waiting": len(fleet.waiting),
        "most_open": fleet.most_open,
        "most_running": fleet.most_running,
        "ended": dict(fleet.ended),
        "faults": dict(vendor.faults.happened),
        "scripted": {stage: len(faults) for stage, faults in vendor.faults.scripted.items() if faults},
        **simulator.ledger.summary(vendor.name, window=vendor.behaviour.window if window is None else window),
    }


def state(simulator: Simulator, call: Call) -> dict[str, Any]:
    window = number(call, "window")
    return {
        "seed": simulator.seed,
        "age": round(time.monotonic() - simulator.reset_at, 3),
        "providers": {vendor.name: summary(simulator, vendor, window) for vendor in simulator.vendors.values()},
    }


def number(call: Call, name: str) -> float | None:
    """Return a number of the query, None when it is not there."""
    if name not in call.query:
        return None
    try:
        return float(call.query[name])
    except ValueError:
        raise BadScenario(f"{name} is a number.") from None


def ledger(simulator: Simulator, call: Call) -> Answer:
    fields = tuple(call.query["fields"].split(",")) if "fields" in call.query else DEFAULT_FIELDS
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        raise BadScenario(f"There is no field “{unknown[0]}”; there are {', '.join(FIELDS)}.")
    provider, since = call.query.get("provider"), number(call, "since") or 0
    if provider is not None and provider not in PROVIDERS:
        raise BadScenario(f"There is no provider “{provider}”.")
    entries = [
        entry.as_json(fields)
        for entry in simulator.ledger.entries
        if entry.number > since and provider in (None, entry.provider)
    ]
    return json_answer({**state(simulator, call), "entries": entries})


def webhooks(simulator: Simulator, call: Call) -> Answer:
    wanted = {
        field: call.query[name]
        for name, field in (("provider", "provider"), ("reference", "reference"), ("prediction", "prediction_id"))
        if name in call.query
    }
    found = [
        asdict(sent)
        for sent in simulator.ledger.webhooks
        if all(getattr(sent, field) == value for field, value in wanted.items())
    ]
    return json_answer({"webhooks": found})
