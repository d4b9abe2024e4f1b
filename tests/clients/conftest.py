"""One product for all that calls it as programs do."""

from collections.abc import Iterator

import pytest

from tests.clients.caller import Caller, running_product


@pytest.fixture(scope="package")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with running_product(tmp_path_factory.mktemp("called")) as running:
        yield running
