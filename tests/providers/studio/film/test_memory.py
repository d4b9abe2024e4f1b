from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from providers.studio.film import render
from providers.studio.film.canvas import composite
from providers.studio.film.looks import LOOKS
from providers.studio.film.memory import Scratch, keep_freed_memory
from providers.studio.film.render import Renderer


@pytest.fixture
def keeper(monkeypatch) -> Iterator[Renderer]:
    """A renderer of its own that keeps two looks."""
    monkeypatch.setattr(render, "KEPT_LOOKS", 2)
    threads = cv2.getNumThreads()
    yield Renderer()
    cv2.setNumThreads(threads)


def test_a_renderer_keeps_the_looks_that_were_used_last(keeper):
    one, two, three = list(LOOKS)[:3]
    city, suit = keeper.city(one), keeper.armour(one)
    keeper.city(two)
    assert keeper.city(one) is city  # used again: now the other one is older
    keeper.city(three)
    assert keeper.city(one) is city
    assert keeper.armour(one) is suit
    other = keeper.city(two)  # forgotten, and loaded again
    assert keeper.city(two) is other
    assert keeper.city(one) is not None
    keeper.city(three)
    keeper.city(two)
    assert keeper.city(one) is not city


def test_warming_up_loads_the_first_looks_and_forgets_none_of_them(keeper):
    keeper.warm_up(LOOKS, with_sounds=False)
    assert list(keeper._sets) == list(LOOKS)[:2]


def test_a_buffer_is_reused_until_another_shape_is_asked_for():
    scratch = Scratch()
    first = scratch.get("light", (4, 5))
    assert scratch.get("light", (4, 5)) is first
    assert scratch.get("light", (4, 6)) is not first
    assert scratch.get("light", (4, 6), np.float32).dtype == np.float32


def test_keeping_memory_can_be_asked_for_twice():
    keep_freed_memory()
    keep_freed_memory()


def test_layers_of_any_height_are_laid_over_with_the_same_scratch():
    scratch = Scratch()
    for height in (7, 3, 1400):
        below = np.full((height, 6, 4), 200, np.uint8)
        above = np.zeros((height, 6, 4), np.uint8)
        above[:, :3] = (10, 20, 30, 255)  # opaque on the left, clear on the right
        composite(below, above, scratch)
        assert below[:, :3, :3].tolist() == [[[10, 20, 30]] * 3] * height
        assert below[:, 3:, :3].tolist() == [[[200, 200, 200]] * 3] * height
