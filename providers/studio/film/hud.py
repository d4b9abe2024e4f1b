"""The head-up display: corner marks, scales and codes, drawn once per film, and the parts that change per frame."""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.titles.lettering import HUD, text_mask, vertical_mask

from .canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    FRAMES_PER_SECOND,
    Colour,
    bgr,
    blur,
    colour_layer,
    scalar,
    shine,
    stamp,
)
from .looks import Look
from .variation import Variation

INSET = 34  # px from the frame's edges to the marks
TEXT_LEFT = 48
RECORDING = (60, 60, 255, 0)  # BGRA red


def make_hud(look: Look, variation: Variation) -> np.ndarray:
    """The static part of the HUD, as light to be added to a frame."""
    marks = np.zeros((FRAME_HEIGHT, FRAME_WIDTH), np.uint8)
    _CORNERS[look.hud](marks)
    edge = FRAME_WIDTH - 30
    for index in range(41):
        y, long = 430 + index * 10, index % 5 == 0
        cv2.line(marks, (edge, y), (edge - (14 if long else 7), y), 150 if long else 90, 1)
    _print(marks, f"{look.tag} // {variation.serial}", 19, TEXT_LEFT, 76, 0.8)
    _print(marks, f"CITY GRID {variation.position}", 15, TEXT_LEFT, 102, 0.55)
    recording = text_mask("REC", HUD, 19)
    stamp(marks, (recording * 0.9).astype(np.uint8), FRAME_WIDTH - TEXT_LEFT - recording.shape[1], 76)
    _COLUMNS[look.hud](marks, look, variation)
    return _lit(marks, look)


def lay_hud(picture: np.ndarray, hud: np.ndarray, look: Look) -> None:
    """Lay the HUD over a frame, in place: light at night, and by day ink, which a bright sky shows."""
    (cv2.subtract if look.daylight else cv2.add)(picture, hud, picture)


def _lit(marks: np.ndarray, look: Look) -> np.ndarray:
    """Marks (0..255) as the light that is added, or by day as the light that is taken away."""
    if look.daylight:
        return colour_layer(cv2.max(marks, cv2.convertScaleAbs(blur(marks, 2), alpha=0.5)), 255 - bgr(look.hud_colour))
    colour = bgr(look.hud_colour)
    return cv2.add(colour_layer(marks, colour, 0.75), colour_layer(blur(marks, 4), colour, 0.35))


def _corners() -> list[tuple[int, int, int, int]]:
    """The frame's four corners: x, y, and which way is inwards."""
    right, bottom = FRAME_WIDTH - INSET - 1, FRAME_HEIGHT - 61
    return [(INSET, 60, 1, 1), (right, 60, -1, 1), (INSET, bottom, 1, -1), (right, bottom, -1, -1)]


def _brackets(marks: np.ndarray) -> None:
    """A camera's brackets, and a scale below the upper edge."""
    for x, y, across, down in _corners():
        cv2.line(marks, (x, y), (x + across * 46, y), 210, 2)
        cv2.line(marks, (x, y), (x, y + down * 46), 210, 2)
        cv2.circle(marks, (x + across * 10, y + down * 10), 2, 200, -1)
    for index in range(31):
        x, long = FRAME_WIDTH // 2 - 150 + index * 10, index % 5 == 0
        cv2.line(marks, (x, 58), (x, 58 + (10 if long else 5)), 150 if long else 80, 1)


