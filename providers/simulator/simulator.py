"""Three vendors, one ledger, one messenger: the simulator without its HTTP server."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import signing
from .behaviour import BadScenario, read_behaviour, read_scenario
from .calls import Answer, retry_after_headers
from .fal import Fal
from .faults import read_fault
from .film import make_film, sign_film
from .ledger import Ledger
from .outgoing import NoAnswer
from .predictions import Prediction, State
from .replicate import Replicate
from .vendor import Vendor
from .wavespeed import WaveSpeed
from .webhooks import Messenger

PHOTO_SECONDS = 15.0
MAX_PHOTO_BYTES = 50 * 2**20


class Simulator:
    """Everything that a reset forgets, and the little that it keeps."""

    def __init__(self, scenario: Any = None, *, seed: int | None = None, secrets: Path | None = None):
        self.film = make_film()
        self.scenario: Any = {} if scenario is None else scenario
        self.seed = seed or 0
        self.given_seed = seed
        self.reset_at = time.monotonic()
        self.ledger = Ledger()
        self.messenger = Messenger(self.ledger)
        kept = signing.load_or_create(secrets)
        self.vendors: dict[str, Vendor] = {
            kind.name: kind(self, kept[kind.name]) for kind in (WaveSpeed, Replicate, Fal)
        }
        self.follow(self.scenario, replace=True)

    def follow(self, scenario: Any, *, replace: bool) -> None:
        """Let every provider do what the scenario says. Raise BadScenario, and change nothing, when it cannot be read.

        With `replace` a provider that is not in it behaves as if nobody had said anything.
        """
        seed, providers = read_scenario(scenario)
        for name, given in providers.items():
            try:
                read_behaviour(name, given)
            except BadScenario as error:
                raise BadScenario(f"{name}: {error}") from error
        if self.given_seed is None and seed is not None:
            self.seed = seed
        for name, vendor in self.vendors.items():
            if replace or name in providers:
                vendor.behave(providers.get(name, {}), replace=replace)

    async def reset(self, *, seed: int | None = None) -> None:
        """Forget all that happened and all that was scripted, and begin the first scenario again."""
        await self.messenger.forget()
        if seed is not None:
            self.seed = self.given_seed = seed
        self.ledger = self.messenger.ledger = Ledger()
        self.reset_at = time.monotonic()
        for vendor in self.vendors.values():
            vendor.reset()
        self.follow(self.scenario, replace=True)

    async def close(self) -> None:
        for vendor in self.vendors.values():
            vendor.fleet.close()
        await self.messenger.close()

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after so many seconds, unless a reset comes before."""
        self.messenger.later(seconds, act)

    def film_of(self, vendor: Vendor, prediction: Prediction) -> bytes:
        """Return the film of a prediction: no two are the same."""
        name = f"{vendor.name}:{prediction.id}"
        return sign_film(self.film, name, at_least=vendor.behaviour.film_bytes)

    def busy_answer(self, vendor: Vendor, form: str, seconds: float, value: str = "") -> Answer:
        """Return a vendor's 429 that says in this form when to come again."""
        answer = vendor.busy(seconds, in_body=form == "body")
        answer.headers |= retry_after_headers(form, seconds, value)
        return answer

    def load_photo(self, vendor: Vendor, prediction: Prediction, url: str) -> None:
        """Load the photo of a prediction as its vendor would; without one the prediction fails."""
        self.messenger.start(self._load_photo(vendor, prediction, url))

    async def _load_photo(self, vendor: Vendor, prediction: Prediction, url: str) -> None:
        content, facts = b"", {"status": 0}
        if (stored := vendor.stored(url)) is not None:
            content, facts["status"] = stored.content, 200
        elif url.startswith("data:"):
            with contextlib.suppress(ValueError, binascii.Error):
                content = base64.b64decode(url.partition(",")[2], validate=True)
                facts["status"] = 200
        else:
            with contextlib.suppress(NoAnswer):
                outgoing = self.messenger.outgoing
                reply = await outgoing.call("GET", url, seconds=PHOTO_SECONDS, max_bytes=MAX_PHOTO_BYTES)
                content, facts["status"] = reply.body, reply.status
        facts |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        entry = self.ledger.by_prediction.get(prediction.id)
        if entry is not None:
            entry.photo = facts
        if facts["status"] != 200 or not content:
            prediction.fate = read_fault("outcome", "bad_photo")
            vendor.fleet.end(prediction, State.FAILED)
