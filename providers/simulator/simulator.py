"""The simulator without its HTTP server: three vendors that share a `Context` and follow one scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import signing
from .behaviour import BadScenario, read_behaviour, read_scenario
from .context import Context
from .fal import Fal
from .replicate import Replicate
from .vendor import Vendor
from .wavespeed import WaveSpeed


class Simulator:
    """All vendors, and the scenario that a reset returns to."""

    def __init__(self, scenario: Any = None, *, seed: int | None = None, secrets: Path | None = None):
        self.scenario: Any = {} if scenario is None else scenario
        self.fixed_seed = seed  # goes before the scenario's seed
        self.context = Context(seed or 0)
        stored = signing.load_or_create(secrets)
        self.vendors: dict[str, Vendor] = {
            kind.name: kind(self.context, stored[kind.name]) for kind in (WaveSpeed, Replicate, Fal)
        }
        self.apply_scenario(self.scenario, replace=True)

    def apply_scenario(self, scenario: Any, *, replace: bool) -> None:
        """Set the behaviour of every provider in a scenario. Raise BadScenario, and change nothing, when it is wrong.

        With `replace` a provider that is not in the scenario gets its default behaviour.
        """
        seed, providers = read_scenario(scenario)
        for name, behaviour in providers.items():
            try:
                read_behaviour(name, behaviour)
            except BadScenario as error:
                raise BadScenario(f"{name}: {error}") from error
        if self.fixed_seed is None and seed is not None:
            self.context.seed = seed
        for name, vendor in self.vendors.items():
            if replace or name in providers:
                vendor.set_behaviour(providers.get(name, {}), replace=replace)

    async def reset(self, *, seed: int | None = None) -> None:
        """Forget all that happened and all scripted faults, and return to the first scenario."""
        if seed is not None:
            self.context.seed = self.fixed_seed = seed
        await self.context.reset()
        for vendor in self.vendors.values():
            vendor.reset()
        self.apply_scenario(self.scenario, replace=True)

    async def close(self) -> None:
        for vendor in self.vendors.values():
            vendor.fleet.close()
        await self.context.webhooks.close()
