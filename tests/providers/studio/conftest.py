"""Fixtures of the studio's picture tests: a photo and a warm renderer."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from providers.studio.film.render import Renderer

ASTRONAUT = Path(__file__).parents[2] / "photos" / "astronaut.jpg"


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    return ASTRONAUT.read_bytes()


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    threads = cv2.getNumThreads()
    yield Renderer()
    cv2.setNumThreads(threads)
