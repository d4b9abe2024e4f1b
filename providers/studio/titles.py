"""The title strip: SELFIE HERO // NAME // A CYBERPUNK STORY // STARRING YOU."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from .canvas import FRAME_HEIGHT, FRAME_WIDTH, Colour, bgr, blur, glow, gray_layer, scalar, smoothsteps, to_unit
from .lettering import LINE, TITLE, name_mask, showable, text_mask
from .looks import Look

STRIP_HEIGHT = 330  # px
STRIP_TOP = int(FRAME_HEIGHT * 0.715)
SHADE_TOP = int(FRAME_HEIGHT * 0.6)
MARGIN = 35  # px kept free left and right
DEFAULT_NAME = "THE HERO"
NAME_SIZE = 50


def make_title(look: Look, hero_name: str) -> np.ndarray:
    """The strip as a premultiplied layer. An empty name, or one no font can show, becomes THE HERO."""
    strip = np.zeros((STRIP_HEIGHT, FRAME_WIDTH, 4), np.float32)
    cool = tuple(int(0.45 * 255 + 0.55 * channel) for channel in look.right_light)
    width = _put(strip, look, text_mask("SELFIE HERO", TITLE, 78, spacing=2), 40, (255, 255, 255), cool)
    name = showable(hero_name).upper() or DEFAULT_NAME
    _put(strip, look, _name(name), 150, (255, 235, 250), look.left_light, 0.8)
    left = (FRAME_WIDTH - width) // 2
    cv2.rectangle(strip, (left, 138), (left + width, 140), scalar(look.right_light), -1)
    cv2.rectangle(strip, (left, 138), (left + 70, 143), scalar((255, 255, 255)), -1)
    line = text_mask("A CYBERPUNK STORY  //  STARRING YOU", LINE, 25, spacing=5)
    _put(strip, look, line, 232, (235, 240, 255), (200, 210, 235), 0.25)
    return np.clip(strip, 0, 255).astype(np.uint8)


@cache
def shade() -> np.ndarray:
    """What darkens the frame below SHADE_TOP, so that the title can be read."""
    rows = np.arange(SHADE_TOP, FRAME_HEIGHT)
    darker = smoothsteps(FRAME_HEIGHT * 0.60, FRAME_HEIGHT * 0.90, rows.astype(np.float32)) * 105
    return gray_layer(np.repeat(darker.astype(np.uint8)[:, None], FRAME_WIDTH, axis=1))


def _name(name: str) -> np.ndarray:
    """The name on one line, at most as wide as the strip allows, at the height of a 50 px line."""
    text, widest = f"// {name}", FRAME_WIDTH - 2 * MARGIN
    mask = name_mask(text, NAME_SIZE, spacing=8)
    ratio = widest / mask.shape[1]
    if ratio >= 1:
        return mask
    size = max(12, int(NAME_SIZE * ratio))
    mask = name_mask(text, size, spacing=max(1, int(8 * ratio)))
    height = int(NAME_SIZE * 1.3)
    above = (height - mask.shape[0]) // 2
    return np.pad(mask, ((max(0, above), max(0, height - mask.shape[0] - above)), (0, 0)))


def _put(
    strip: np.ndarray, look: Look, mask: np.ndarray, y: int, top: Colour, bottom: Colour, gain: float = 1.0
) -> int:
    """Centre a line of text on the strip, in a vertical gradient, glowing; return its width."""
    widest = FRAME_WIDTH - 2 * MARGIN
    if mask.shape[1] > widest:
        ratio = widest / mask.shape[1]
        mask = cv2.resize(mask, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    height, width = mask.shape
    left = (FRAME_WIDTH - width) // 2
    reach = 54  # three sigmas of the wide glow
    rows = np.s_[max(0, y - reach) : min(STRIP_HEIGHT, y + height + reach)]
    letters = np.zeros((STRIP_HEIGHT, FRAME_WIDTH), np.uint8)
    letters[y : y + height, left : left + width] = mask
    letters = to_unit(letters[rows])
    light = blur(letters, 5) * 0.8 + glow(letters, 18, 0.8)
    down = np.arange(STRIP_HEIGHT, dtype=np.float32)[rows]
    ratio = np.clip((down - y - height * 0.15) / (height * 0.7), 0, 1)[:, None, None]
    colour = bgr(top) * (1 - ratio) + bgr(bottom) * ratio
    region, cover = strip[rows], letters[..., None]
    region[..., :3] += light[..., None] * (bgr(look.left_light) * 0.85 * gain)
    region[..., :3] = region[..., :3] * (1 - cover) + colour * cover
    region[..., 3] = np.maximum(region[..., 3], letters * 255)
    return width
