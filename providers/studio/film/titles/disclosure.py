"""The sign that says at first sight that a program made this: "AI" in the upper left corner, from first to last frame.

It lies below the head-up display's words and below the bars that phones and their players lay over a film's upper edge;
no shot has a face or a title there. It is drawn last, on whatever a look does to its picture.
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.canvas import composite

from .lettering import HUD, text_mask

ACRONYM = "AI"  # as the code of practice for Art. 50 of the EU AI Act names it
LEFT, TOP, WIDTH, HEIGHT = 46, 134, 66, 42  # px
LETTERS = 31  # px
CORNER, LINE = 12, 2  # px
GROUND, RIM, INK = 125, 150, 235  # opacity of the dark ground, and of the white on it, of 255


def make_disclosure() -> np.ndarray:
    """Return the sign as a premultiplied BGRA layer of HEIGHT x WIDTH."""
    scale = 4  # drawn larger, for smooth corners
    ground = _rounded(scale, 0)
    rim = ground - _rounded(scale, LINE)
    letters = text_mask(ACRONYM, HUD, LETTERS)
    ink = np.zeros((HEIGHT, WIDTH), np.float32)
    top, left = (HEIGHT - letters.shape[0]) // 2, (WIDTH - letters.shape[1]) // 2
    ink[top : top + letters.shape[0], left : left + letters.shape[1]] = letters / 255.0
    white = np.maximum(rim * RIM, ink * INK)
    opacity = white + (255 - white) * ground * (GROUND / 255)
    return np.clip(np.dstack([white, white, white, opacity]) + 0.5, 0, 255).astype(np.uint8)


def lay_disclosure(picture: np.ndarray, sign: np.ndarray) -> None:
    """Draw the sign over a frame (BGRA), in place."""
    composite(picture[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH], sign)


def _rounded(scale: int, inset: int) -> np.ndarray:
    """Return how far a rectangle with round corners covers each pixel of the sign, 0 to 1 (float32)."""
    large = np.zeros((HEIGHT * scale, WIDTH * scale), np.uint8)
    radius, edge = (CORNER - inset) * scale, inset * scale
    right, bottom = WIDTH * scale - edge - 1, HEIGHT * scale - edge - 1
    cv2.rectangle(large, (edge + radius, edge), (right - radius, bottom), 255, -1)
    cv2.rectangle(large, (edge, edge + radius), (right, bottom - radius), 255, -1)
    for x in (edge + radius, right - radius):
        for y in (edge + radius, bottom - radius):
            cv2.circle(large, (x, y), radius, 255, -1)
    return (cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) / 255.0).astype(np.float32)
