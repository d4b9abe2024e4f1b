"""The visor, drawn into the person's texture, so that it moves with every camera move.

There are three kinds: a band of glass, a forehead plate with a pane below it, and a lens over one eye. The glass is so
light that the eyes remain visible.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.vision import CHIN, EYE_OUTER_LEFT, EYE_OUTER_RIGHT, NOSE_BRIDGE
from providers.studio.film.canvas import bgr, blur, glow, stamp, to_unit
from providers.studio.film.looks import Look
from providers.studio.film.person.faceframe import FaceFrame
from providers.studio.film.titles.lettering import HUD, text_mask

from .headgear import forehead_plate

POD_LEFT, POD_RIGHT = 127, 356  # mesh points at the temples
UPPER_LID, LOWER_LID = 386, 374  # of the eye on the picture's right
UPPER_LID_LEFT, LOWER_LID_LEFT = 159, 145
TURNED, ASIDE = 0.15, 0.38  # yaw beyond which every visor is a lens over the nearer eye
DARKNESS = {"band": 0.42, "brow": 0.14, "lens": 0.56}


@dataclass
class Visor:
    """All of the face's window."""

    keep: np.ndarray  # float32 0..1: how much of the face and its lights shows through
    light: np.ndarray  # float32 BGR 0..255: what the visor adds
    mask: np.ndarray  # uint8: the glass
    reflection: np.ndarray  # float32 0..1, one row three windows wide: gliding over the glass


def make_visor(
    frame: FaceFrame, look: Look, score: float, alpha: np.ndarray, yaw: float = 0.0, lens_side: int = 1
) -> Visor:
    """Draw the visor of a look. The glass shows the detector's score.

    A face that looks far aside (`yaw`) wears a lens over its nearer eye in every look that has a visor, because a band
    would look like a sticker. Nothing is drawn where the photo cuts off the face (`alpha`, the figure's in the window).
    """
    if look.visor == "none":
        return _no_visor(frame)
    kind = "lens" if abs(yaw) > ASIDE else look.visor
    if abs(yaw) > TURNED:
        lens_side = -1 if yaw > 0 else 1  # the nearer eye
    if _seen(frame, alpha, lens_side) < 0.5 < _seen(frame, alpha, -lens_side):
        lens_side = -lens_side
    lens = _Lens.of(frame, lens_side, yaw) if kind == "lens" else None
    outlines = {"band": _band_outline, "brow": _brow_glass_outline}
    outline = lens.outline() if lens else np.vstack(outlines[kind](frame))
    mask, glass = _rounded(frame, outline)
    colour = bgr(look.visor_colour)
    edge = _edge(frame, mask, glass)
    keep, light = _glass(frame, glass, edge, colour, DARKNESS[kind], {"band": 1.0, "brow": 0.32, "lens": 0.7}[kind])
    if kind == "band":
        _band_readings(frame, glass, light, colour, score)
    if lens:
        keep = _lens_details(frame, lens, glass, keep, light, colour)
    if kind == "brow":
        forehead_plate(frame, look, keep, light)
    _pods(frame, keep, light, colour, (lens_side,) if lens else (-1, 1))
    light += glow(edge, frame.unit * 0.03, 0.9)[..., None] * colour * (0.25 if kind == "brow" else 0.55)
    light += glow(glass, frame.unit * 0.10)[..., None] * colour * (0.04 if kind == "brow" else 0.10)
    there = _around(alpha, frame.unit * 0.26)
    light *= there[..., None]
    mask = cv2.multiply(mask, there, dtype=cv2.CV_8U)
    across = np.arange(frame.width * 3, dtype=np.float32) / frame.unit - 1.5 * frame.width / frame.unit
    reflection = np.exp(-((across / 0.05) ** 2)) * 0.8 + np.exp(-(((across - 0.17) / 0.02) ** 2)) * 0.5
    return Visor(keep, light, mask, np.clip(reflection, 0, 1))


def _no_visor(frame: FaceFrame) -> Visor:
    """A bare face: all of it shows, and nothing is added."""
    size = (frame.height, frame.width)
    nothing = np.zeros((*size, 3), np.float32)
    return Visor(np.ones(size, np.float32), nothing, frame.blank(), np.zeros(3 * frame.width, np.float32))


def _eye(frame: FaceFrame, side: int) -> np.ndarray:
    """The middle of an eye: 1 the picture's right one, -1 the left one."""
    lids = (UPPER_LID, LOWER_LID) if side > 0 else (UPPER_LID_LEFT, LOWER_LID_LEFT)
    return frame.points[list(lids)].mean(0)


