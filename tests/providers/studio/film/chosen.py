"""Which looks a test runs on.

One look of the night, the light one and the one without a visor differ in what most promises depend on. The others
repeat them, in `make test-all`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from providers.studio.film.looks import LOOKS

DIFFERENT = ("neon-noir", "daybreak", "dust-nomad")
EVERY_LOOK = [slug if slug in DIFFERENT else pytest.param(slug, marks=pytest.mark.thorough) for slug in LOOKS]


class Made(dict):
    """What a test needs of each look, made when it first asks for it."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        self[key] = self._make(key)
        return self[key]
