"""Adds a watermark to frames: a keyed pattern, stronger where the picture is busy and weaker where it is dark.

embedder = Embedder(watermark)        # once a film
embedder.add(luma)                    # every frame's Y plane, in place
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.types import Watermark

from .code import encode
from .grid import grid_of
from .sizes import HIGH, WIDE

# Levels of luma, of 255: in even places, and at most, where the picture is busy.
LEAST, MOST = 1.4, 5.5
PER_ACTIVITY = 0.6  # more levels for each level by which the picture differs from its surroundings
# From this luma down to the other it fades to a share: in the dark, noise is what eyes find first.
DIM, DARK, LEFT_IN_DARK = 34.0, 14.0, 0.15


class Embedder:
    """One number's watermark, ready to be added to many frames."""

    def __init__(self, watermark: Watermark) -> None:
        grid = grid_of(watermark.key)
        signs = encode(watermark.number).astype(np.float32) * 2 - 1
        cells = grid.pilot + grid.carriers * signs[np.maximum(grid.bit_of, 0)]
        # A pattern without broad swings is harder to see, and whoever looks for it drops them anyway.
        cells = cells - cv2.blur(cells, (3, 3))
        self._cells = (cells / cells.std()).astype(np.float32)

    def add(self, luma: np.ndarray) -> None:
        """Add it in place to the Y plane of a frame: uint8 of limited range (16 to 235), upright, about 9:16."""
        # Bytes that wrap around: within the limited range nothing does, as no level reaches 16.
        np.add(luma, self._shifted(luma), out=luma)
        np.bitwise_xor(luma, 128, out=luma)

    def added_to(self, picture: np.ndarray) -> np.ndarray:
        """Return a BGR picture (height x width x 3, uint8) with it."""
        luma, red, blue = cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb))
        luma = np.clip(luma.astype(np.int16) + self._shifted(luma) - 128, 0, 255).astype(np.uint8)
        return cv2.cvtColor(cv2.merge([luma, red, blue]), cv2.COLOR_YCrCb2BGR)

    def _shifted(self, luma: np.ndarray) -> np.ndarray:
        """Return what to add to a plane, and 128 (uint8)."""
        # Halved first: OpenCV has a fast way for that, and none for a quarter.
        small = cv2.resize(luma, (2 * WIDE, 2 * HIGH), interpolation=cv2.INTER_AREA)
        small = cv2.resize(small, (WIDE, HIGH), interpolation=cv2.INTER_AREA).astype(np.float32)
        activity = cv2.blur(cv2.absdiff(small, cv2.blur(small, (3, 3))), (3, 3))
        levels = np.minimum(activity * PER_ACTIVITY + LEAST, MOST)
        levels *= np.clip((small - DARK) / (DIM - DARK), LEFT_IN_DARK, 1)
        cells = np.clip(self._cells * levels, -15, 15)
        return cv2.resize((cells + 128.5).astype(np.uint8), luma.shape[::-1], interpolation=cv2.INTER_LINEAR)