def _seen(frame: FaceFrame, alpha: np.ndarray, side: int) -> float:
    """How much of an eye is in the photo, 0..1."""
    x, y = (np.array(frame.local_point(_eye(frame, side))) // 16).tolist()
    return float(alpha[min(max(y, 0), frame.height - 1), min(max(x, 0), frame.width - 1)])


def _around(alpha: np.ndarray, reach: float) -> np.ndarray:
    """1 on the figure and fading out within `reach` px of it; worked out at a quarter of the size."""
    small = cv2.resize(alpha, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    size = 2 * int(reach / 4 * 0.75) + 1
    wide = cv2.dilate(small, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    wide = blur(wide, max(1.0, reach / 4 * 0.25))
    return cv2.resize(wide, alpha.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _band_outline(frame: FaceFrame) -> tuple[np.ndarray, np.ndarray]:
    """A straight brow, and a notch over the nose; left to right, then back."""
    unit, along, at = frame.unit, frame.along, frame.at
    brow = min(frame.below(number) for number in (105, 334, 66, 296)) - 0.015 * unit
    lid = max(frame.below(145), frame.below(374))
    upper = [
        at(along(POD_LEFT) - 0.05 * unit, brow - 0.05 * unit),
        at(along(70), brow - 0.045 * unit),
        at(along(66), brow + 0.01 * unit),
        at(0, brow + 0.035 * unit),
        at(along(296), brow + 0.01 * unit),
        at(along(300), brow - 0.045 * unit),
        at(along(POD_RIGHT) + 0.05 * unit, brow - 0.05 * unit),
    ]
    lower = [
        at(along(POD_RIGHT) + 0.04 * unit, lid + 0.02 * unit),
        at(along(EYE_OUTER_RIGHT) + 0.02 * unit, lid + 0.15 * unit),
        at(along(374) - 0.04 * unit, lid + 0.20 * unit),
        at(along(362) + 0.02 * unit, lid + 0.10 * unit),
        at(along(197) + 0.09 * unit, lid - 0.02 * unit),
        at(along(197) - 0.09 * unit, lid - 0.02 * unit),
        at(along(133) - 0.02 * unit, lid + 0.10 * unit),
        at(along(145) + 0.04 * unit, lid + 0.20 * unit),
        at(along(EYE_OUTER_LEFT) - 0.02 * unit, lid + 0.15 * unit),
        at(along(POD_LEFT) - 0.04 * unit, lid + 0.02 * unit),
    ]
    return np.array(upper), np.array(lower)


def _brow_glass_outline(frame: FaceFrame) -> tuple[np.ndarray, np.ndarray]:
    """A pane that hangs from the forehead's plate to below the eyes; left to right, then back."""
    unit, along, at = frame.unit, frame.along, frame.at
    brow = min(frame.below(number) for number in (105, 334, 66, 296)) + 0.02 * unit
    lid = max(frame.below(145), frame.below(374))
    upper = [
        at(along(POD_LEFT), brow - 0.02 * unit),
        at(along(66), brow),
        at(along(296), brow),
        at(along(POD_RIGHT), brow - 0.02 * unit),
    ]
    lower = [
        at(along(POD_RIGHT) + 0.02 * unit, lid + 0.02 * unit),
        at(along(EYE_OUTER_RIGHT), lid + 0.18 * unit),
        at(along(362) + 0.04 * unit, lid + 0.15 * unit),
        at(0, lid + 0.02 * unit),
        at(along(133) - 0.04 * unit, lid + 0.15 * unit),
        at(along(EYE_OUTER_LEFT), lid + 0.18 * unit),
        at(along(POD_LEFT) - 0.02 * unit, lid + 0.02 * unit),
    ]
    return np.array(upper), np.array(lower)


@dataclass(frozen=True)
class _Lens:
    """A six-sided lens over one eye; narrower when the face looks aside."""

    frame: FaceFrame
    centre: np.ndarray
    side: int  # 1 the picture's right eye, -1 the left one
    radius: float  # px
    narrow: float  # width / height

    @classmethod
    def of(cls, frame: FaceFrame, side: int, yaw: float) -> _Lens:
        centre = _eye(frame, side)
        # Seen from the side the eyes are closer together, but a lens does not become smaller.
        height = float(np.clip(abs(frame.below(CHIN)) / 1.25 / frame.unit, 1.0, 1.7)) if abs(yaw) > ASIDE else 1.0
        return cls(frame, centre, side, frame.unit * 0.34 * height, 1.12 * float(np.clip(1.25 - abs(yaw), 0.62, 1)))

    def outline(self) -> np.ndarray:
        angles = np.arange(6) * np.pi / 3 + np.pi / 6
        axes = np.stack([self.frame.right, self.frame.down], 1)
        corners = np.stack([np.cos(angles) * self.radius * self.narrow, np.sin(angles) * self.radius * 0.92], 1)
        return self.centre + corners @ axes.T

    def strap(self) -> np.ndarray:
        """A mask of the strap from the lens to the temple."""
        frame, temple = self.frame, self.frame.points[POD_RIGHT if self.side > 0 else POD_LEFT]
        out, down = frame.right * self.side, frame.down
        rim = self.centre + out * self.radius * self.narrow * 0.76
        corners = [
            rim - down * self.radius * 0.35,
            temple + out * frame.unit * 0.06 - down * frame.unit * 0.12,
            temple + out * frame.unit * 0.06 + down * frame.unit * 0.06,
            rim + down * self.radius * 0.30,
        ]
        mask = frame.blank()
        cv2.fillPoly(mask, [frame.local(corners)], 255, cv2.LINE_AA, 4)
        return mask


def _rounded(frame: FaceFrame, outline: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fill an outline with its corners rounded: as bytes and as 0..1."""
    mask = frame.blank()
    cv2.fillPoly(mask, [frame.local(outline)], 255, cv2.LINE_AA, 4)
    radius = max(1.2, frame.unit * 0.018)
    soft = (blur(mask, radius).astype(np.float32) - 128) * (radius * 1.1) + 128
    mask = np.clip(soft, 0, 255).astype(np.uint8)
    return mask, to_unit(mask)


def _edge(frame: FaceFrame, mask: np.ndarray, glass: np.ndarray) -> np.ndarray:
    size = 2 * int(1 + frame.hairline * 1.2) + 1
    shrunk = cv2.erode(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.clip(glass - to_unit(shrunk), 0, 1)


def _glass(
    frame: FaceFrame, glass: np.ndarray, edge: np.ndarray, colour: np.ndarray, darkness: float, gain: float
) -> tuple[np.ndarray, np.ndarray]:
    """Tinted glass: a gradient, scan lines, diagonal reflections and a bright edge."""
    keep = np.ones((frame.height, frame.width), np.float32)
    light = np.zeros((frame.height, frame.width, 3), np.float32)
    left, top, width, height = cv2.boundingRect((glass > 0).astype(np.uint8))
    box = np.s_[top : top + height, left : left + width]
    glass, edge = glass[box], edge[box]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x = columns + np.float32(frame.window[0] + left - frame.points[NOSE_BRIDGE, 0])
    y = rows + np.float32(frame.window[1] + top - frame.points[NOSE_BRIDGE, 1])
    along = (x * frame.right[0] + y * frame.right[1]).astype(np.float32) / np.float32(frame.unit)
    below = (x * frame.down[0] + y * frame.down[1]).astype(np.float32) / np.float32(frame.unit)
    gradient = np.clip((below + 0.22) / 0.6, 0, 1)
    lines = ((below * frame.unit) % max(4, frame.unit / 34) < max(1.1, frame.unit / 130)).astype(np.float32)
    diagonal = along + below * 0.7
    reflections = np.exp(-(((diagonal + 0.42) / 0.035) ** 2)) * 0.55 + np.exp(-(((diagonal + 0.31) / 0.012) ** 2)) * 0.5
    reflections += np.exp(-(((diagonal - 0.33) / 0.06) ** 2)) * 0.25
    keep[box] = 1 - glass * darkness * (1 - 0.30 * gradient)
    tint = glass * (0.07 + 0.34 * gradient**2.2 + 0.05 * lines + 0.24 * reflections)
    light[box] = (tint[..., None] * colour + edge[..., None] * (colour * 0.75 + 70)) * np.float32(gain)
    return keep, light


def _band_readings(frame: FaceFrame, glass: np.ndarray, light: np.ndarray, colour: np.ndarray, score: float) -> None:
    """Small print and a reticle on the glass."""
    marks = frame.blank()
    readings = ((f"{score * 100:05.2f}", 0.065, EYE_OUTER_LEFT, 0.15), ("LOCK", 0.075, EYE_OUTER_RIGHT, 0.16))
    for text, size, corner, lift in readings:
        mask = text_mask(text, HUD, max(8, int(frame.unit * size)))
        x, y = (frame.local(frame.points[corner] - frame.down * frame.unit * lift) // 16).tolist()
        stamp(marks, mask, x - mask.shape[1] // 2, y)
    centre = frame.local_point((frame.points[UPPER_LID] + frame.points[LOWER_LID]) / 2)
    arcs = ((1, 15, 75), (1, 105, 165), (1, 195, 255), (1, 285, 345), (0.72, 0, 360))
    for share, start, end in arcs:
        radius = int(frame.unit * 0.17 * share * 16)
        cv2.ellipse(marks, centre, (radius, radius), 0, start, end, 230 if share == 1 else 120, 1, cv2.LINE_AA, 4)
    light += (to_unit(marks) * glass)[..., None] * (colour * 0.6 + 60)


def _lens_details(
    frame: FaceFrame, lens: _Lens, glass: np.ndarray, keep: np.ndarray, light: np.ndarray, colour: np.ndarray
) -> np.ndarray:
    """The strap and the sight in the lens; returns the new `keep`."""
    outside = to_unit(lens.strap()) * (1 - glass)
    light += np.clip(outside - cv2.erode(outside, np.ones((3, 3), np.uint8)), 0, 1)[..., None] * colour * 0.7
    sight, middle, radius = frame.blank(), frame.local_point(lens.centre), lens.radius
    thick = max(1, int(frame.hairline * 1.6))
    arcs = ((0.78, 20, 140), (0.78, 200, 320), (0.58, 0, 360), (0.30, 60, 120), (0.30, 240, 300))
    turn = float(np.degrees(np.arctan2(frame.right[1], frame.right[0])))
    for share, start, end in arcs:
        axes = int(radius * share * 16 * lens.narrow / 1.12), int(radius * share * 16)
        cv2.ellipse(sight, middle, axes, turn, start, end, 220, thick if share == 0.78 else 1, cv2.LINE_AA, 4)
    for direction in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        step = np.array(direction) * radius * (lens.narrow / 1.12, 1)
        ends = frame.local_point(lens.centre + step * 0.4), frame.local_point(lens.centre + step * 0.92)
        cv2.line(sight, *ends, 255, 1, cv2.LINE_AA, 4)
    light += (to_unit(sight) * glass)[..., None] * (colour * 0.8 + 50)
    return keep * (1 - outside * 0.85)


def _pods(frame: FaceFrame, keep: np.ndarray, light: np.ndarray, colour: np.ndarray, sides: tuple) -> None:
    """The metal pods at the temples, each with a lamp, drawn into `keep` and `light`."""
    metal = np.array([150, 140, 135], np.float32) * 0.8
    for number, side in ((POD_LEFT, -1), (POD_RIGHT, 1)):
        if side not in sides:
            continue
        temple, out, down = frame.points[number], frame.right * side * frame.unit, frame.down * frame.unit
        outline = [
            temple - down * 0.15 + out * 0.02,
            temple - down * 0.10 + out * 0.15,
            temple + down * 0.09 + out * 0.15,
            temple + down * 0.14 + out * 0.01,
            temple + down * 0.05 - out * 0.06,
            temple - down * 0.07 - out * 0.06,
        ]
        corners = frame.local(outline)
        margin = int(frame.unit * 0.12) + 6  # as far as the lamp's glow reaches
        left, top = np.maximum(corners.min(0) // 16 - margin, 0).tolist()
        right, bottom = np.minimum(corners.max(0) // 16 + margin, (frame.width, frame.height)).tolist()
        if right - left < 2 or bottom - top < 2:
            continue
        box, origin = np.s_[top:bottom, left:right], np.array([left, top], np.int32) * 16
        pod = np.zeros((bottom - top, right - left), np.uint8)
        lamp = pod.copy()
        cv2.fillPoly(pod, [corners - origin], 255, cv2.LINE_AA, 4)
        pod = to_unit(pod)
        keep[box] *= 1 - pod * 0.86
        light[box] *= (1 - pod)[..., None]
        bevel = np.clip(pod - np.roll(blur(pod, 2.5), 2, 0), 0, 1) * pod
        ends = frame.local([temple - down * 0.06 + out * 0.09, temple + down * 0.05 + out * 0.09]) - origin
        cv2.line(lamp, ends[0].tolist(), ends[1].tolist(), 255, max(1, int(frame.hairline * 2)), cv2.LINE_AA, 4)
        lamp = to_unit(lamp)
        shine = lamp[..., None] * (colour * 0.6 + 110) + glow(lamp, frame.unit * 0.03, 2)[..., None] * colour * 0.7
        light[box] += bevel[..., None] * metal + shine
