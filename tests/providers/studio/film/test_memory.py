from __future__ import annotations

import numpy as np

from providers.studio.film.canvas import composite
from providers.studio.film.memory import Scratch, keep_freed_memory


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
