"""The real product and a real browser, started once for all journeys of a file or of all files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import running_browser
from tests.support.product import QUICK, Product
from tests.support.rig import Rig

PHOTO = Path(__file__).resolve().parents[1] / "photos" / "astronaut.jpg"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with Product(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture(scope="package")
def quick_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product with a studio whose films are tiny, for journeys whose subject is not what is on the film."""
    with Product(tmp_path_factory.mktemp("quick"), QUICK) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """One Chromium that draws what a newcomer's does."""
    with running_browser(webgl=True) as running:
        yield running


@pytest.fixture
def rig(tmp_path: Path, django_db_blocker) -> Iterator[Rig]:
    """The product's processes one by one, against the simulator, on the database that this pass is about."""
    with django_db_blocker.unblock(), Rig(tmp_path, database_url=os.environ.get("DATABASE_URL", "")) as running:
        yield running
