"""Colour for photos whose skin has none: black-and-white and cold ones.

A colour cast is taken out, then skin, lips, hair and eyes are tinted each in its own tone, as prints were by hand.
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.faces.vision import CHIN, FACE_OVAL
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, smoothsteps, wide_blur

from .cutout import Cutout
from .skin import LUMA, centre_mask, strangeness
from .whites import inner_lips, lid_ring

LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)  # mesh points
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
# BGR, in light of 1.
SKIN = np.array([0.68, 0.80, 1.0], np.float32)
LIP = np.array([0.66, 0.68, 1.0], np.float32)
HAIR = np.array([0.84, 0.92, 1.0], np.float32)
NEUTRAL = np.array([0.97, 0.99, 1.0], np.float32)
CAST = (0.6, 1.8)  # how far a colour cast is taken out of one channel
NECK = 0.55  # face heights below the chin that may be skin
LIKE_SKIN = (0.50, 0.80)  # luma, as a share of the face's: darker is hair or cloth


def tint(cutout: Cutout, skin: float) -> None:
    """Tint the colours of a cut-out in place, as far as its skin looks strange; `skin` is its luma, 0..1."""
    rows = cutout.photo_rows
    colours, points = cutout.colours[:rows], cutout.points
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    x, y = np.maximum(low.astype(int), 0).tolist()
    far_x, far_y = min(PLATE_WIDTH, int(high[0]) + 2), min(rows, int(high[1]) + 2)
    centre = centre_mask(points, x, y, far_x - x, far_y - y)
    mean = np.array(cv2.mean(colours[y:far_y, x:far_x], centre)[:3])
    share = strangeness(mean) if centre.any() else 0.0
    if share < 0.02:
        return
    half = (PLATE_WIDTH // 2, rows // 2)
    gray = cv2.cvtColor(cv2.resize(colours, half, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    unlike, like = (limit * skin for limit in LIKE_SKIN)
    like_skin = smoothsteps(unlike, like, cv2.blur(gray, (5, 5)).astype(np.float32) / 255)
    face = _mask(half, [points[list(FACE_OVAL), :2]], 0.02 * cutout.face_height)
    around = _mask(half, [_head(cutout)], 0.06 * cutout.face_height) * like_skin
    of_skin = np.maximum(face * np.maximum(like_skin, 0.35), around)
    tone = HAIR + (SKIN - HAIR) * of_skin[..., None]
    lips = [points[list(LIPS), :2]]
    white = [lid_ring(eye) for eye in cutout.eyes]
    for rings, colour, soft in (
        ([points[list(brow), :2] for brow in BROWS], HAIR, 0.02),
        (lips, LIP, 0.016),
        ([inner_lips(points), *white], NEUTRAL, 0.006),
    ):
        tone += (colour - tone) * _mask(half, rings, soft * cutout.face_height)[..., None]
    tone /= (tone @ LUMA)[..., None]
    tone *= np.clip(float(mean @ LUMA) / np.maximum(mean, 1), *CAST).astype(np.float32)
    tone = 1 + (tone - 1) * np.float32(share)
    tone = cv2.resize(np.clip(tone * 128, 0, 255).astype(np.uint8), (PLATE_WIDTH, rows), interpolation=cv2.INTER_LINEAR)
    cv2.multiply(colours, tone, colours, 1 / 128)


def _head(cutout: Cutout) -> np.ndarray:
    """Face, ears and neck, as a ring."""
    points = cutout.points[list(FACE_OVAL), :2]
    middle = points.mean(0)
    wide = middle + (points - middle) * (1.25, 1.10)
    chin, width = cutout.points[CHIN, :2], 0.36 * cutout.face_width
    neck = np.array([[chin[0] - width, chin[1]], [chin[0] + width, chin[1]]])
    below = neck + np.array([0, min(NECK * cutout.face_height, PLATE_HEIGHT - 1 - chin[1])])
    return cv2.convexHull(np.vstack([wide, neck, below]).astype(np.float32))[:, 0]


def _mask(size: tuple[int, int], rings: list[np.ndarray], soft: float) -> np.ndarray:
    """Rings of the plate filled on a picture of half its size, 0..1, with soft edges (plate px)."""
    mask = np.zeros(size[::-1], np.uint8)
    for ring in rings:
        cv2.fillPoly(mask, [np.round(ring * 8).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft = max(0.7, soft / 2)
    mask = wide_blur(mask, soft) if soft > 6 else cv2.GaussianBlur(mask, (0, 0), soft)
    return mask.astype(np.float32) / 255
