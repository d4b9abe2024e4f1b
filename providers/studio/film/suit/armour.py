"""The hero's suit, modelled from polygons and lit by the same lights as the face.

Points are (u, v) in face widths: u to the right of the chin, v below it. Every part adds to a height field (a bevel or
dome from its distance transform), grooves subtract from it, strips glow. It is made once per look, on a canvas with a
face 250 px wide, and stored by `tools/bake.py`; `suit.py` fits it to each person.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.studio.film.canvas import PLATE_WIDTH, Colour, bgr, blur, sixteenths, to_byte, to_unit, wide_blur
from providers.studio.film.looks import Look

from .shapes import Point
from .suits import COLLARS, MODELS

FACE_WIDTH = 250.0  # canvas px
CHIN_X, CHIN_Y = PLATE_WIDTH / 2, 190.0  # canvas px
HEIGHT, WIDTH = 1180, PLATE_WIDTH


@dataclass(frozen=True)
class Armour:
    """The suit on its canvas, in light layers with a mask in the fourth channel, so that one warp moves both."""

    base: np.ndarray  # BGRA; fourth channel: the suit's alpha
    left: np.ndarray  # fourth channel: the inside of the collar, behind the neck
    right: np.ndarray  # fourth channel: that collar's upper rim
    sweep: np.ndarray  # fourth channel: the suit's shadow on the neck


def forge(look: Look) -> Armour:
    """Model and light the suit of a look."""
    canvas = Canvas()
    MODELS[look.suit.cut](canvas, look.suit)
    return _light(canvas, look)


def on_canvas(points: list[Point]) -> np.ndarray:
    """Face widths as canvas px; shoulders and waist are squeezed a little, for a slimmer figure."""
    placed = []
    for u, v in points:
        reach = abs(u) if abs(u) < 0.7 else 0.7 + (abs(u) - 0.7) * 0.80
        drop = v if v < 0.5 else 0.5 + (v - 0.5) * 0.88
        placed.append((CHIN_X + np.sign(u) * reach * FACE_WIDTH, CHIN_Y + drop * FACE_WIDTH))
    return np.array(placed)


class Canvas:
    def __init__(self) -> None:
        self.heights = np.zeros((HEIGHT, WIDTH), np.float32)  # px towards the camera
        self.alpha = np.zeros((HEIGHT, WIDTH), np.float32)
        self.colours = np.zeros((HEIGHT, WIDTH, 3), np.float32)  # BGR
        self.glow = np.zeros((HEIGHT, WIDTH), np.float32)
        self.shine = np.zeros((HEIGHT, WIDTH), np.float32)

    def part(
        self, points: list[Point], level: float, bevel: float, colour: Colour, dome: float = 0.0, shine: float = 1.0
    ) -> None:
        """Add a piece of armour on top; level, bevel and dome in face widths."""
        corners = sixteenths(on_canvas(points))
        left, top = np.maximum(np.floor(corners.min(0) / 16).astype(int) - 2, 0)
        right, bottom = np.minimum(np.ceil(corners.max(0) / 16).astype(int) + 3, (WIDTH, HEIGHT))
        if right - left < 4 or bottom - top < 4:
            return
        margin = int(bevel * FACE_WIDTH) + 4
        mask = np.zeros((bottom - top + 2 * margin, right - left + 2 * margin), np.uint8)
        origin = np.array([(left - margin) * 16, (top - margin) * 16])
        cv2.fillPoly(mask, [corners - origin], 255, cv2.LINE_AA, 4)
        distance = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5)[margin:-margin, margin:-margin]
        cover = to_unit(mask[margin:-margin, margin:-margin])
        inwards = np.clip(distance / (bevel * FACE_WIDTH), 0, 1)
        relief = bevel * FACE_WIDTH * 0.9 * np.sqrt(1 - (1 - inwards) ** 2)
        if dome:
            inwards = np.clip(distance / (dome * FACE_WIDTH), 0, 1)
            relief = relief + dome * FACE_WIDTH * 0.55 * (1 - (1 - inwards) ** 2)
        window = np.s_[top:bottom, left:right]
        under = 1 - cover
        self.heights[window] = self.heights[window] * under + (level * FACE_WIDTH + relief) * cover
        self.colours[window] = self.colours[window] * under[..., None] + bgr(colour) * cover[..., None]
        self.alpha[window] = np.maximum(self.alpha[window], cover)
        self.glow[window] *= under
        self.shine[window] = self.shine[window] * under + shine * cover

    def strip(self, points: list[Point], width: float, gain: float = 1.0, closed: bool = False) -> None:
        """Add a glowing line."""
        line = self._line(points, max(1, round(width * FACE_WIDTH)), closed)
        np.maximum(self.glow, line * np.float32(gain), out=self.glow)

    def groove(self, points: list[Point], width: float = 0.012, depth: float = 0.05) -> None:
        """Cut a groove along a line."""
        line = self._line(points, max(2, round(width * FACE_WIDTH)))
        self.heights -= blur(line, 0.8) * depth * FACE_WIDTH
        self.colours *= 1 - 0.6 * line[..., None]

    @staticmethod
    def _line(points: list[Point], width: int, closed: bool = False) -> np.ndarray:
        line = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.polylines(line, [sixteenths(on_canvas(points))], closed, 255, width, cv2.LINE_AA, 4)
        return to_unit(line)


def _unit(*direction: float) -> np.ndarray:
    return np.array(direction, np.float32) / np.float32(np.linalg.norm(direction))


def _light(canvas: Canvas, look: Look) -> Armour:
    random = np.random.default_rng(5)  # the suit's scratches are the same for everyone
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    heights, alpha, shine = blur(canvas.heights, 1.0), canvas.alpha, look.suit.shine * canvas.shine
    slope_x = cv2.Sobel(heights, cv2.CV_32F, 1, 0, ksize=3) / 8
    slope_y = cv2.Sobel(heights, cv2.CV_32F, 0, 1, ksize=3) / 8
    grain = blur(random.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), 1.0) * 0.035
    blotches = random.normal(0, 1, (HEIGHT // 24 + 2, WIDTH // 24 + 2)).astype(np.float32)
    blotches = cv2.resize(blotches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    slope_x, slope_y = slope_x + grain, slope_y + grain
    across = np.clip((columns - CHIN_X) / (2.5 * FACE_WIDTH), -1, 1)  # the body's own roundness
    length = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    normals = np.stack([-slope_x * length + across * 0.33, -slope_y * length - 0.08, length], -1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)

    def facing(*direction: float) -> np.ndarray:
        return np.clip(normals @ _unit(*direction), 0, None)

    albedo = canvas.colours / 255 * (1 + 0.10 * blotches[..., None])
    brightness = albedo.max(2)
    hue = albedo / np.maximum(brightness[..., None], 1e-3)
    crevice = 0.16 * FACE_WIDTH
    occlusion = np.clip(1 - 0.9 * np.clip(blur(heights, 0.07 * FACE_WIDTH) - heights, 0, crevice) / crevice, 0.25, 1)
    fall = np.clip(1.10 - (rows / FACE_WIDTH - 0.9) * 0.20, 0.30, 1) * occlusion  # darker towards the belt

    highlight = (facing(0.05, -0.55, 0.83) ** 26 * shine * 70 * fall)[..., None] * np.array([1.05, 1, 0.95], np.float32)
    lit = (albedo * 255 * (0.10 + 0.95 * facing(-0.15, -0.55, 0.82)[..., None] ** 2.2) + highlight) * fall[..., None]
    from_left = facing(-0.92, -0.30, 0.25) ** 1.6 * (0.25 + 1.3 * brightness)
    from_right = facing(0.92, -0.25, 0.22) ** 1.6 * (0.25 + 1.3 * brightness)
    from_left = (from_left + facing(-0.60, -0.35, 0.72) ** 22 * 0.75 * shine) * fall
    from_right = (from_right + facing(0.60, -0.30, 0.74) ** 22 * 0.75 * shine) * fall
    passing = facing(0.45, -0.2, 0.85) ** 10
    passing = (passing * (0.1 + brightness) + passing**3 * 0.4 * shine) * fall

    collar, rim, shadow = _collar_masks(alpha, COLLARS[look.suit.cut])
    emitted = _emitted(canvas, look, columns, brightness)

    def layer(
        light: np.ndarray, colour: np.ndarray, gain: float, tint: np.ndarray | None, mask: np.ndarray
    ) -> np.ndarray:
        painted = light[..., None] * (colour * gain)
        if tint is not None:
            painted = painted * (0.45 + 0.55 * tint)
        return np.dstack([np.clip(painted * alpha[..., None], 0, 255).astype(np.uint8), to_byte(mask)])

    base = np.clip((lit + emitted) * alpha[..., None], 0, 255).astype(np.uint8)
    return Armour(
        base=np.dstack([base, to_byte(alpha)]),
        left=layer(from_left, bgr(look.left_light), 1.15, hue, collar),
        right=layer(from_right, bgr(look.right_light), 1.1, hue, rim),
        sweep=layer(passing, bgr((255, 255, 255)), 0.55, None, shadow),
    )


def _emitted(canvas: Canvas, look: Look, columns: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """The light of the glowing strips, and their reflection on the plates around them."""
    core = blur(canvas.glow, 0.012 * FACE_WIDTH)
    spill = wide_blur(canvas.glow, 0.09 * FACE_WIDTH)
    colour = bgr(look.circuit_colour)
    if look.strips == "left light":
        colour = bgr(look.left_light)
    if look.strips == "lights":
        across = np.clip(0.5 + (columns - CHIN_X) / (1.6 * FACE_WIDTH), 0, 1)[..., None]
        colour = bgr(look.left_light) * (1 - across) + bgr(look.right_light) * across
    near = np.clip(core * 1.25, 0, 1)[..., None] * (colour * 0.75 + 60)
    return near + spill[..., None] * colour * 1.7 * (0.5 + brightness)[..., None]


def _collar_masks(alpha: np.ndarray, outline: list[Point]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The inside of the collar, its upper rim, and the suit's shadow on the neck."""
    back = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(back, [sixteenths(on_canvas(outline))], 255, cv2.LINE_AA, 4)
    inside = to_unit(back) * (1 - alpha)
    rim = np.clip(inside - np.roll(inside, 3, 0), 0, 1)
    upwards = np.array([[1, 0, 0], [0, 1, -0.08 * FACE_WIDTH]], np.float32)
    shadow = blur(cv2.warpAffine(alpha, upwards, (WIDTH, HEIGHT)), 0.075 * FACE_WIDTH) * 0.9
    return inside, rim, shadow
