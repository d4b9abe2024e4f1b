"""A picture as a hologram's panel: cropped, its light as lines and as a glowing picture, turned in space."""

from __future__ import annotations

import cv2
import numpy as np

from providers.studio.film.person.photo import Photo

from .canvas import PLATE_HEIGHT, PLATE_WIDTH, bgr, blur, sixteenths, to_unit
from .looks import Look

PANEL_WIDTH, PANEL_HEIGHT = 560, 640  # plate px: a picture is fitted into it
ASPECTS = (0.72, 1.3)  # width by height; other pictures are cropped to their middle
EDGE = 44  # px of glow around the panel
CENTRE = (PLATE_WIDTH / 2, PLATE_HEIGHT * 0.40)  # plate px
EYE = 1500.0  # plate px from the eye to the panel
LINE_STEP = 9  # px between two lines of the scan
MIDDLE = 0.40  # the mean brightness that a picture is brought to, 0..1
PAPER = 0.66  # the mean brightness from which a picture counts as one on paper
RISE = 30  # px by which white is drawn above black


def cropped(photo: Photo) -> np.ndarray:
    """The middle of a picture, cropped to ASPECTS; transparent parts become dark."""
    pixels = photo.pixels
    if photo.alpha is not None:
        pixels = cv2.multiply(pixels, cv2.merge([photo.alpha] * 3), scale=1 / 255)
    height, width = pixels.shape[:2]
    aspect = min(max(width / height, ASPECTS[0]), ASPECTS[1])
    new_width, new_height = min(width, round(height * aspect)), min(height, round(width / aspect))
    left, top = (width - new_width) // 2, (height - new_height) // 2
    cropped = pixels[top : top + new_height, left : left + new_width]
    scale = min(PANEL_WIDTH / new_width, PANEL_HEIGHT / new_height)
    size = (max(2, round(new_width * scale)), max(2, round(new_height * scale)))
    return cv2.resize(cropped, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def brightness(image: np.ndarray) -> np.ndarray:
    """The brightness of a picture's pixels, stretched to 0..1."""
    gray = to_unit(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    low, high = np.percentile(gray, (2, 98))
    light = np.clip((gray - low) / max(0.08, high - low), 0, 1)
    # On white paper the ink glows instead of the paper, which would be glaring. A night shot is brightened.
    if light.mean() > PAPER:
        light = 1 - light
    bend = np.log(MIDDLE) / np.log(min(0.95, max(0.08, float(light.mean()))))
    return (light ** min(3.0, max(0.45, bend))).astype(np.float32)


def contours(relief: np.ndarray, rise: float) -> np.ndarray:
    """Lines across a picture, drawn higher where it is bright; the result has RISE more rows than the picture."""
    height, width = relief.shape
    drawn = np.zeros((height + RISE, width), np.uint8)
    columns = np.arange(0, width, 4)
    rows = np.arange(LINE_STEP // 2, height, LINE_STEP)
    heights = relief[np.ix_(rows, columns)]
    lines = np.empty((len(rows), len(columns), 2), np.float32)
    lines[..., 0], lines[..., 1] = columns[None], rows[:, None] + RISE - heights * rise
    for points, strength in zip(sixteenths(lines), heights.mean(axis=1), strict=True):
        cv2.polylines(drawn, [points], False, int(150 + 105 * strength), 1, cv2.LINE_AA, 4)
    return drawn


def projected(image: np.ndarray, look: Look) -> np.ndarray:
    """The picture as premultiplied light: in the look's colours, striped, with bright edges and a glowing frame."""
    height, width = image.shape[:2]
    light = brightness(image)[..., None]
    low, mid = bgr(look.left_light) * 0.30, bgr(look.hud_colour) * 0.80
    ramp = np.where(light < 0.5, low + (mid - low) * light * 2, mid + (205 - mid) * (light * 2 - 1))
    edges = np.hypot(*(cv2.Sobel(light[..., 0], cv2.CV_32F, *axis) for axis in ((1, 0), (0, 1))))
    paled = image.astype(np.float32) * np.clip(
        light / np.maximum(to_unit(image).max(axis=2, keepdims=True), 0.05), 0, 1.6
    )
    colour = 0.42 * ramp + 0.58 * paled
    colour += np.clip(edges, 0, 1)[..., None] * bgr(look.hud_colour) * 0.45
    cover = np.clip(0.60 + 0.4 * light, 0, 0.95)
    striped = np.where(np.arange(height) % 4 < 1, 0.68, 1.0)[:, None, None]
    inside = np.dstack([colour * cover * striped, cover * 255])
    panel = np.zeros((height + 2 * EDGE, width + 2 * EDGE, 4), np.float32)
    # Two corners are cut off, like those of a chip.
    cut = min(40, width // 6, height // 6)
    left, top, right, bottom = EDGE, EDGE, EDGE + width - 1, EDGE + height - 1
    outline = [
        (left + cut, top),
        (right, top),
        (right, bottom - cut),
        (right - cut, bottom),
        (left, bottom),
        (left, top + cut),
    ]
    shape, frame = np.zeros(panel.shape[:2], np.float32), np.zeros(panel.shape[:2], np.float32)
    cv2.fillPoly(shape, [sixteenths(np.array(outline))], 1.0, cv2.LINE_AA, 4)
    cv2.polylines(frame, [sixteenths(np.array(outline))], True, 1.0, 3, cv2.LINE_AA, 4)
    panel[EDGE:-EDGE, EDGE:-EDGE] = inside
    panel *= shape[..., None]
    panel[..., :3] += (blur(frame, 12) * 2.2 + blur(frame, 3))[..., None] * bgr(look.hud_colour) * 0.8
    panel[..., :3] = panel[..., :3] * (1 - frame[..., None]) + (bgr(look.hud_colour) * 0.5 + 128) * frame[..., None]
    panel[..., 3] = np.maximum(panel[..., 3], frame * 255)
    return np.clip(panel, 0, 255).astype(np.uint8)


def facing(panel: np.ndarray, matrix: np.ndarray, yaw: float, lift: float) -> np.ndarray:
    """The perspective of a panel that is turned about its vertical axis, seen through a plate → frame matrix."""
    height, width = panel.shape[:2]
    corners, placed = [(0, 0), (width, 0), (width, height), (0, height)], []
    for x, y in corners:
        side, up = x - width / 2, y - height / 2
        scale = EYE / (EYE + side * np.sin(yaw))
        placed.append((CENTRE[0] + side * np.cos(yaw) * scale, CENTRE[1] + lift + up * scale))
    on_frame = np.array(placed) @ matrix[:, :2].T + matrix[:, 2]
    return cv2.getPerspectiveTransform(np.array(corners, np.float32), on_frame.astype(np.float32))
