"""One simulator for all tests of this folder; each begins with a reset."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.simulator import Caller, Listener, RunningSimulator, running_simulator

# Without delays, unless a test sets some.
QUICK = {"providers": {name: {"times": {"duration": 0}} for name in ("wavespeed", "replicate", "fal")}}


@pytest.fixture(scope="package")
def the_simulator() -> Iterator[RunningSimulator]:
    with running_simulator(QUICK) as simulator:
        yield simulator


@pytest.fixture
def simulator(the_simulator: RunningSimulator) -> RunningSimulator:
    the_simulator.control("PUT", "scenario", QUICK)
    the_simulator.reset(seed=1)
    return the_simulator


@pytest.fixture(params=["wavespeed", "replicate", "fal"])
def caller(request: pytest.FixtureRequest, simulator: RunningSimulator) -> Caller:
    """A caller of each provider in turn."""
    return Caller(simulator.url, request.param)


@pytest.fixture
def caller_of(simulator: RunningSimulator) -> Callable[[str], Caller]:
    return lambda provider: Caller(simulator.url, provider)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener
