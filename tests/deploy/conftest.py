"""One installation for all tests of a file: starting fifteen processes takes half a minute of CPU."""

from collections.abc import Iterator

import pytest

from tests.deploy.installation import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("deploy") / "site") as running:
        yield running
