"""What the tests of `manage.py hero` share: a server that misbehaves on request, a photo, a place for the film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import factories
from tests.support.hero_server import HeroServer


@pytest.fixture
def server() -> Iterator[HeroServer]:
    with HeroServer() as running:
        yield running


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "me at the sea.jpg"
    path.write_bytes(factories.tiny_photo(1))
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    return folder / "hero.mp4"
