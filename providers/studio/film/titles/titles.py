"""The title of a film: the hero's name, in any script and in one or two lines, in the look's style."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from providers.studio.film.canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    bgr,
    blur,
    composite,
    glow,
    gray_layer,
    smoothstep,
    smoothsteps,
    to_byte,
    to_unit,
)
from providers.studio.film.glitch import glitch_strip
from providers.studio.film.looks import Look
from providers.studio.film.title_styles import TitleStyle
from providers.studio.film.typefaces import JOINED, SIGNS

from . import weathered
from .lettering import showable, text_mask
from .painting import fill, lay_colour, shifted, shine_through
from .shaping import CAPITAL, Line, clusters, draw_line, face_of, set_line

STRIP_TOP, STRIP_HEIGHT = 905, 235  # px; below it lies the mark
SHADE_TOP = int(FRAME_HEIGHT * 0.6)
MARGIN = 36  # px kept free left and right
NAME_TOP, NAME_MIDDLE, NAME_FOOT, TAGLINE_Y = 12, 88, 152, 184  # px from the strip's top
DEFAULT_NAME = "THE HERO"
NARROWEST = 0.78  # a long name's letters become as narrow as this
ONE_LINE_FROM = 40  # px: smaller type is set in two lines
TWO_LINES_UP_TO = 60  # px
HIGHEST = 136  # px from the highest accent to the deepest stroke
WORTH_A_BREAK = 1.2  # how much larger two lines have to be than one
LEADING = 1.16  # ems between two baselines
GROUND = 200  # of 255: how dark it is made behind the letters
APPEARS, STANDS = 0.12, 0.26  # seconds after the cut
FLICKERS = (0.73, 0.78)  # and once more


@dataclass(frozen=True)
class Setting:
    """A name set in one or two lines."""

    lines: tuple[Line, ...]
    size: float  # px
    squeeze: float

    @property
    def letter_height(self) -> float:
        """How tall capitals are, px."""
        return self.size * CAPITAL


class TitleCard:
    """A film's title, which is drawn over its frames."""

    def __init__(self, look: Look, hero_name: str, serial: str) -> None:
        self._arrival = look.title.arrival
        self._strip = make_title(look, hero_name, serial)

    def lay(self, picture: np.ndarray, since: float, dice: random.Random) -> None:
        """Darken the frame below the title and draw the title over it, so many seconds after the cut."""
        gain = smoothstep(APPEARS, STANDS, since)
        if gain <= 0:
            return
        darker = shade() if gain >= 1 else cv2.convertScaleAbs(shade(), alpha=gain)
        cv2.subtract(picture[SHADE_TOP:], darker, picture[SHADE_TOP:])
        strip = picture[STRIP_TOP : STRIP_TOP + STRIP_HEIGHT]
        arriving = 1 - smoothstep(APPEARS, STANDS + 0.12, since)
        if self._arrival == "cut" and arriving > 0:
            composite(strip, _cut_apart(self._strip, arriving))
            return
        if self._arrival == "decode" and arriving > 0:
            composite(strip, _decoded(self._strip, 1 - arriving, dice))
            return
        if self._arrival == "sweep" and arriving > 0:
            composite(strip, _swept(self._strip, 1 - arriving))
            return
        composite(strip, self._strip if gain >= 1 else cv2.convertScaleAbs(self._strip, alpha=gain))
        if self._arrival == "tear" and (arriving > 0 or FLICKERS[0] < since < FLICKERS[1]):
            strip[...] = glitch_strip(strip, arriving or 0.5, dice)


@cache
def shade() -> np.ndarray:
    """The layer that darkens a frame below SHADE_TOP, so that title and mark are legible."""
    rows = np.arange(SHADE_TOP, FRAME_HEIGHT)
    darker = smoothsteps(FRAME_HEIGHT * 0.60, FRAME_HEIGHT * 0.86, rows.astype(np.float32)) * 122
    return gray_layer(np.repeat(darker.astype(np.uint8)[:, None], FRAME_WIDTH, axis=1))


