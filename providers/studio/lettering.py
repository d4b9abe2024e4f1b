"""Text as byte masks: one font per purpose, and fallbacks for the many scripts names are written in."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).parent / "fonts"
TITLE = "orbitron-latin-900"
LINE = "rajdhani-latin-600"
HUD = "share-tech-mono-latin-400"
SIGNS = "dela-gothic-one-japanese-400"
# Where the title's font has no glyph, the first of these that has one steps in.
FALLBACKS = (
    TITLE,
    "unbounded-900",
    SIGNS,
    "noto-sans-greek-700",
    "noto-sans-hebrew-700",
    "noto-sans-arabic-700",
    "noto-sans-thai-700",
    "noto-sans-devanagari-700",
    "noto-sans-cjk-700",
    "noto-sans-georgian-700",
    "noto-sans-armenian-700",
    "noto-sans-bengali-700",
    "noto-sans-gurmukhi-700",
    "noto-sans-gujarati-700",
    "noto-sans-tamil-700",
    "noto-sans-telugu-700",
    "noto-sans-kannada-700",
    "noto-sans-malayalam-700",
)
# Scripts that are joined, stacked or written from the right: drawn a run at a time, never letter by letter.
JOINED = {
    *("noto-sans-hebrew-700", "noto-sans-arabic-700", "noto-sans-thai-700", "noto-sans-devanagari-700"),
    *("noto-sans-bengali-700", "noto-sans-gurmukhi-700", "noto-sans-gujarati-700", "noto-sans-tamil-700"),
    *("noto-sans-telugu-700", "noto-sans-kannada-700", "noto-sans-malayalam-700"),
}
LINE_HEIGHT = 1.3  # of the size
NOT_A_CHARACTER = "\U0010fffe"  # no font has it, so it shows the font's box for missing glyphs


@lru_cache(64)
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    (path,) = FONTS.glob(f"{name}.[ot]tf")
    return ImageFont.truetype(str(path), size)


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


def name_mask(text: str, size: int, *, spacing: int) -> np.ndarray:
    """A name in whatever scripts it is written in; letters no shipped font has are left out.

    Accents stay on their letters. Width 2 when nothing is left to show.
    """
    pieces: list[tuple[str, str]] = []
    for face, run in _runs(text):
        pieces += [(face, run)] if face in JOINED else [(face, cluster) for cluster in _clusters(run)]
    width = sum(font(face, size).getlength(piece) + spacing for face, piece in pieces)
    image = Image.new("L", (int(width) + 2, int(size * LINE_HEIGHT)))
    draw, x = ImageDraw.Draw(image), 0.0
    for face, piece in pieces:
        typeface = font(face, size)
        draw.text((x, size * LINE_HEIGHT / 2), piece, 255, font=typeface, anchor="lm")
        x += typeface.getlength(piece) + spacing
    return np.asarray(image)


def showable(text: str) -> str:
    """The words of a text that the shipped fonts can show in full, without control characters and emoji."""
    words = []
    for word in "".join(_clusters(unicodedata.normalize("NFC", text))).split():
        letters = [cluster for cluster in _clusters(word) if unicodedata.category(cluster[0])[0] in "LN"]
        shown = "".join(cluster for cluster in _clusters(word) if _face(cluster))
        if shown and all(_face(letter) for letter in letters):
            words.append(shown)
    return " ".join(words)


@lru_cache(2048)
def covers(name: str, letter: str) -> bool:
    """Whether a font has a glyph for a letter."""
    face = font(name, 32)
    drawn, missing = face.getmask(letter), face.getmask(NOT_A_CHARACTER)
    if drawn.getbbox() is None:  # a space, or a font whose box for missing glyphs is empty
        return letter == " " and face.getlength(letter) > 0
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)


def _face(cluster: str) -> str | None:
    """The first font that has every part of a cluster."""
    return next((name for name in FALLBACKS if all(covers(name, letter) for letter in cluster)), None)


def _runs(text: str) -> list[tuple[str, str]]:
    """Split a text where the font changes, as seldom as possible; leave out what no font can show."""
    clusters = [cluster for cluster in _clusters(unicodedata.normalize("NFC", text)) if _face(cluster)]
    whole = next((name for name in FALLBACKS if all(covers(name, letter) for letter in "".join(clusters))), None)
    runs: list[tuple[str, str]] = []
    for cluster in clusters:
        face = whole or _face(cluster)
        if cluster == " " and runs:
            face = runs[-1][0]
        if runs and runs[-1][0] == face:
            runs[-1] = (face, runs[-1][1] + cluster)
        else:
            runs.append((face, cluster))
    return runs


def _clusters(text: str) -> list[str]:
    """Letters with the marks that sit on them; control and unassigned characters are dropped."""
    clusters: list[str] = []
    for letter in text:
        category = unicodedata.category(letter)
        if letter.isspace():
            clusters.append(" ")
        elif category[0] == "C":
            continue
        elif clusters and category[0] == "M":
            clusters[-1] += letter
        else:
            clusters.append(letter)
    return clusters
