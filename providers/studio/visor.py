"""The visor, drawn into the person's own texture, so that every camera move carries it along.

Three kinds: a band of glass, a slit of light, a lens over one eye. The glass stays light
enough to see the eyes through it: the film is about that person.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import bgr, blur, glow, stamp, to_unit
from .faceframe import FaceFrame
from .lettering import HUD, text_mask
from .looks import Look
from .vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, NOSE_BRIDGE

POD_LEFT, POD_RIGHT = 127, 356  # mesh points at the temples
UPPER_LID, LOWER_LID = 386, 374  # of the eye on the picture's right


@dataclass
class Visor:
    """All of the face's window."""

    keep: np.ndarray  # float32 0..1: how much of the face and its lights shows through
    light: np.ndarray  # float32 BGR 0..255: what the visor adds
    mask: np.ndarray  # uint8: the glass
    reflection: np.ndarray  # float32 0..1, one row three windows wide: gliding over the glass


def make_visor(frame: FaceFrame, look: Look, score: float) -> Visor:
    """Draw the visor a look wants; the glass shows the detector's score."""
    strap = None
    if look.visor == "lens":
        centre = (frame.points[UPPER_LID] + frame.points[LOWER_LID]) / 2
        outline, strap = _lens_outline(frame, centre), _lens_strap(frame, centre)
        rims = None
    else:
        upper, lower = (_band_outline if look.visor == "band" else _slit_outline)(frame)
        outline, rims = np.vstack([upper, lower]), (upper, lower)
    mask, glass = _rounded(frame, outline)
    colour = bgr(look.visor_colour)
    edge = _edge(frame, mask, glass)
    keep, light = _glass(frame, glass, edge, colour, darkness=0.62 if look.visor == "lens" else 0.55)
    if rims is not None and look.visor == "slit":
        keep, light = _slit(frame, rims, glass, edge, colour)
    if look.visor == "band":
        _band_readings(frame, glass, light, colour, score)
    if strap is not None:
        keep = _lens_details(frame, centre, strap, glass, keep, light, colour)
    _pods(frame, keep, light, colour, both=look.visor != "lens")
    light += glow(edge, frame.unit * 0.03, 0.9)[..., None] * colour * 0.55
    light += glow(glass, frame.unit * 0.10)[..., None] * colour * 0.10
    across = np.arange(frame.width * 3, dtype=np.float32) / frame.unit - 1.5 * frame.width / frame.unit
    reflection = np.exp(-((across / 0.05) ** 2)) * 0.8 + np.exp(-(((across - 0.17) / 0.02) ** 2)) * 0.5
    return Visor(keep, light, mask, np.clip(reflection, 0, 1))


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


def _slit_outline(frame: FaceFrame) -> tuple[np.ndarray, np.ndarray]:
    """A narrow band along the eyes."""
    middle = frame.points[[POD_LEFT, EYE_OUTER_LEFT, 159, NOSE_BRIDGE, UPPER_LID, EYE_OUTER_RIGHT, POD_RIGHT]]
    down = frame.down * frame.unit
    upper, lower = middle - down * 0.085, middle[::-1] + down * 0.10
    upper[[0, -1]] -= down * 0.08
    upper[3] += down * 0.02
    lower[3] += down * 0.05
    return upper, lower


def _lens_outline(frame: FaceFrame, centre: np.ndarray) -> np.ndarray:
    radius, angles = frame.unit * 0.34, np.arange(6) * np.pi / 3 + np.pi / 6
    axes = np.stack([frame.right, frame.down], 1)
    return centre + np.stack([np.cos(angles) * radius * 1.12, np.sin(angles) * radius * 0.92], 1) @ axes.T


def _lens_strap(frame: FaceFrame, centre: np.ndarray) -> np.ndarray:
    """A mask of the strap from the lens to the temple."""
    unit, radius, temple = frame.unit, frame.unit * 0.34, frame.points[POD_RIGHT]
    right, down = frame.right, frame.down
    corners = [
        centre + right * radius * 0.85 - down * radius * 0.35,
        temple + right * unit * 0.06 - down * unit * 0.12,
        temple + right * unit * 0.06 + down * unit * 0.06,
        centre + right * radius * 0.85 + down * radius * 0.30,
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
    frame: FaceFrame, glass: np.ndarray, edge: np.ndarray, colour: np.ndarray, darkness: float
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
    tint = glass * (0.07 + 0.34 * gradient**2.2 + 0.05 * lines + 0.38 * reflections)
    light[box] = tint[..., None] * colour + edge[..., None] * (colour * 0.75 + 70)
    return keep, light


def _slit(frame: FaceFrame, rims, glass, edge, colour) -> tuple[np.ndarray, np.ndarray]:
    """Dark metal with a core of light along its middle."""
    upper, lower = rims
    core = frame.blank()
    middle = frame.local((upper + lower[::-1]) / 2)
    cv2.polylines(core, [middle], False, 255, max(1, int(frame.hairline * 1.3)), cv2.LINE_AA, 4)
    core = to_unit(core)
    light = glass[..., None] * colour * 0.06 + edge[..., None] * colour * 0.55 + core[..., None] * 255 * 0.95
    light += glow(core, frame.unit * 0.03, 2.2)[..., None] * colour * 0.8
    light += glow(core, frame.unit * 0.12, 2.5)[..., None] * colour * 0.55
    return 1 - glass * 0.62, light


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


def _lens_details(frame: FaceFrame, centre, strap, glass, keep, light, colour) -> np.ndarray:
    """The strap and the sight in the lens; returns the new `keep`."""
    outside = to_unit(strap) * (1 - glass)
    light += np.clip(outside - cv2.erode(outside, np.ones((3, 3), np.uint8)), 0, 1)[..., None] * colour * 0.7
    sight, middle, radius = frame.blank(), frame.local_point(centre), frame.unit * 0.34
    thick = max(1, int(frame.hairline * 1.6))
    arcs = ((0.78, 20, 140), (0.78, 200, 320), (0.58, 0, 360), (0.30, 60, 120), (0.30, 240, 300))
    for share, start, end in arcs:
        size = int(radius * share * 16)
        cv2.ellipse(sight, middle, (size, size), 0, start, end, 220, thick if share == 0.78 else 1, cv2.LINE_AA, 4)
    for direction in ((1, 0), (0, 1), (-1, 0), (0, -1)):
        step = np.array(direction) * radius
        ends = frame.local_point(centre + step * 0.4), frame.local_point(centre + step * 0.92)
        cv2.line(sight, *ends, 255, 1, cv2.LINE_AA, 4)
    light += (to_unit(sight) * glass)[..., None] * (colour * 0.8 + 50)
    return keep * (1 - outside * 0.85)


def _pods(frame: FaceFrame, keep: np.ndarray, light: np.ndarray, colour: np.ndarray, both: bool) -> None:
    """The metal pods at the temples, each with a lamp, drawn into `keep` and `light`."""
    metal = np.array([150, 140, 135], np.float32) * 0.8
    for number, side in ((POD_LEFT, -1), (POD_RIGHT, 1)):
        if side < 0 and not both:
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
