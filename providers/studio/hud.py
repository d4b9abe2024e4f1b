"""What the helmet shows: corner marks, scales, codes; drawn once per film, plus what ticks in every frame."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import FRAME_HEIGHT, FRAME_WIDTH, FRAMES_PER_SECOND, Colour, bgr, blur, colour_layer, scalar, shine, stamp
from .lettering import HUD, text_mask
from .looks import Look
from .variation import Variation

INSET = 34  # px from the frame's edges to the marks
TEXT_LEFT = 48
RECORDING = (60, 60, 255, 0)  # BGRA red


def make_hud(look: Look, variation: Variation) -> np.ndarray:
    """The part of the HUD that stands still, as light to be added to a frame."""
    marks = np.zeros((FRAME_HEIGHT, FRAME_WIDTH), np.uint8)
    right, bottom = FRAME_WIDTH - INSET - 1, FRAME_HEIGHT - 61
    for x, y, across, down in ((INSET, 60, 1, 1), (right, 60, -1, 1), (INSET, bottom, 1, -1), (right, bottom, -1, -1)):
        cv2.line(marks, (x, y), (x + across * 46, y), 210, 2)
        cv2.line(marks, (x, y), (x, y + down * 46), 210, 2)
        cv2.circle(marks, (x + across * 10, y + down * 10), 2, 200, -1)
    edge = FRAME_WIDTH - 30
    for index in range(41):
        y, long = 430 + index * 10, index % 5 == 0
        cv2.line(marks, (edge, y), (edge - (14 if long else 7), y), 150 if long else 90, 1)
    for index in range(31):
        x, long = FRAME_WIDTH // 2 - 150 + index * 10, index % 5 == 0
        cv2.line(marks, (x, 58), (x, 58 + (10 if long else 5)), 150 if long else 80, 1)
    _print(marks, f"{look.tag} // {variation.serial}", 19, TEXT_LEFT, 76, 0.8)
    _print(marks, f"CITY GRID {variation.position}", 15, TEXT_LEFT, 102, 0.55)
    recording = text_mask("REC", HUD, 19)
    stamp(marks, (recording * 0.9).astype(np.uint8), FRAME_WIDTH - TEXT_LEFT - recording.shape[1], 76)
    for index, code in enumerate(variation.codes):
        _print(marks, code, 13, TEXT_LEFT, 470 + index * 17, 0.42)
    colour = bgr(look.hud_colour)
    return cv2.add(colour_layer(marks, colour, 0.75), colour_layer(blur(marks, 4), colour, 0.35))


def tick(frame: np.ndarray, look: Look, index: int) -> None:
    """Draw what moves: the time code, the recording lamp, a needle on the scale."""
    seconds = index / FRAMES_PER_SECOND
    code = f"00:{int(seconds):02d}:{index % FRAMES_PER_SECOND:02d}"
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
