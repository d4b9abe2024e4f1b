"""The control API, below `/control/`, with which a test reads and changes a running simulator.

| call | what it does |
| --- | --- |
| `GET /control/state` | per provider: open predictions, maxima, counters, charges and faults so far |
| `GET /control/ledger` | the same, and every submission; `?provider=`, `?since=` (number), `?fields=a,b`, `?window=` |
| `GET /control/webhooks` | all webhooks sent, with the receiver's status; `?provider=`, `?reference=`, `?prediction=` |
| `PUT`, `POST /control/scenario` | replace or extend the behaviour of all providers; a reset returns to the last PUT |
| `GET /control/{provider}` | its behaviour, including defaults |
| `PUT /control/{provider}` | replace its behaviour; what is left out becomes the default |
| `POST /control/{provider}` | change parts of its behaviour |
| `POST /control/{provider}/next` | script faults: `{"stage": "submit", "times": 2, "fault": "busy", "seconds": 7}` |
| `DELETE /control/{provider}/next` | drop all scripted faults |
| `POST /control/{provider}/finish` | end one now: `{"prediction": id or reference, "outcome": {…}}`; outcome optional |
| `POST /control/{provider}/secret` | sign webhooks with a new secret from now on, or with `{"secret": …}` |
| `GET /control/{provider}/secret` | the secret |
| `POST /control/reset` | forget everything that happened; `{"seed": 7}` sets another seed |

Errors are `{"error": message}` with 400 or 404. There is no authentication: listen on the loopback address only.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from . import signing
from .behaviour import PROVIDERS, BadScenario
from .calls import BadBody, Call
from .faults import BadFault, read_fault
from .ledger import FIELDS
from .responses import SimulatedResponse, json_response
from .simulator import Simulator
from .vendor import Vendor

DEFAULT_FIELDS = tuple(field for field in FIELDS if field not in ("input", "photo"))


async def respond(simulator: Simulator, call: Call) -> SimulatedResponse:
    """Return the response to a call; a rejected call gets 400 with a message."""
    try:
        return await _respond(simulator, call)
    except BadBody as error:
        return json_response({"error": f"The body is {error}."}, 400)
    except (BadScenario, BadFault) as error:
        return json_response({"error": str(error)}, 400)


async def _respond(simulator: Simulator, call: Call) -> SimulatedResponse:
    match call.method, call.parts:
        case "GET", [] | ["state"]:
            return json_response(state(simulator, call))
        case "GET", ["ledger"]:
            return ledger(simulator, call)
        case "GET", ["webhooks"]:
            return webhooks(simulator, call)
        case (("PUT" | "POST"), ["scenario"]):
            replace = call.method == "PUT"
            simulator.apply_scenario(call.json(), replace=replace)
            if replace:
                simulator.scenario = call.json()
            return json_response({"ok": True})
        case "POST", ["reset"]:
            seed = call.json().get("seed")
            if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
                raise BadScenario("seed is a whole number.")
            await simulator.reset(seed=seed)
            return json_response({"ok": True, "seed": simulator.context.seed})
        case _, [provider, *rest] if provider in simulator.vendors:
            return of_provider(simulator, simulator.vendors[provider], call, rest)
    return json_response({"error": "There is no such call."}, 404)


def of_provider(simulator: Simulator, vendor: Vendor, call: Call, rest: list[str]) -> SimulatedResponse:
    match call.method, rest:
        case "GET", []:
            return json_response(vendor.behaviour.as_json)
        case (("PUT" | "POST"), []):
            vendor.set_behaviour(call.json(), replace=call.method == "PUT")
            return json_response(vendor.behaviour.as_json)
        case "POST", ["next"]:
            script(vendor, call.json())
            return json_response({"ok": True})
        case "DELETE", ["next"]:
            vendor.faults.scripted.clear()
            return json_response({"ok": True})
        case "POST", ["finish"]:
            return finish(vendor, call.json())
        case "POST", ["secret"]:
            vendor.rotate_secret(str(call.json().get("secret") or signing.new_secret(vendor.name)))
            return json_response({"secret": vendor.secret})
        case "GET", ["secret"]:
            return json_response({"secret": vendor.secret})
    return json_response({"error": "There is no such call."}, 404)


def script(vendor: Vendor, wanted: dict[str, Any]) -> None:
    stage, times = wanted.pop("stage", None), wanted.pop("times", 1)
    if not isinstance(stage, str):
        raise BadFault("“stage” says where the fault happens.")
    if isinstance(times, bool) or not isinstance(times, int) or times < 1:
        raise BadFault("“times” is a whole number, at least 1.")
    vendor.faults.script(stage, read_fault(stage, wanted), times)


def finish(vendor: Vendor, wanted: dict[str, Any]) -> SimulatedResponse:
    prediction = vendor.find_by_name(str(wanted.get("prediction", "")))
    if prediction is None:
        return json_response({"error": "There is no such prediction."}, 404)
    if "outcome" in wanted:
        prediction.outcome = read_fault("outcome", wanted["outcome"])
    return json_response({"ok": vendor.fleet.finish(prediction), "prediction": prediction.id})


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
        **simulator.context.ledger.summary(vendor.name, window=vendor.behaviour.window if window is None else window),
    }


def state(simulator: Simulator, call: Call) -> dict[str, Any]:
    window = number(call, "window")
    return {
        "seed": simulator.context.seed,
        "age": round(simulator.context.age, 3),
        "providers": {vendor.name: summary(simulator, vendor, window) for vendor in simulator.vendors.values()},
    }


def number(call: Call, name: str) -> float | None:
    """Return a number from the query, None when it is missing. Raise BadScenario."""
    if name not in call.query:
        return None
    try:
        return float(call.query[name])
    except ValueError:
        raise BadScenario(f"{name} is a number.") from None


def ledger(simulator: Simulator, call: Call) -> SimulatedResponse:
    fields = tuple(call.query["fields"].split(",")) if "fields" in call.query else DEFAULT_FIELDS
    unknown = [field for field in fields if field not in FIELDS]
    if unknown:
        raise BadScenario(f"There is no field “{unknown[0]}”; there are {', '.join(FIELDS)}.")
    provider, since = call.query.get("provider"), number(call, "since") or 0
    if provider is not None and provider not in PROVIDERS:
        raise BadScenario(f"There is no provider “{provider}”.")
    entries = [
        entry.as_json(fields)
        for entry in simulator.context.ledger.entries
        if entry.number > since and provider in (None, entry.provider)
    ]
    return json_response({**state(simulator, call), "entries": entries})


def webhooks(simulator: Simulator, call: Call) -> SimulatedResponse:
    wanted = {
        field: call.query[name]
        for name, field in (("provider", "provider"), ("reference", "reference"), ("prediction", "prediction_id"))
        if name in call.query
    }
    found = [
        asdict(sent)
        for sent in simulator.context.ledger.webhooks
        if all(getattr(sent, field) == value for field, value in wanted.items())
    ]
    return json_response({"webhooks": found})
