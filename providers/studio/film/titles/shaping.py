"""Text shaping of names: joined and stacked scripts, right-to-left scripts, and several scripts in one name.

HarfBuzz shapes and draws the glyphs. Pillow would need a library of the operating system for that.
Lengths are in ems (the size of the type) until a line is drawn; y points up.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby

import numpy as np
import uharfbuzz as hb

from providers.studio.film.typefaces import FALLBACKS, JOINED, font_path

# A letter of typical height in each font; it is drawn as tall as the title's capitals.
TALL = {
    "noto-sans-hebrew-700": "ה",
    "noto-sans-arabic-700": "ه",
    "noto-sans-thai-700": "ก",
    "noto-sans-devanagari-700": "क",
    "noto-sans-cjk-700": "国",
    "noto-sans-georgian-700": "ა",
    "noto-sans-armenian-700": "Ա",
    "noto-sans-bengali-700": "ক",
    "noto-sans-gurmukhi-700": "ਕ",
    "noto-sans-gujarati-700": "ક",
    "noto-sans-tamil-700": "க",
    "noto-sans-telugu-700": "క",
    "noto-sans-kannada-700": "ಕ",
    "noto-sans-malayalam-700": "ക",
}
CAPITAL = 0.72  # ems
LONGEST_CLUSTER = 6  # a letter, its vowel sign and its tone; more marks would not be legible
JOINERS = "\u200c\u200d"  # control whether two letters of a joined script are joined


@dataclass(frozen=True)
class Glyph:
    face: str
    number: int  # in the font; 0 would be the box for what is missing
    x: float
    y: float
    scale: float


@dataclass(frozen=True)
class Line:
    """Placed glyphs, from left to right, the baseline at 0."""

    glyphs: tuple[Glyph, ...]
    width: float
    top: float
    bottom: float  # below the baseline it is negative
    from_right: bool  # whether it is read from the right


@lru_cache(32)
def typeface(name: str) -> hb.Font:
    """A font whose unit is a thousandth of an em."""
    font = hb.Font(hb.Face(hb.Blob.from_file_path(str(font_path(name)))))
    font.scale = (1000, 1000)
    return font


@lru_cache(4096)
def covers(name: str, letter: str) -> bool:
    """Whether a font has a glyph for a letter."""
    return letter in JOINERS or bool(typeface(name).get_nominal_glyph(ord(letter)))


@lru_cache(64)
def scale_of(name: str) -> float:
    """The factor by which a font is enlarged so that its letters are as tall as capitals."""
    font, letter = typeface(name), TALL.get(name)
    if letter is None:
        return 1.0
    extents = font.get_glyph_extents(font.get_nominal_glyph(ord(letter)))
    height = extents.y_bearing / 1000 if extents else CAPITAL
    return min(1.4, max(0.8, CAPITAL / max(height, 0.1)))


def set_line(text: str, face: str, tracking: float = 0.0) -> Line:
    """Set a line in a typeface, and where it has no glyph in the first fallback that has; letters `tracking` apart.

    Letters of joined scripts stay together. Letters that no font has are left out.
    """
    glyphs: list[Glyph] = []
    x, top, bottom = 0.0, 0.0, 0.0
    for name, run, from_right in visual_runs(text, face):
        scale, apart = scale_of(name), 0.0 if name in JOINED else tracking
        buffer = hb.Buffer()
        buffer.add_str(run)
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if from_right else "ltr"
        hb.shape(typeface(name), buffer)
        cluster = None
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            if cluster not in (None, info.cluster):
                x += apart
            cluster = info.cluster
            place = (x + position.x_offset / 1000 * scale, position.y_offset / 1000 * scale)
            glyphs.append(Glyph(name, info.codepoint, *place, scale))
            extents = typeface(name).get_glyph_extents(info.codepoint)
            if extents and extents.height:
                top = max(top, place[1] + extents.y_bearing / 1000 * scale)
                bottom = min(bottom, place[1] + (extents.y_bearing + extents.height) / 1000 * scale)
            x += position.x_advance / 1000 * scale
        x += apart
    return Line(tuple(glyphs), max(0.0, x - tracking), top, bottom, _base(_sides(clusters(text))) == "R")


def draw_line(line: Line, size: float, squeeze: float = 1.0) -> tuple[np.ndarray, int]:
    """Return a line as a byte mask, and the row its baseline lies on. `squeeze` makes it narrower."""
    margin = 3
    width = int(np.ceil(line.width * size * squeeze)) + 2 * margin
    above, below = (int(np.ceil(max(0.0, height) * size)) + margin for height in (line.top, -line.bottom))
    drawing = hb.RasterDraw()
    for glyph in line.glyphs:
        scale = size * glyph.scale / 1000
        drawing.transform = (scale * squeeze, 0, 0, scale, glyph.x * size * squeeze + margin, glyph.y * size + below)
        drawing.draw_glyph(typeface(glyph.face), glyph.number)
    drawing.extents = hb.RasterExtents(0, 0, width, above + below, 0)
    image = drawing.render()
    extents = image.extents
    rows = np.frombuffer(bytes(image.buffer), np.uint8).reshape(extents.height, extents.stride)
    return np.ascontiguousarray(rows[::-1, :width]), above  # its rows run upwards


def _is_turned(level: int, run: tuple[str, int, str]) -> bool:
    return run[1] >= level


def visual_runs(text: str, face: str) -> list[tuple[str, str, bool]]:
    """Split a text into runs of one font and one direction, in the order in which they stand from left to right.

    This is the part of the Unicode bidirectional algorithm that names need: letters, numbers, and separators.
    """
    whole = [cluster for cluster in clusters(text) if face_of(cluster, face)]
    levels = _levels(whole)
    one = next((name for name in (face, *FALLBACKS) if all(_fits(name, cluster) for cluster in whole)), None)
    faces: list[str] = []
    for cluster in whole:
        own = one or face_of(cluster, face) or face
        faces.append(faces[-1] if cluster == " " and faces and covers(faces[-1], " ") else own)
    marked = list(zip(whole, levels, faces, strict=True))
    runs = [
        (name, level, "".join(cluster for cluster, *_ in group))
        for (level, name), group in groupby(marked, key=lambda item: (item[1], item[2]))
    ]
    # From the highest level down, every run of at least that level is reversed.
    for level in range(max(levels, default=0), 0, -1):
        turned: list[tuple[str, int, str]] = []
        for is_turned, group in groupby(runs, key=partial(_is_turned, level)):
            stretch = list(group)
            turned += stretch[::-1] if is_turned else stretch
        runs = turned
    return [(name, run, level % 2 == 1) for name, level, run in runs]


def clusters(text: str) -> list[str]:
    """Letters with their combining marks, as far as a font has them and they are legible.

    Control characters are dropped, but for joiners in joined scripts.
    """
    found: list[str] = []
    for letter in unicodedata.normalize("NFC", text):
        category = unicodedata.category(letter)
        if letter.isspace():
            found.append(" ")
        elif letter in JOINERS:
            if found and found[-1] != " " and face_of(found[-1]) in JOINED:
                found[-1] += letter
        elif category[0] == "C":
            continue
        elif found and category[0] == "M" and found[-1] != " ":
            if len(found[-1]) < LONGEST_CLUSTER and (face_of(found[-1] + letter) or not face_of(found[-1])):
                found[-1] += letter
        else:
            found.append(letter)
    return found


def face_of(cluster: str, first: str = FALLBACKS[0]) -> str | None:
    """The first font that has every part of a cluster, starting with the preferred one."""
    return next((name for name in (first, *FALLBACKS) if _fits(name, cluster)), None)


def _fits(name: str, cluster: str) -> bool:
    return all(covers(name, letter) for letter in cluster)


def _sides(whole: list[str]) -> list[str]:
    """L or R for letters of that direction, N for numbers, '' for neutral characters."""
    kinds = {"L": "L", "R": "R", "AL": "R", "EN": "N", "AN": "N"}
    return [kinds.get(unicodedata.bidirectional(cluster[0]), "") for cluster in whole]


def _base(sides: list[str]) -> str:
    """The direction of a whole text: that of its first letter."""
    return next((side for side in sides if side in ("L", "R")), "L")


def _levels(whole: list[str]) -> list[int]:
    """The embedding level of each cluster: 0 left-to-right, 1 right-to-left, 2 numbers within right-to-left."""
    sides = _sides(whole)
    base = before = _base(sides)
    for place, side in enumerate(sides):
        if side in ("L", "R"):
            before = side
        elif side == "N" and before == "L":
            sides[place] = "L"
    for place, side in enumerate(sides):
        if side:
            continue
        left = next((known for known in reversed(sides[:place]) if known), base)
        right = next((known for known in sides[place + 1 :] if known), base)
        left, right = ("R" if known == "N" else known for known in (left, right))
        sides[place] = left if left == right else base
    depth = {"R": {"R": 1, "N": 2, "L": 2}, "L": {"L": 0, "R": 1, "N": 2}}[base]
    return [depth[side] for side in sides]
