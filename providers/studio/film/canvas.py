"""The sizes of plates and frames, and pixel arithmetic for all stages.

Scenery and people are painted on plates of 1.2 times the frame's size, so that the camera can move; a frame is a warp
of plates. Layers are BGRA uint8 with premultiplied colour, because OpenCV warps four channels faster than three.
Colours are written as RGB and converted to BGR where they are used.
"""

from __future__ import annotations

import cv2
import numpy as np

from .memory import Scratch

PLATE_WIDTH, PLATE_HEIGHT = 864, 1536
FRAME_WIDTH, FRAME_HEIGHT = 720, 1280
FRAMES_PER_SECOND = 24
VANISHING_POINT = (PLATE_WIDTH / 2, PLATE_HEIGHT * 0.5)  # plate px; the horizon lies at its height
FOCAL_LENGTH = PLATE_WIDTH * 0.95  # plate px

Colour = tuple[float, float, float]  # RGB, 0..255
Scalar = tuple[float, float, float, float]  # BGRA as cv2's drawing functions want it

INVERSE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


def bgr(colour: Colour) -> np.ndarray:
    """An RGB colour as float32 BGR."""
    return np.array(colour[::-1], np.float32)


def scalar(colour: Colour, gain: float = 1.0) -> Scalar:
    """An RGB colour as a BGRA scalar that leaves alpha alone when added."""
    red, green, blue = colour
    return blue * gain, green * gain, red * gain, 0.0


def smoothstep(low: float, high: float, value: float) -> float:
    """0 below `low`, 1 above `high`, smooth between."""
    ratio = min(1.0, max(0.0, (value - low) / (high - low)))
    return ratio * ratio * (3 - 2 * ratio)


def smoothsteps(low: float, high: float, values: np.ndarray) -> np.ndarray:
    """`smoothstep` for arrays."""
    ratio = np.clip((values - low) / (high - low), 0, 1)
    return ratio * ratio * (3 - 2 * ratio)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def wide_blur(image: np.ndarray, sigma: float, shrink: int = 4) -> np.ndarray:
    """A Gaussian blur made at a fraction of the size: for sigmas of several pixels the difference is invisible."""
    small = cv2.resize(image, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    return cv2.resize(blur(small, sigma / shrink), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def glow(mask: np.ndarray, sigma: float, gain: float = 1.0) -> np.ndarray:
    """The glow around a mask."""
    return (blur(mask, sigma) if sigma < 7 else wide_blur(mask, sigma)) * gain


def to_byte(mask: np.ndarray) -> np.ndarray:
    """0..1 as 0..255."""
    return np.clip(mask * 255, 0, 255).astype(np.uint8)


def to_unit(mask: np.ndarray) -> np.ndarray:
    """0..255 as 0..1, float32."""
    return mask.astype(np.float32) * np.float32(1 / 255)


def gray_layer(mask: np.ndarray) -> np.ndarray:
    """A mask repeated in all four channels, to multiply or add whole layers with."""
    return cv2.merge([mask, mask, mask, mask])


def colour_layer(mask: np.ndarray, colour: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """A byte mask painted in a BGR colour, alpha 0: light to be added."""
    channels = [cv2.convertScaleAbs(mask, alpha=float(value) * gain / 255) for value in colour]
    return cv2.merge([*channels, np.zeros_like(mask)])


def composite(below: np.ndarray, above: np.ndarray, scratch: Scratch | None = None) -> np.ndarray:
    """Lay a premultiplied layer over an opaque picture, in place."""
    if scratch is None:
        scratch = Scratch()
    height, width = above.shape[:2]
    # 255 - alpha in all four bytes of a pixel: a third faster on whole pixels than on channels.
    pixels = above.view(np.uint32)[..., 0]
    kept = scratch.get("kept", (max(height, FRAME_HEIGHT), max(width, FRAME_WIDTH)), np.uint32)[:height, :width]
    np.right_shift(pixels, 24, out=kept)
    np.subtract(255, kept, out=kept)
    np.multiply(kept, 0x01010101, out=kept)
    cv2.multiply(below, kept.view(np.uint8).reshape(height, width, 4), below, 1 / 255)
    return cv2.add(below, above, below)


def camera(zoom: float, x: float, y: float, roll: float = 0.0, to: tuple[float, float] | None = None) -> np.ndarray:
    """The plate → frame matrix that shows plate point (x, y) at frame point `to` (the middle).

    Zoom 1 shows the whole plate's width.
    """
    frame_x, frame_y = to or (FRAME_WIDTH / 2, FRAME_HEIGHT / 2)
    scale = zoom * FRAME_WIDTH / PLATE_WIDTH
    cos, sin = np.cos(roll) * scale, np.sin(roll) * scale
    return np.array(
        [[cos, -sin, frame_x - cos * x + sin * y], [sin, cos, frame_y - sin * x - cos * y]],
        np.float64,
    )


def inverse(matrix: np.ndarray) -> np.ndarray:
    return cv2.invertAffineTransform(matrix)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move n x 2 points by a 2 x 3 matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def sixteenths(points: np.ndarray) -> np.ndarray:
    """Points for cv2's drawing functions with shift=4."""
    return np.round(np.asarray(points) * 16).astype(np.int32)


def stamp(picture: np.ndarray, mask: np.ndarray, x: int, y: int) -> None:
    """Take the maximum of a byte mask and another at (x, y), in place; parts outside are cut off."""
    target, source = _overlap(picture, mask, x, y)
    np.maximum(target, source, out=target)


def shine(picture: np.ndarray, mask: np.ndarray, colour: Colour, x: int, y: int, gain: float = 1.0) -> None:
    """Add a byte mask in a colour to a BGRA picture at (x, y), in place; parts outside are cut off."""
    target, source = _overlap(picture, mask, x, y)
    if source.size:
        cv2.add(target, colour_layer(source, bgr(colour), gain), target)


def _overlap(picture: np.ndarray, mask: np.ndarray, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    height, width = mask.shape[:2]
    left, top = max(0, x), max(0, y)
    right, bottom = max(left, min(picture.shape[1], x + width)), max(top, min(picture.shape[0], y + height))
    return picture[top:bottom, left:right], mask[top - y : bottom - y, left - x : right - x]
