"""Fixed texts as byte masks, and the part of a name that the shipped fonts can show. `shaping` draws names."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from providers.studio.film.typefaces import HUD, LINE, SIGNS, TITLE, font_path

from .shaping import clusters, face_of

__all__ = ["HUD", "LINE", "SIGNS", "TITLE", "font", "showable", "text_mask", "vertical_mask"]

LINE_HEIGHT = 1.3  # of the size


@lru_cache(64)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_path(name)), size, layout_engine=ImageFont.Layout.BASIC)


def text_mask(text: str, name: str, size: int, *, spacing: int = 0) -> np.ndarray:
    """One line of text as a byte mask, letters `spacing` px further apart."""
    face = font(name, size)
    pieces = list(text) if spacing else [text]
    width = int(sum(face.getlength(piece) + spacing for piece in pieces)) + 2
    image = Image.new("L", (width, int(size * LINE_HEIGHT)))
    draw, x = ImageDraw.Draw(image), 0.0
    for piece in pieces:
        draw.text((x, size * LINE_HEIGHT / 2), piece, 255, font=face, anchor="lm")
        x += face.getlength(piece) + spacing
    return np.asarray(image)


def vertical_mask(text: str, size: int, margin: int) -> np.ndarray:
    """A neon sign's text, from top to bottom, as a byte mask."""
    face, step = font(SIGNS, size), size * 1.06
    image = Image.new("L", (size + 2 * margin, int(len(text) * step) + 2 * margin))
    draw = ImageDraw.Draw(image)
    for index, letter in enumerate(text):
        draw.text((margin + size / 2, margin + size * 0.5 + index * step), letter, 255, font=face, anchor="mm")
    return np.asarray(image)


def showable(text: str) -> str:
    """The words of a text that the shipped fonts can show in full, without control characters and emoji."""
    words = []
    for word in "".join(clusters(text)).split():
        whole = clusters(word)
        letters = [cluster for cluster in whole if unicodedata.category(cluster[0])[0] in "LN"]
        shown = "".join(cluster for cluster in whole if face_of(cluster))
        if shown and all(face_of(letter) for letter in letters):
            words.append(shown)
    return " ".join(words)
