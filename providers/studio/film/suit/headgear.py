"""Metal worn on the head: a forehead plate with a crescent or with rays, shaded by the look's lights."""

from __future__ import annotations

import cv2
import numpy as np

from providers.faces.vision import NOSE_BRIDGE
from providers.studio.film.canvas import Colour, bgr, blur, glow, to_unit
from providers.studio.film.looks import Look
from providers.studio.film.person.faceframe import FaceFrame

TEMPLE_LEFT, TEMPLE_RIGHT = 127, 356
STEEL: Colour = (122, 122, 134)


def forehead_plate(frame: FaceFrame, look: Look, keep: np.ndarray, light: np.ndarray) -> None:
    """Draw the plate over the brow, its straps and its crest into `keep` and `light`."""
    unit, along, at = frame.unit, frame.along, frame.at
    brow = min(frame.below(number) for number in (105, 334, 66, 296)) - 0.01 * unit
    left, right = along(TEMPLE_LEFT) - 0.06 * unit, along(TEMPLE_RIGHT) + 0.06 * unit
    ways = np.linspace(-1, 1, 17)
    middle, half = (left + right) / 2, (right - left) / 2

    def band(top: float, bottom: float, reach: float) -> np.ndarray:
        """A band that dips to the temples, as it runs round the head."""
        upper = [at(middle + way * half * reach, brow + (top + 0.10 * way * way) * unit) for way in ways]
        lower = [at(middle + way * half * reach, brow + (bottom + 0.07 * way * way) * unit) for way in ways]
        return np.array(upper + lower[::-1])

    _metal(frame, look, keep, light, band(-0.27, -0.02, 1.0), (44, 38, 46), 0.05)  # the cloth it is sewn on
    _metal(frame, look, keep, light, band(-0.245, -0.045, 0.80), STEEL, 0.035)
    lamp = frame.blank()
    line = [at(middle + way * half * 0.80, brow + (-0.045 + 0.07 * way * way * 0.64) * unit) for way in ways]
    cv2.polylines(lamp, [frame.local(np.array(line))], False, 255, max(1, int(frame.hairline * 1.2)), cv2.LINE_AA, 4)
    lamp = to_unit(lamp)
    light += (lamp * 0.9 + glow(lamp, unit * 0.03, 1.6))[..., None] * bgr(look.left_light) * 0.8
    if look.suit.cut == "radiant":
        for number in range(-3, 4):
            _metal(frame, look, keep, light, _ray(frame, middle, brow, number), look.suit.trim, 0.018)
    for side in (-1, 1):
        if look.suit.cut != "radiant":
            _metal(frame, look, keep, light, _horn(frame, middle, brow, side), look.suit.trim, 0.022)
        for share in (0.42, 0.66):
            rivet = at(middle + side * half * share, brow + (-0.145 + 0.08 * share * share) * unit)
            _metal(frame, look, keep, light, _disc(rivet, 0.022 * unit), look.suit.trim, 0.015)
    boss = at(middle, brow - 0.15 * unit)
    _metal(frame, look, keep, light, _disc(boss, 0.085 * unit), look.suit.trim, 0.03)
    _metal(frame, look, keep, light, _disc(boss, 0.048 * unit), (120, 16, 20), 0.03)


def _horn(frame: FaceFrame, middle: float, brow: float, side: int) -> np.ndarray:
    """Half of a crescent that rises from the plate's middle."""
    turn = np.linspace(0, 1, 14)
    outer_x, outer_y = 0.05 + 0.46 * np.sin(turn * 1.45), -0.16 - 0.52 * turn**1.5
    inner_x, inner_y = 0.02 + 0.37 * np.sin(turn * 1.45) + 0.055 * turn, -0.21 - 0.47 * turn**1.5
    outline = np.vstack([np.stack([outer_x, outer_y], 1), np.stack([inner_x, inner_y], 1)[::-1]]) * frame.unit
    return np.array([frame.at(middle + side * x, brow + y) for x, y in outline])


def _ray(frame: FaceFrame, middle: float, brow: float, number: int) -> np.ndarray:
    """One of the rays of a rising sun, counted from the upright one to both sides."""
    angle, long = number * 0.42, 0.40 if number % 2 == 0 else 0.29
    way, out = np.array((np.sin(angle), -np.cos(angle))), np.array((np.cos(angle), np.sin(angle)))
    corners = (0.08 * way - 0.036 * out, long * way, 0.08 * way + 0.036 * out)
    return np.array([frame.at(middle + x * frame.unit, brow + (y - 0.15) * frame.unit) for x, y in corners])


def _disc(centre: np.ndarray, radius: float) -> np.ndarray:
    angles = np.arange(20) * np.pi / 10
    return centre + np.stack([np.cos(angles), np.sin(angles)], 1) * radius


def _metal(
    frame: FaceFrame, look: Look, keep: np.ndarray, light: np.ndarray, outline: np.ndarray, colour: Colour, bevel: float
) -> None:
    """Lay a piece of metal on the face: rounded edges, lit from above and by the two lights."""
    corners = frame.local(outline)
    margin = int(frame.unit * bevel) + 6
    left, top = np.maximum(corners.min(0) // 16 - margin, 0).tolist()
    right, bottom = np.minimum(corners.max(0) // 16 + margin, (frame.width, frame.height)).tolist()
    if right - left < 4 or bottom - top < 4:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [corners - np.array([left, top], np.int32) * 16], 255, cv2.LINE_AA, 4)
    reach = max(1.5, frame.unit * bevel)
    distance = np.clip(cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5) / reach, 0, 1)
    heights = blur(reach * np.sqrt(1 - (1 - distance) ** 2), max(0.8, reach * 0.22))
    slope_x, slope_y = (cv2.Sobel(heights, cv2.CV_32F, dx, dy, ksize=3, scale=1 / 8) for dx, dy in ((1, 0), (0, 1)))
    length = 1 / np.sqrt(slope_x**2 + slope_y**2 + 1)
    x, y = -slope_x * length, -slope_y * length
    # Bands run round the head, so their normals point left on the left of the nose.
    round_head = (np.arange(mask.shape[1]) + left + frame.window[0] - frame.points[NOSE_BRIDGE, 0]) / (frame.unit * 1.1)
    x = x + np.clip(round_head, -1, 1)[None].astype(np.float32) * 0.6
    tone, cover = bgr(colour), to_unit(mask)[..., None]
    lit = tone * (0.22 + 0.55 * np.clip(-y + 0.35, 0, 1))[..., None]
    lit = lit + np.clip(-y * 0.9 + length * 0.35, 0, 1)[..., None] ** 9 * 150
    for side, lamp in ((-1, look.left_light), (1, look.right_light)):
        lit = lit + np.clip(side * x - 0.12, 0, 1)[..., None] ** 1.4 * bgr(lamp) * 0.62 * (0.35 + tone.max() / 255)
    box = np.s_[top:bottom, left:right]
    keep[box] *= 1 - cover[..., 0] * 0.97
    light[box] = light[box] * (1 - cover) + lit * cover
