"""Paints masks of letters onto the strip of a title, a premultiplied float32 BGRA layer of 0..255."""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.canvas import Colour, bgr
from providers.studio.film.title_styles import TitleStyle


def fill(letters: np.ndarray, style: TitleStyle) -> np.ndarray:
    """The letters' colour, row by row: from the capitals' top to their foot, per strip."""
    rows = np.flatnonzero(letters.max(axis=1) > 128)
    top, foot = (int(rows[0]), int(rows[-1])) if len(rows) else (0, 1)
    place = np.clip((np.arange(len(letters)) - top) / max(1, foot - top), 0, 1)
    stops = [stop for stop, _ in style.fill]
    colours = np.array([bgr(colour) for _, colour in style.fill])
    return np.stack([np.interp(place, stops, colours[:, channel]) for channel in range(3)], axis=1)[:, None]


def lay_colour(strip: np.ndarray, cover: np.ndarray, colour: np.ndarray) -> None:
    """Paint a colour where a 0..1 mask covers the strip."""
    cover = cover[..., None]
    strip[..., :3] = strip[..., :3] * (1 - cover) + colour * cover
    strip[..., 3:] = np.maximum(strip[..., 3:], cover * 255)


def shine_through(strip: np.ndarray, light: np.ndarray, colour: Colour, gain: float) -> None:
    """Add light (0..1) in a colour."""
    strip[..., :3] += light[..., None] * (bgr(colour) * gain)


def shifted(mask: np.ndarray, x: float, y: float) -> np.ndarray:
    """A mask moved by so many px; what leaves it is cut off."""
    return cv2.warpAffine(mask, np.array([[1, 0, x], [0, 1, y]], np.float32), mask.shape[1::-1])
