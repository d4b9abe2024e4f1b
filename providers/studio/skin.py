"""Keep skin the colour it is: how bright a face should be in the film, and the grade that brings it there.

The city's light may colour the sides of a face, never its middle: what lies inside LIT_CENTRE keeps the photo's mean
hue, and about its saturation. Dark skin stays darker than pale skin, and a dim photo of either is exposed well.
"""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import smoothstep
from .vision import LIT_CENTRE

DARKEST, RANGE = 0.28, 0.25  # luma of the lit centre in the film: of black skin, and how much brighter white skin is
DIM = (0.2, 0.45)  # luma of the brightest parts of photos taken in hardly any light, and in enough
GOOD_LIGHT = 0.68  # what is bright in a well-lit photo is at least this bright
SATURATION_KEPT = 0.92  # the night takes a little
MOST_SATURATED = 0.62  # what is more is a colour cast, or noise of a dark photo
GAINS = (0.4, 4.0)  # how far the grade may bend one channel
ROUNDS = 4
SHOULDER, TOP = 0.58, 0.90  # of 1: brighter skin is compressed to below the top, and not burnt out by the bloom


def wanted_luma(face: float, white: float) -> float:
    """Return the luma, 0..1, that a face should have in the film.

    `face` is its median luma in the photo, `white` that of the photo's brightest parts: their ratio tells skin from
    light, as far as one photo can. Where nothing at all is bright, the light was dim; else it was good enough.
    """
    good = max(white, GOOD_LIGHT)
    reference = white + (good - white) * smoothstep(*DIM, white)
    return DARKEST + RANGE * min(1.0, face / max(reference, 0.05))


def centre_mask(points: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """The lit centre in a window of the picture that the mesh points are in; uint8."""
    mask = np.zeros((height, width), np.uint8)
    ring = np.round((points[list(LIT_CENTRE), :2] - (left, top)) * 16).astype(np.int32)
    cv2.fillPoly(mask, [ring], 255, cv2.LINE_AA, 4)
    return mask


def wanted_colour(photo: np.ndarray, luma: float) -> np.ndarray:
    """Return the photo's mean skin (BGR, 0..255) at another luma: its hue, and most of its saturation."""
    gray = float(photo @ (0.114, 0.587, 0.299))
    scaled = photo * (luma * 255 / max(gray, 1.0))
    saturation = 1 - scaled.min() / max(scaled.max(), 1e-3)
    kept = min(SATURATION_KEPT, MOST_SATURATED / max(saturation, 1e-3))
    return luma * 255 + (scaled - luma * 255) * kept


def table(base: np.ndarray, lights: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the look-up table (256 x 1 x 4) that brings skin to the wanted colour; alpha stays.

    `base` is the skin without the city's lights, as 3 x 256 histograms of blue, green and red; `lights` what they
    add to its mean, `wanted` the mean that is to come out, both BGR, 0..255. Bright skin is compressed.
    """
    values = np.arange(256, dtype=np.float64) / 255
    shares = base / np.maximum(base.sum(1, keepdims=True), 1)
    wanted = np.maximum(wanted - lights, 2) / 255
    gains = np.ones(3)
    for _ in range(ROUNDS):  # compressing takes from the mean again
        means = (shares * _compressed(gains[:, None] * values)).sum(1)
        gains = np.clip(gains * wanted / np.maximum(means, 1e-3), *GAINS)
    graded = np.vstack([_compressed(gains[:, None] * values), values])
    return np.clip(graded * 255 + 0.5, 0, 255).astype(np.uint8).T[:, None].copy()


def _compressed(light: np.ndarray) -> np.ndarray:
    over = np.maximum(light - SHOULDER, 0) / (TOP - SHOULDER)
    return np.minimum(light, SHOULDER) + (TOP - SHOULDER) * over / (1 + over)
