"""Eyelids that close over the eyes of a photo.

A lid is the skin around the eye, stretched over it as a membrane, with an edge of lashes: skin drawn down from above
would carry lashes, make-up and half an iris with it. The eye itself stays where it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from providers.faces.eyes import LOWER_RIM, RIM
from providers.studio.film.canvas import blur, smoothsteps

from .membrane import stretched
from .skin import LUMA

LEAST_OPEN = 0.10  # eye widths: eyes less open do not blink
# In eye widths.
ABOVE, BELOW, BESIDE = 0.23, 0.09, 0.06  # what of the skin around an eye is lashes and rims
SOFT = 0.20  # how softly a lid begins
LASHES = 0.05  # how thick its edge is
PAINTED = (0.05, 0.22)  # above the upper rim: where a lid shows its own colour, and its make-up
MEETING = 1.03  # share of the opening that the upper lid comes down
LIGHT, MOST_LIGHT, CHEEK = 0.76, 1.35, 0.85  # of the skin below the eye: its light, and the share of its colour
PAINT, MOST_PAINT = 0.8, 0.45  # the share of the make-up's darkness that a lid gets; none is darker, of the cheek
LASH_DARKNESS = 0.66
BULGE = 0.13  # the eyeball makes the lid's middle brighter than its ends


@dataclass(frozen=True)
class Eyelid:
    """The lid of one eye, in a box of the plates."""

    box: tuple[slice, slice]
    layers: tuple[np.ndarray, ...]  # the box of every plate, without the eye
    width: float  # of the eye, px
    height: np.ndarray  # px below the line of the eye's corners, of each pixel
    upper: np.ndarray  # the same of the lid's upper edge in the pixel's column
    lower: np.ndarray
    middle: np.ndarray  # 1 in the middle of the eye, 0 at its corners

    @classmethod
    def of(cls, eye: np.ndarray, plates: Sequence[np.ndarray]) -> Eyelid | None:
        """Return the lid of an eye (see `find_eyes`) in pixels of the plates: the base layer first, then lights.

        None where the eye is hardly open, too small, or not on the plates.
        """
        lower, upper = eye[:LOWER_RIM], np.vstack([eye[0], eye[LOWER_RIM:RIM], eye[LOWER_RIM - 1]])
        outer, inner = upper[0], upper[-1]
        width = max(1.0, float(np.hypot(*(inner - outer))))
        along = (inner - outer) / width
        down = np.array([-along[1], along[0]]) * (1 if along[0] > 0 else -1)
        edges = [np.stack([(ring - outer) @ along, (ring - outer) @ down]) for ring in (upper, lower)]
        if width < 8 or float((edges[1][1] - edges[0][1]).max()) < LEAST_OPEN * width:
            return None
        around, (rows, columns) = np.vstack([upper, lower]), plates[0].shape[:2]
        left, top = np.maximum(around.min(0) - 0.4 * width, 0).astype(int).tolist()
        right, bottom = np.minimum(around.max(0) + 0.4 * width, (columns, rows)).astype(int).tolist()
        if right - left < 8 or bottom - top < 8:
            return None
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
        x, y = x - np.float32(outer[0]), y - np.float32(outer[1])
        across, height = ((x * axis[0] + y * axis[1]).astype(np.float32) for axis in (along, down))
        above, below = (_edge(edge, across) for edge in edges)
        below = np.maximum(below, above)
        beside = np.maximum(-across, across - width)
        skin = (height < above - ABOVE * width) | (height > below + BELOW * width) | (beside > BESIDE * width)
        box = np.s_[top:bottom, left:right]
        cheek = skin & (height > below) & (height < below + 0.35 * width) & (beside < 0)
        painted = (height < above - PAINTED[0] * width) & (height > above - PAINTED[1] * width) & (beside < 0)
        base, *lights = (plate[box] for plate in plates)
        layers = (_closed_skin(base, skin, cheek, painted), *(_without_eye(light, skin) for light in lights))
        middle = np.sqrt(np.clip(1 - (across / width * 2 - 1) ** 2, 0, 1))
        return cls(box, layers, width, height, above, below, middle)

    def closed(self, eye: np.ndarray, skin: np.ndarray, share: float) -> np.ndarray:
        """Return the eye behind its lid, 0 open as in the photo .. 1 closed; eye and skin as lit now, float32."""
        edge = self.upper + share * MEETING * (self.lower - self.upper)
        top = self.upper - ABOVE * self.width
        cover = smoothsteps(0, SOFT * self.width, self.height - top)
        cover *= np.clip((edge - self.height) / 1.5 + 0.5, 0, 1)
        # Nothing happens while the lid has hardly moved, nor at the corners.
        cover *= np.clip((edge - self.upper) / (0.05 * self.width), 0, 1)
        bulging = 1 - BULGE + BULGE * 1.6 * self.middle * np.clip((self.height - top) / np.maximum(edge - top, 1), 0, 1)
        closed = eye + (skin * bulging[..., None] - eye) * cover[..., None]
        thick = LASHES * self.width * (0.35 + 0.65 * self.middle)
        lash = np.exp(-(((self.height - edge) / thick) ** 2)) * np.clip(self.middle * 2.5, 0, 1)
        lash *= LASH_DARKNESS * np.clip(share * 4, 0, 1)
        return closed * (1 - lash[..., None])


def eyelids(eyes: Sequence[np.ndarray], plates: Sequence[np.ndarray]) -> list[Eyelid]:
    """Return the lids of both eyes; none when one of them cannot close, because nobody should wink by mistake."""
    lids = [lid for lid in (Eyelid.of(eye, plates) for eye in eyes) if lid is not None]
    return lids if len(lids) == 2 else []


def _edge(edge: np.ndarray, across: np.ndarray) -> np.ndarray:
    order = np.argsort(edge[0])
    return np.interp(across, edge[0][order], edge[1][order]).astype(np.float32)


def _without_eye(picture: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Stretch the skin over what is not skin."""
    smooth = blur(stretched(picture.astype(np.float32), skin), 1.2)
    return np.clip(smooth, 0, 255).astype(np.uint8)


def _closed_skin(picture: np.ndarray, skin: np.ndarray, cheek: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """The same, with the cheek's colour and light, because the skin above the eye lies in the brow's shadow.

    Where the lid above the eye is darker than shadow makes it, it is made up, and the closed lid gets its colour.
    """
    smooth = blur(stretched(picture.astype(np.float32), skin), 1.2)
    if not cheek.any() or skin.all():
        return np.clip(smooth, 0, 255).astype(np.uint8)
    colour, luma = picture[cheek][:, :3].mean(0), smooth[..., :3] @ LUMA
    light = max(float(colour @ LUMA), 1.0)
    luma *= np.clip(LIGHT * light / max(float(luma[~skin].mean()), 1.0), 1, MOST_LIGHT)
    smooth[..., :3] += (colour / light * luma[..., None] - smooth[..., :3]) * CHEEK
    if painted.any():
        shown = picture[painted][:, :3].astype(np.float32)
        brightness = shown @ LUMA
        paint = shown[brightness >= np.median(brightness)].mean(0)  # the darker half is lashes
        wanted = max(float(paint @ LUMA), MOST_PAINT * light)
        now = max(float(luma[~skin].mean()), 1.0)
        if wanted < now:
            tint = paint * (wanted / max(float(paint @ LUMA), 1.0))
            smooth[..., :3] *= 1 + (tint / np.maximum(smooth[~skin][:, :3].mean(0), 1) - 1) * PAINT
    return np.clip(smooth, 0, 255).astype(np.uint8)
