"""Pictures and clips of the studio's size that cost little: edges, ramps and grain that move, as a street does."""

from __future__ import annotations

from functools import cache
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


@cache
def drawn_pictures(size: tuple[int, int] = (360, 640)) -> dict[str, np.ndarray]:
    """Return lumas of what programs draw, by name: few edges, many times the same, hardly any grain."""
    wide, high = size
    rows, columns = np.indices((high, wide))
    ramp = (16 + rows * 219 / high).astype(np.uint8)
    bars = ((high // 4, high // 4), (0, 0))
    page = np.full((high, wide), 255, np.uint8)
    page[high // 2, wide // 2] = 0
    letter = page.copy()
    for line in range(40, high, 40):
        cv2.putText(letter, "a letter, no picture", (8, line), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 0, 2, cv2.LINE_AA)
    pictures = {
        "a ramp": ramp,
        "a ramp between black bars": np.pad(ramp[high // 4 : -high // 4], bars),
        "half black, half white": (255 * (rows < high // 2)).astype(np.uint8),
        "one dot": page,
        "text": letter,
    }
    for step in (2, 3, 7, 16):
        pictures[f"stripes of {step}"] = (columns // step % 2 * 255).astype(np.uint8)
        pictures[f"squares of {step}"] = ((rows // step + columns // step) % 2 * 255).astype(np.uint8)
    return pictures