def _fretwork(marks: np.ndarray) -> None:
    """Corners like the fittings of a chest, and a crest between the upper ones."""
    for x, y, across, down in _corners():
        for out, long, light in ((0, 62, 210), (8, 40, 140)):
            at_x, at_y = x - across * out, y - down * out
            cv2.line(marks, (at_x, at_y), (at_x + across * long, at_y), light, 2)
            cv2.line(marks, (at_x, at_y), (at_x, at_y + down * long), light, 2)
        cv2.rectangle(marks, (x - across * 3, y - down * 3), (x - across * 12, y - down * 12), 190, -1)
    middle = (FRAME_WIDTH // 2, 64)
    for radius, light in ((13, 170), (9, 110)):
        cv2.circle(marks, middle, radius, light, 1, cv2.LINE_AA)
    for side in (-1, 1):
        cv2.line(marks, (middle[0] + side * 20, 64), (middle[0] + side * 120, 64), 110, 1)


def _crosshairs(marks: np.ndarray) -> None:
    """Crosses in the corners, and the ticks of a raster along the upper and the lower edge."""
    for x, y, across, down in _corners():
        x, y = x + across * 10, y + down * 10
        cv2.line(marks, (x - 16, y), (x + 16, y), 210, 1)
        cv2.line(marks, (x, y - 16), (x, y + 16), 210, 1)
        cv2.rectangle(marks, (x - 5, y - 5), (x + 5, y + 5), 150, 1)
    for index in range(1, 12):
        x = INSET + 10 + index * (FRAME_WIDTH - 2 * INSET - 21) // 12
        for y in (70, FRAME_HEIGHT - 71):
            cv2.line(marks, (x - 3, y), (x + 3, y), 100, 1)
            cv2.line(marks, (x, y - 3), (x, y + 3), 100, 1)


def _chevrons(marks: np.ndarray) -> None:
    """Corners of three chevrons, and the scale of a compass along the upper edge."""
    for x, y, across, down in _corners():
        for step, light in ((0, 210), (11, 150), (22, 90)):
            tip = (x + across * step, y + down * step)
            cv2.line(marks, tip, (tip[0] + across * 30, tip[1]), light, 2)
            cv2.line(marks, tip, (tip[0], tip[1] + down * 30), light, 2)
    middle = FRAME_WIDTH // 2
    for index in range(-12, 13):
        long = index % 4 == 0
        cv2.line(
            marks, (middle + index * 13, 50), (middle + index * 13, 50 + (14 if long else 6)), 160 if long else 80, 1
        )
    cv2.fillPoly(marks, [np.array([(middle, 68), (middle - 7, 80), (middle + 7, 80)])], 200, cv2.LINE_AA)


def _facets(marks: np.ndarray) -> None:
    """Corners that are cut off, and a row of hexagons below the upper edge."""
    for x, y, across, down in _corners():
        cv2.line(marks, (x, y + down * 56), (x, y + down * 30), 210, 2)
        cv2.line(marks, (x, y + down * 30), (x + across * 30, y), 210, 2, cv2.LINE_AA)
        cv2.line(marks, (x + across * 30, y), (x + across * 56, y), 210, 2)
        cv2.line(marks, (x + across * 6, y + down * 38), (x + across * 38, y + down * 6), 110, 1, cv2.LINE_AA)
    turn = np.arange(6) * np.pi / 3
    for index in range(-4, 5):
        centre = np.array((FRAME_WIDTH // 2 + index * 25, 64 + (index % 2) * 7))
        hexagon = centre + 10 * np.stack([np.cos(turn), np.sin(turn)], 1)
        cv2.polylines(
            marks, [np.round(hexagon * 16).astype(np.int32)], True, 190 if index == 0 else 90, 1, cv2.LINE_AA, 4
        )


def _arcs(marks: np.ndarray) -> None:
    """Corners of quarter circles, and half of a dial with rays at the upper edge."""
    for x, y, across, down in _corners():
        start = {(1, 1): 180, (-1, 1): 270, (-1, -1): 0, (1, -1): 90}[across, down]
        centre = (x + across * 44, y + down * 44)
        for radius, light in ((44, 220), (36, 120)):
            cv2.ellipse(marks, centre, (radius, radius), start, 0, 90, light, 2 if light > 200 else 1, cv2.LINE_AA)
        cv2.circle(marks, (x + across * 13, y + down * 13), 3, 200, -1, cv2.LINE_AA)
    middle = (FRAME_WIDTH // 2, 44)
    for radius, light in ((38, 190), (30, 110)):
        cv2.ellipse(marks, middle, (radius, radius), 0, 0, 180, light, 1, cv2.LINE_AA)
    for turn in np.linspace(0, np.pi, 13):
        way = np.array((np.cos(turn), np.sin(turn)))
        ends = [tuple(np.round(np.array(middle) + way * reach).astype(int).tolist()) for reach in (44, 56)]
        cv2.line(marks, *ends, 160, 1, cv2.LINE_AA)


def _codes(marks: np.ndarray, look: Look, variation: Variation) -> None:
    for index, code in enumerate(variation.codes):
        _print(marks, code, 13, TEXT_LEFT, 470 + index * 17, 0.42)


def _seal(marks: np.ndarray, look: Look, variation: Variation) -> None:
    """A column of two words, and a seal below."""
    dice, words = variation.dice("seal"), look.signs + look.film_signs
    column = vertical_mask("".join(dice.sample(words, 2))[:5], 20, 2)
    stamp(marks, (column * 0.42).astype(np.uint8), TEXT_LEFT, 456)
    top = 456 + column.shape[0] + 8
    letter = vertical_mask(dice.choice(look.signs)[0], 18, 5)
    box = cv2.rectangle(np.full_like(letter, 0), (0, 0), (letter.shape[1] - 1, letter.shape[0] - 1), 150, 2)
    stamp(marks, np.maximum(box, (letter * 0.6).astype(np.uint8)), TEXT_LEFT - 2, top)


def _stream(marks: np.ndarray, look: Look, variation: Variation) -> None:
    """Bits of the codes, and a bar for each."""
    for index, code in enumerate(variation.codes):
        y = 430 + index * 34
        _print(marks, f"0x{code}", 13, TEXT_LEFT, y, 0.45)
        for bit in range(16):
            on = int(code, 16) >> bit & 1
            x = TEXT_LEFT + bit * 6
            cv2.rectangle(marks, (x, y + 19), (x + 3, y + (25 if on else 20)), 110 if on else 60, -1)


def _bearings(marks: np.ndarray, look: Look, variation: Variation) -> None:
    """A compass rose, and a bearing and distance for each code."""
    centre, turn = (TEXT_LEFT + 34, 470), (variation.seed % 360) * np.pi / 180
    for radius, light in ((34, 130), (27, 70)):
        cv2.circle(marks, centre, radius, light, 1, cv2.LINE_AA)
    for quarter in range(4):
        angle = turn + quarter * np.pi / 2
        tip = (int(centre[0] + 25 * np.cos(angle)), int(centre[1] + 25 * np.sin(angle)))
        cv2.line(marks, centre, tip, 190 if quarter == 0 else 90, 2 if quarter == 0 else 1, cv2.LINE_AA)
    for index, code in enumerate(variation.codes[:5]):
        number = int(code, 16)
        _print(marks, f"{number % 360:03d}/{number % 97:02d}", 13, TEXT_LEFT, 520 + index * 18, 0.45)


def _crystals(marks: np.ndarray, look: Look, variation: Variation) -> None:
    """A thermometer whose bulb is a hexagon, and degrees below zero."""
    top, foot, x = 440, 600, TEXT_LEFT + 8
    cv2.rectangle(marks, (x - 4, top), (x + 4, foot), 110, 1)
    level = top + 50 + variation.seed % 60
    cv2.rectangle(marks, (x - 2, level), (x + 2, foot), 150, -1)
    turn = np.arange(6) * np.pi / 3
    bulb = np.array((x, foot + 12)) + 12 * np.stack([np.cos(turn), np.sin(turn)], 1)
    cv2.fillPoly(marks, [np.round(bulb).astype(np.int32)], 150, cv2.LINE_AA)
    for index in range(9):
        y = top + index * 20
        cv2.line(marks, (x + 8, y), (x + (20 if index % 2 == 0 else 14), y), 110, 1)
        if index % 2 == 0:
            _print(marks, f"-{10 * index:02d}", 13, x + 26, y - 8, 0.45)


def _hours(marks: np.ndarray, look: Look, variation: Variation) -> None:
    """The hours of a morning, the film's own one marked."""
    own = variation.seed % 7
    for index in range(7):
        y = 450 + index * 26
        _print(
            marks, f"{5 + index // 2:02d}:{30 * (index % 2):02d}", 14, TEXT_LEFT + 14, y, 0.75 if index == own else 0.45
        )
        cv2.circle(
            marks, (TEXT_LEFT + 3, y + 8), 4, 190 if index == own else 90, -1 if index == own else 1, cv2.LINE_AA
        )


_CORNERS = {
    "camera": _brackets,
    "lacquer": _fretwork,
    "terminal": _crosshairs,
    "compass": _chevrons,
    "crystal": _facets,
    "dial": _arcs,
}
_COLUMNS = {
    "camera": _codes,
    "lacquer": _seal,
    "terminal": _stream,
    "compass": _bearings,
    "crystal": _crystals,
    "dial": _hours,
}


def tick(frame: np.ndarray, look: Look, index: int) -> None:
    """Draw the parts that change: time code, recording lamp, needle on the scale."""
    seconds = index / FRAMES_PER_SECOND
    code = f"00:{int(seconds):02d}:{index % FRAMES_PER_SECOND:02d}"
    if look.daylight:
        mask = text_mask(code, HUD, 19)
        place = frame[102 : 102 + mask.shape[0], FRAME_WIDTH - TEXT_LEFT - mask.shape[1] : FRAME_WIDTH - TEXT_LEFT]
        cv2.subtract(place, colour_layer(mask, 255 - bgr(look.hud_colour), 0.9), place)
    else:
        write(frame, code, 19, FRAME_WIDTH - TEXT_LEFT, 102, look.hud_colour, 0.8, right=True)
    if int(seconds * 2) % 2 == 0:
        cv2.circle(frame, (FRAME_WIDTH - 104, 90), 5, RECORDING, -1, cv2.LINE_AA)
    y = 430 + int(200 + 180 * np.sin(seconds * 1.7))
    cv2.line(frame, (FRAME_WIDTH - 58, y), (FRAME_WIDTH - 34, y), scalar(look.left_light), 3)


def write(
    frame: np.ndarray, text: str, size: int, x: int, y: int, colour: Colour, gain: float = 1.0, *, right: bool = False
) -> None:
    """Add a line of HUD text to a frame; x is its left end, or its right end."""
    mask = text_mask(text, HUD, size)
    shine(frame, mask, colour, x - mask.shape[1] if right else x, y, gain)


def _print(marks: np.ndarray, text: str, size: int, x: int, y: int, gain: float) -> None:
    stamp(marks, (text_mask(text, HUD, size) * gain).astype(np.uint8), x, y)
