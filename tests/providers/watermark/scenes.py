"""Pictures and clips of the studio's size that cost little: edges, ramps and grain that move, as a street does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from providers.studio.film.canvas import FRAME_HEIGHT, FRAME_WIDTH
from providers.studio.film.encode import FilmWriter, encode_sound
from providers.types import Watermark
from providers.watermark.embed import Embedder

KEY, NUMBER = b"k" * 32, 0xC0FFEE42
FRAMES = 36
MOVED = 4  # pixels a frame, down and to the right


def scene(seed: int = 1, *, margin: int = 0) -> np.ndarray:
    """Return a BGR picture of a frame's size and a margin."""
    dice = np.random.default_rng(seed)
    high, wide = FRAME_HEIGHT + margin, FRAME_WIDTH + margin
    luma = np.add.outer(np.linspace(40, 120, high), np.linspace(0, 60, wide)).astype(np.float32)
    for _ in range(60):
        middle = int(dice.integers(0, wide)), int(dice.integers(0, high))
        cv2.circle(luma, middle, int(dice.integers(10, 120)), float(dice.integers(20, 235)), -1, cv2.LINE_AA)
    luma = np.clip(luma + dice.normal(0, 3, luma.shape), 0, 255).astype(np.uint8)
    return cv2.applyColorMap(luma, cv2.COLORMAP_BONE)


def write_clip(path: Path, watermark: Watermark | None) -> Path:
    """Write a second and a half of film as the studio does, and return its path."""
    world = cv2.cvtColor(scene(margin=FRAMES * MOVED), cv2.COLOR_BGR2BGRA)
    embedder = Embedder(watermark) if watermark is not None else None
    with FilmWriter(path, encode_sound(np.zeros((2, 44100 * 3 // 2), np.float32)), embedder) as writer:
        for number in range(FRAMES):
            at = number * MOVED
            writer.add(world[at : at + FRAME_HEIGHT, at : at + FRAME_WIDTH])
    return path