def title_text(hero_name: str, serial: str) -> str:
    """The text of the title: the name in capitals, a serial when no font can show it, THE HERO without a name."""
    return showable(hero_name).upper() or (f"UNIT {serial}" if hero_name.strip() else DEFAULT_NAME)


def set_name(name: str, style: TitleStyle) -> Setting:
    """Set a name as large as the strip allows: in one line, narrower, or broken in two."""
    line = set_line(style.before + name, style.face, style.tracking)
    one = _fitted((line,), style.size)
    if one.size >= TWO_LINES_UP_TO:
        return one
    halves = _halves(name, anywhere=one.size < ONE_LINE_FROM)
    if not halves:
        return one
    texts = (style.before + halves[0], *halves[1:])
    two = _fitted(tuple(set_line(text, style.face, style.tracking) for text in texts), TWO_LINES_UP_TO)
    return two if two.size > WORTH_A_BREAK * one.size else one


def _fitted(lines: tuple[Line, ...], largest: float) -> Setting:
    """As large as the strip allows; a wide name becomes narrower first, and then smaller."""
    widest = (FRAME_WIDTH - 2 * MARGIN) / max(line.width for line in lines)
    highest = max(line.top - line.bottom for line in lines) + LEADING * (len(lines) - 1)
    size = min(largest, HIGHEST / highest)
    squeeze = max(NARROWEST, min(1.0, widest / min(size, TWO_LINES_UP_TO)))
    return Setting(lines, min(size, widest / squeeze), squeeze)


def make_title(look: Look, hero_name: str, serial: str) -> np.ndarray:
    """The title strip as a premultiplied layer."""
    style, strip = look.title, np.zeros((STRIP_HEIGHT, FRAME_WIDTH, 4), np.float32)
    letters, left, right = _letters(set_name(title_text(hero_name, serial), style), style)
    # Letters stay legible over something bright, such as an emblem or a lamp.
    strip[..., 3] = blur(cv2.dilate(to_unit(letters), np.ones((17, 17), np.uint8)), 10) * GROUND
    FINISHES[style.finish](strip, letters, look, (left, right))
    _tagline(strip, look)
    return np.clip(strip, 0, 255).astype(np.uint8)


