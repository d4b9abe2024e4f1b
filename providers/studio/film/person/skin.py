"""Skin colour: the brightness that a face should have in the film, and the grade that produces it.

The city's light may colour the sides of a face but not its middle: inside LIT_CENTRE the skin keeps the photo's mean
hue and roughly its saturation. Dark skin stays darker than pale skin, and dim photos of both are exposed well.
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.faces.vision import LIT_CENTRE
from providers.studio.film.canvas import blur, smoothstep

DARKEST, RANGE = 0.28, 0.25  # luma of the lit centre in the film: of black skin, and how much brighter white skin is
DIM = (0.2, 0.45)  # luma of the brightest parts of photos taken in very little light, and in enough
GOOD_LIGHT = 0.68  # what is bright in a well-lit photo is at least this bright
SATURATION_KEPT = 0.92  # the night scene reduces it a little
MOST_SATURATED = 0.62  # what is more is a colour cast, or noise of a dark photo
GAINS = (0.4, 4.0)  # how far the grade may bend one channel
ROUNDS = 5
BAND = 48  # rows graded at a time: they stay in the processor's cache
SHOULDER = 0.95  # of the brightest channel of the face's own colour: what is brighter is compressed
HIGHLIGHTS = 0.27  # of 1: all that is brighter, forehead, white hair and cloth, gets so much room above it
BRIGHTEST = 0.88  # of 1: nothing is brighter, so that the bloom burns nothing out
HEADROOM = 2.0  # graded light reaches so far before it is compressed
KNEE, TOP = 0.62, 0.90  # of 1: peaks above the knee are rounded off to the top, channel by channel
TOE, DARK = 0.30, 0.14  # share taken from black, and of 1: where that ends: dark hair and cloth stay dark
PALE = (0.10, 0.21)  # saturation of skin in photos without colour, and of skin that is left as it is
WARM_HUE, STRANGE_HUE = 22.0, (28.0, 60.0)  # degrees: of skin, and how far off it is strange
LUMA = np.array([0.114, 0.587, 0.299], np.float32)  # of BGR
COARSE = 4  # how much smaller the map of what is compressed is


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
    scaled = photo * (luma * 255 / max(float(photo @ LUMA), 1.0))
    saturation = 1 - scaled.min() / max(scaled.max(), 1e-3)
    kept = min(SATURATION_KEPT, MOST_SATURATED / max(saturation, 1e-3))
    return luma * 255 + (scaled - luma * 255) * kept


def strangeness(skin: np.ndarray) -> float:
    """How little a mean colour of skin (BGR) looks like skin in daylight or lamplight, 0..1.

    1 in black-and-white photos, and in light as blue or green as no lamp's.
    """
    blue, green, red = (float(value) for value in skin)
    hue = float(np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)))
    pale = 1 - smoothstep(*PALE, 1 - min(blue, green, red) / max(blue, green, red, 1.0))
    return max(pale, smoothstep(*STRANGE_HUE, abs((hue - WARM_HUE + 180) % 360 - 180)))


class Grade:
    """A grade that gives skin a colour. Bright light is compressed by its brightest channel, so that its hue stays."""

    def __init__(self, skin: np.ndarray, lights: np.ndarray, wanted: np.ndarray) -> None:
        """`skin` is the lit centre without the city's lights (n x 3), `lights` what they add to its mean.

        `wanted` is the mean that is to come out; all BGR, 0..255.
        """
        self._shoulder = float(np.clip(SHOULDER * wanted.max() / 255, 0.3, BRIGHTEST - 0.2))
        wanted = np.maximum(wanted - lights, 2) / 255
        pixels = skin.astype(np.float32) / 255
        gains = np.ones(3)
        for _ in range(ROUNDS):  # compressing takes from the mean again
            graded = pixels * gains
            means = _curve(graded * self._kept(graded.max(1).mean())).mean(0)
            gains = np.clip(gains * wanted / np.maximum(means, 1e-3), *GAINS)
        self._gains = gains

    def apply(self, base: np.ndarray, reach: float) -> None:
        """Grade a BGRA plate in place; alpha stays. What lies within `reach` px is compressed alike: detail stays."""
        height, width = base.shape[:2]
        values = np.arange(256, dtype=np.float64)
        small = cv2.resize(base, (width // COARSE, height // COARSE), interpolation=cv2.INTER_AREA)
        brightest = (small[..., :3] * (self._gains / 255).astype(np.float32)).max(2)
        silhouette = small[..., 3].astype(np.float32) / 255
        brightest, silhouette = (blur(x, reach / COARSE) for x in (brightest, silhouette))
        share = self._kept(brightest / np.maximum(silhouette, 0.05)).astype(np.float32)
        share = cv2.resize(cv2.convertScaleAbs(share, alpha=255), (width, height), interpolation=cv2.INTER_LINEAR)
        gained = np.minimum(self._gains[:, None] * values, 255 * HEADROOM) / HEADROOM
        graded = cv2.LUT(base, np.vstack([gained, values]).round().astype(np.uint8).T[None].copy())
        share = cv2.merge([share, share, share, np.full_like(share, 255)])
        curve = (
            np.vstack([_curve(values / 255 * HEADROOM) * 255] * 3 + [values]).round().astype(np.uint8).T[None].copy()
        )
        for top in range(0, height, BAND):
            band = np.s_[top : top + BAND]
            scaled = cv2.multiply(graded[band], share[band], scale=1 / 255)
            cv2.LUT(scaled, curve, base[band])

    def _kept(self, light: np.ndarray) -> np.ndarray:
        """The share that is kept of light of a brightness, 0..1."""
        room = min(HIGHLIGHTS, BRIGHTEST - self._shoulder)
        over = np.maximum(light - self._shoulder, 0) / room
        return (np.minimum(light, self._shoulder) + room * over / (1 + over)) / np.maximum(light, 1e-4)


def _curve(light: np.ndarray) -> np.ndarray:
    """Compress light above KNEE to below TOP, and darken dark light a little."""
    over = np.maximum(light - KNEE, 0) / (TOP - KNEE)
    bent = np.minimum(light, KNEE) + (TOP - KNEE) * over / (1 + over)
    return bent * (1 - TOE * np.exp(-((light / DARK) ** 2)))
