"""Digital glitches: separated colours, shifted lines, inverted blocks."""

from __future__ import annotations

import random

import cv2
import numpy as np

from .canvas import FRAME_HEIGHT, FRAME_WIDTH, Colour, scalar


def glitch(frame: np.ndarray, strength: float, dice: random.Random, colours: tuple[Colour, Colour]) -> np.ndarray:
    """Return a copy of a frame with glitches; strength 0..1."""
    broken = _torn(frame, int(4 + 26 * strength))
    for _ in range(int(3 + 12 * strength)):
        y, height = dice.randrange(FRAME_HEIGHT - 60), dice.randrange(4, max(5, int(12 + 80 * strength)))
        reach = int(10 + 130 * strength)
        broken[y : y + height] = np.roll(broken[y : y + height], dice.randrange(-reach, reach), 1)
        if dice.random() < 0.35:
            colour = colours[0] if dice.random() < 0.5 else colours[1]
            bar = broken[y : y + max(2, height // 5)]
            cv2.add(bar, scalar(colour, 0.5), bar)
    for _ in range(int(6 * strength)):
        y, x = dice.randrange(FRAME_HEIGHT - 50), dice.randrange(FRAME_WIDTH - 160)
        height, width = dice.randrange(6, 44), dice.randrange(40, 160)
        block = broken[y : y + height, x : x + width]
        block[...] = 255 - block
    if strength > 0.4:
        broken[::3] = cv2.convertScaleAbs(broken[::3], alpha=0.72)
    return broken


def glitch_strip(strip: np.ndarray, strength: float, dice: random.Random) -> np.ndarray:
    """Return a copy of a strip of a frame with glitches."""
    broken, reach = _torn(strip, int(2 + 16 * strength)), int(20 + 110 * strength)
    for _ in range(int(10 * strength) + 2):
        y, height = dice.randrange(strip.shape[0] - 20), dice.randrange(3, 26)
        broken[y : y + height] = np.roll(broken[y : y + height], dice.randrange(-reach, reach), 1)
    return broken


def _torn(picture: np.ndarray, distance: int) -> np.ndarray:
    """Shift red to the right and blue to the left."""
    torn = picture.copy()
    torn[:, distance:, 2] = picture[:, :-distance, 2]
    torn[:, :-distance, 0] = picture[:, distance:, 0]
    return torn
