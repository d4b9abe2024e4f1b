"""The closing mark: the product's name, and a note to whoever is shown the film: what it was made from."""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.canvas import FRAME_WIDTH, bgr, blur, composite, smoothstep, to_unit
from providers.studio.film.looks import Look

from .lettering import LINE, TITLE, text_mask

WORDMARK, NOTE = "SELFIE HERO", "MADE FROM ONE SELFIE. YOUR TURN"
MARK_TOP, MARK_HEIGHT = 1146, 104  # px
EMBLEM = 76  # px
WHITE = (246, 250, 255)
FADE_SECONDS = 0.10


def make_mark(look: Look) -> np.ndarray:
    """The emblem, the wordmark and the note as a premultiplied layer on a dark band."""
    strip = np.zeros((MARK_HEIGHT, FRAME_WIDTH, 4), np.float32)
    name, note = text_mask(WORDMARK, TITLE, 36, spacing=4), text_mask(NOTE, LINE, 27, spacing=3)
    width = EMBLEM + 22 + max(name.shape[1], note.shape[1])
    left = (FRAME_WIDTH - width) // 2
    # The band keeps the text legible over snow, sand or a bright suit.
    band = np.zeros((MARK_HEIGHT, FRAME_WIDTH), np.float32)
    cv2.rectangle(band, (left - 10, 14), (left + width + 10, MARK_HEIGHT - 14), 1.0, -1)
    strip[..., 3] = blur(band, 12) * 170
    letters = np.zeros((MARK_HEIGHT, FRAME_WIDTH), np.uint8)
    for words, y in ((name, 4), (note, 54)):
        place = letters[y : y + words.shape[0], left + EMBLEM + 22 :][:, : words.shape[1]]
        np.maximum(place, words[: place.shape[0], : place.shape[1]], out=place)
    emblem = _emblem(left + EMBLEM // 2, MARK_HEIGHT // 2)
    for mask, colour in ((letters, WHITE), (emblem, look.as_light.hud_colour)):
        cover = to_unit(mask)
        strip[..., :3] += blur(cover, 6)[..., None] * bgr(look.as_light.hud_colour) * 0.35
        strip[..., :3] = strip[..., :3] * (1 - cover[..., None]) + bgr(colour) * cover[..., None]
        strip[..., 3] = np.maximum(strip[..., 3], mask)
    return np.clip(strip, 0, 255).astype(np.uint8)


def lay_mark(picture: np.ndarray, mark: np.ndarray, since: float, left: float) -> None:
    """Draw the mark over a frame, `since` seconds after it appeared and `left` seconds before the film's end."""
    gain = smoothstep(0, FADE_SECONDS, since) * smoothstep(-0.02, 0.05, left)
    if gain > 0:
        layer = mark if gain >= 1 else cv2.convertScaleAbs(mark, alpha=gain)
        composite(picture[MARK_TOP : MARK_TOP + MARK_HEIGHT], layer)


def _emblem(x: int, y: int) -> np.ndarray:
    """The product's hexagon with its upright line, as on its pages and the hero's chest."""
    mask = np.zeros((MARK_HEIGHT, FRAME_WIDTH), np.uint8)
    unit = EMBLEM / 24 * 1.06
    corners = np.array([(12, 1.8), (20.8, 6.9), (20.8, 17.1), (12, 22.2), (3.2, 17.1), (3.2, 6.9)])
    points = np.round((corners - 12) * unit * 16 + np.array([x, y]) * 16).astype(np.int32)
    cv2.polylines(mask, [points], True, 255, round(1.6 * unit), cv2.LINE_AA, 4)
    half = round(4.4 * unit)
    cv2.line(mask, (x, y - half), (x, y + half), 255, round(3 * unit), cv2.LINE_AA)
    return mask
