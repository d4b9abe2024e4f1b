"""The running product keeps what its OpenAPI document says, whatever schemathesis asks, also in sequences of calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.conformance import ALL_PHASES, conform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_few_examples_of_every_operation_find_nothing(caller: Caller, tmp_path: Path) -> None:
    verdict = conform(caller, tmp_path, each=5, seed=20261130, phases="fuzzing,stateful")
    assert not verdict.failures, verdict.failures
    assert verdict.examples > 50


@pytest.mark.thorough
@pytest.mark.timeout(1800)
def test_every_phase_finds_nothing(caller: Caller, tmp_path: Path) -> None:
    verdict = conform(caller, tmp_path, each=50, seed=1, phases=ALL_PHASES)
    assert not verdict.failures, verdict.failures