def _halves(name: str, *, anywhere: bool) -> tuple[str, ...]:
    """Break a name at the space nearest its middle; with `anywhere` also within a word of unjoined letters."""
    spaces = [place for place, letter in enumerate(name) if letter == " "]
    if spaces:
        place = min(spaces, key=lambda space: abs(space - len(name) / 2))
        return name[:place], name[place + 1 :]
    whole = clusters(name)
    if not anywhere or len(whole) < 2 or any(face_of(cluster) in JOINED for cluster in whole):
        return ()
    return "".join(whole[: (len(whole) + 1) // 2]), "".join(whole[(len(whole) + 1) // 2 :])


def _letters(setting: Setting, style: TitleStyle) -> tuple[np.ndarray, int, int]:
    """The name's mask on the strip, and where it begins and ends."""
    letters = np.zeros((STRIP_HEIGHT, FRAME_WIDTH), np.uint8)
    step, count = setting.size * LEADING, len(setting.lines)
    first = NAME_MIDDLE + setting.letter_height / 2 - step * (count - 1) / 2
    # The line moves up or down so that deep strokes and high accents fit.
    deepest = first + step * (count - 1) - setting.lines[-1].bottom * setting.size
    first -= max(0.0, deepest - NAME_FOOT)
    first += max(0.0, NAME_TOP - (first - setting.lines[0].top * setting.size))
    bounds = []
    for number, line in enumerate(setting.lines):
        mask, above = draw_line(line, setting.size, setting.squeeze)
        x = (FRAME_WIDTH - mask.shape[1]) // 2
        if style.align == "left":  # where reading begins
            x = max(0, FRAME_WIDTH - MARGIN + 3 - mask.shape[1]) if line.from_right else MARGIN - 3
        y = round(first + number * step) - above
        mask = mask[max(0, -y) :, : FRAME_WIDTH - x][: STRIP_HEIGHT - max(0, y)]
        target = letters[max(0, y) : max(0, y) + mask.shape[0], x : x + mask.shape[1]]
        np.maximum(target, mask, out=target)
        bounds.append((x, x + mask.shape[1]))
    return letters, min(left for left, _ in bounds), max(right for _, right in bounds)


def _neon(strip: np.ndarray, letters: np.ndarray, look: Look, bounds: tuple[int, int]) -> None:
    cover = to_unit(letters)
    left, right = min(bounds[0], FRAME_WIDTH // 2 - 120), max(bounds[1], FRAME_WIDTH // 2 + 120)
    rule, notch = np.zeros_like(cover), np.zeros_like(cover)
    cv2.rectangle(rule, (left, 164), (right, 166), 1.0, -1)
    cv2.rectangle(notch, (left, 163), (left + 64, 168), 1.0, -1)
    shine_through(strip, blur(rule, 4), look.right_light, 0.9)
    lay_colour(strip, rule, bgr(look.right_light))
    lay_colour(strip, notch, bgr((255, 255, 255)))
    shine_through(strip, blur(cover, 5) * 0.7 + glow(cover, 20, 0.9), look.title.glow, 0.9)
    for x, colour in ((-4, look.right_light), (4, look.title.glow)):
        lay_colour(strip, shifted(cover, x, 0) * 0.85, bgr(colour))
    lay_colour(strip, cover, fill(letters, look.title))


def _chrome(strip: np.ndarray, letters: np.ndarray, look: Look, bounds: tuple[int, int]) -> None:
    cover = to_unit(letters)
    dark = cv2.dilate(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    shine_through(strip, glow(cover, 18, 1.0), look.title.glow, 0.7)
    lay_colour(strip, blur(dark, 1.2), bgr((26, 6, 8)))
    lay_colour(strip, cover, fill(letters, look.title))
    # Light from above: upper edges are bright, lower ones dark.
    lay_colour(strip, np.clip(cover - shifted(cover, 0.6, 2.0), 0, 1) * 0.8, bgr((255, 255, 255)))
    lay_colour(strip, np.clip(cover - shifted(cover, -0.6, -2.0), 0, 1) * 0.45, bgr((90, 30, 24)))
    # One thin cut through all letters, which stay legible.
    wound, edge = np.zeros_like(cover), np.zeros_like(cover)
    left, right = max(6, bounds[0] - 26), min(FRAME_WIDTH - 6, bounds[1] + 26)
    start, end = (left, NAME_MIDDLE + 15), (right, NAME_MIDDLE - 9)
    cv2.line(wound, start, end, 1.0, 3, cv2.LINE_AA)
    cv2.line(edge, (start[0], start[1] + 2), (end[0], end[1] + 2), 1.0, 1, cv2.LINE_AA)
    lay_colour(strip, wound * 0.9, bgr((40, 4, 6)))
    shine_through(strip, blur(edge, 3), look.title.glow, 1.6)
    lay_colour(strip, edge, bgr((255, 214, 180)))


def _terminal(strip: np.ndarray, letters: np.ndarray, look: Look, bounds: tuple[int, int]) -> None:
    cover = to_unit(letters)
    cursor = np.zeros_like(cover)
    if bounds[1] + 40 < FRAME_WIDTH - MARGIN:
        cv2.rectangle(cursor, (bounds[1] + 8, NAME_MIDDLE - 30), (bounds[1] + 36, NAME_MIDDLE + 32), 1.0, -1)
    shine_through(strip, blur(cover, 4) * 0.6 + glow(cover, 14, 0.8), look.title.glow, 0.55)
    lay_colour(strip, cover, fill(letters, look.title))
    lay_colour(strip, cursor * 0.9, bgr(look.title.glow))
    strip[::4, :, :3] *= 0.72  # the lines of a tube
    frame = np.zeros_like(cover)
    top, foot, right = 8, 170, FRAME_WIDTH - 22
    for x, y, across, down in ((20, top, 1, 1), (right, top, -1, 1), (20, foot, 1, -1), (right, foot, -1, -1)):
        cv2.line(frame, (x, y), (x + across * 34, y), 1.0, 2)
        cv2.line(frame, (x, y), (x, y + down * 18), 1.0, 2)
    lay_colour(strip, frame, bgr(look.title.glow))


def _tagline(strip: np.ndarray, look: Look) -> None:
    style = look.title
    words = text_mask(style.tagline, style.tagline_face, 26, spacing=4)
    widest = FRAME_WIDTH - 2 * MARGIN - (52 if style.seal else 0)
    if words.shape[1] > widest:
        ratio = widest / words.shape[1]
        words = cv2.resize(words, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    height, width = words.shape
    left = MARGIN if style.align == "left" else (FRAME_WIDTH - width + (48 if style.seal else 0)) // 2
    mask = np.zeros(strip.shape[:2], np.uint8)
    mask[TAGLINE_Y : TAGLINE_Y + height, left : left + width] = words
    cover = to_unit(mask)
    shine_through(strip, blur(cover, 5), style.glow, 0.35)
    lay_colour(strip, cover, bgr((238, 242, 255)))
    if style.seal:
        _seal(strip, style.seal, left - 54, TAGLINE_Y - 5)


def _seal(strip: np.ndarray, sign: str, x: int, y: int) -> None:
    """A red stamp with a sign cut out of it."""
    mask = np.zeros((44, 44), np.uint8)
    cv2.rectangle(mask, (2, 2), (41, 41), 255, -1)
    cut, _ = draw_line(set_line(sign, SIGNS), 34)
    rows, columns = np.flatnonzero(cut.max(1)), np.flatnonzero(cut.max(0))
    cut = cut[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1][:38, :38]
    top, left = (44 - cut.shape[0]) // 2, (44 - cut.shape[1]) // 2
    hole = np.zeros_like(mask)
    hole[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    place = strip[y : y + 44, x : x + 44]
    lay_colour(place, to_unit(mask), bgr((206, 30, 26)))
    lay_colour(place, to_unit(hole), bgr((255, 240, 226)))


def _cut_apart(title: np.ndarray, apart: float) -> np.ndarray:
    """The title in two halves that slide together along the cut."""
    rows, columns = np.mgrid[0:STRIP_HEIGHT, 0:FRAME_WIDTH].astype(np.float32)
    below = to_byte(np.clip((rows - (NAME_MIDDLE + 15 - 24 * columns / FRAME_WIDTH)) / 2 + 0.5, 0, 1))
    distance = round(150 * apart**2)
    upper = cv2.multiply(title, gray_layer(255 - below), scale=1 / 255)
    lower = cv2.multiply(title, gray_layer(below), scale=1 / 255)
    gain = 1 - apart**3
    slid = cv2.add(_slid(upper, -distance), _slid(lower, distance))
    return cv2.convertScaleAbs(slid, alpha=gain)


def _slid(layer: np.ndarray, x: int) -> np.ndarray:
    """Shift a layer sideways; parts that leave it are cut off."""
    return shifted(layer, x, 0)


def _decoded(title: np.ndarray, share: float, dice: random.Random) -> np.ndarray:
    """The title up to a share (0..1) of its width, followed by random letters."""
    shown = title.copy()
    front = int(FRAME_WIDTH * share)
    for x in range(front - front % 24, FRAME_WIDTH, 24):
        column = shown[:, x : x + 24]
        if x < front + 200 and dice.random() < 0.7:
            column[...] = np.roll(column, dice.randrange(-60, 60), axis=0) // 2
        else:
            column[...] = 0
    return shown


def _swept(title: np.ndarray, share: float) -> np.ndarray:
    """The title up to a share (0..1) of its width, with a soft edge."""
    columns = np.arange(FRAME_WIDTH, dtype=np.float32) / FRAME_WIDTH
    shown = to_byte(np.clip((share * 1.3 - columns) / 0.3, 0, 1))
    return cv2.multiply(title, gray_layer(np.repeat(shown[None], STRIP_HEIGHT, axis=0)), scale=1 / 255)


FINISHES = {
    "neon": _neon,
    "chrome": _chrome,
    "terminal": _terminal,
    "sand": weathered.sand,
    "ice": weathered.ice,
    "gilt": weathered.gilt,
}
