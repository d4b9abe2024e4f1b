"""The hero, dressed and lit, ready to be posed in front of any camera."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .armour import Armour
from .canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    INVERSE,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    apply,
    blur,
    gray_layer,
    inverse,
    smoothstep,
    to_byte,
)
from .circuits import make_circuits, pulse_table
from .cutout import cut_out
from .faceframe import FaceFrame
from .looks import Look
from .memory import Scratch
from .relight import relight
from .subject import Subject, place
from .suit import wear
from .variation import Variation
from .visor import make_visor

HALO_DARKNESS = 0.62  # a dark halo parts the head from a bright sun


@dataclass(frozen=True)
class Pose:
    """What the hero does in one frame."""

    seconds: float
    visor: float = 1.0  # 0 off .. 1 on, in between it boots
    left: float = 1.0  # gain of the lights
    right: float = 1.0
    sweep: float = 0.0
    yaw: float = 0.0  # px the nearest point moves to the right
    pitch: float = 0.0  # px it moves down
    breath: float = 0.0  # px the chest moves
    circuits: float = 1.0  # gain of the traces


class Hero:
    def __init__(self, subject: Subject, look: Look, armour: Armour, variation: Variation) -> None:
        figure = relight(cut_out(subject, place(subject)), look)
        wear(figure, armour, look)
        self.points = figure.cutout.points[:, :2]  # mesh on the plate
        self.face_height = figure.cutout.face_height  # plate px
        self.face_y = figure.cutout.face_y
        self.triangles = figure.triangles
        self._frame = FaceFrame.of(self.points)
        window = self._frame.slice
        self._visor = make_visor(self._frame, look, subject.score, subject.yaw, variation.lens_side)
        circuits = make_circuits(self._frame, look, self._visor.mask, figure.alpha[window], subject.yaw, variation)
        _add_halo(figure.base)
        # What the visor's window looks like without it, and the plates with it.
        self._bare = [plate[window].copy() for plate in (figure.base, figure.left, figure.right)]
        keep = gray_layer(to_byte(self._visor.keep))
        keep[..., 3] = 255
        for plate in (figure.base, figure.left, figure.right):
            cv2.multiply(plate[window], keep, plate[window], 1 / 255)
        face = figure.base[window]
        lit = face[..., :3] * circuits.keep[..., None] + self._visor.light
        face[..., :3] = np.clip(lit, 0, 255)
        self._base, self._left, self._right, self._sweep = figure.base, figure.left, figure.right, figure.sweep
        self._glass = cv2.merge([self._visor.mask] * 3 + [np.zeros_like(self._visor.mask)])
        self._circuits = cv2.multiply(circuits.layer, gray_layer(to_byte(figure.alpha[window])), scale=1 / 255)
        self._phase = circuits.phase
        self._movement = np.dstack([figure.depth, figure.breath]).astype(np.float32)
        self._scratch = Scratch()
        self._plate = np.zeros((PLATE_HEIGHT, PLATE_WIDTH, 4), np.uint8)
        columns, rows = np.arange(FRAME_WIDTH // 2), np.arange(FRAME_HEIGHT // 2)
        self._columns, self._rows = np.meshgrid(*(axis.astype(np.float32) * 2 + 0.5 for axis in (columns, rows)))

    def draw(self, matrix: np.ndarray, pose: Pose, out: np.ndarray) -> np.ndarray:
        """Draw the hero as a premultiplied layer of the frame, through a plate → frame matrix."""
        seen = _seen(matrix)  # only what the camera sees is mixed; the rest of the plate stays as it was
        plate = self._plate[seen]
        cv2.addWeighted(self._left[seen], pose.left, self._right[seen], pose.right, 0, plate)
        cv2.add(plate, self._base[seen], plate)
        self._dress_face(pose)
        if pose.sweep > 0.02:
            cv2.addWeighted(plate, 1, self._sweep[seen], pose.sweep, 0, plate)
        window = self._plate[self._frame.slice]
        if pose.visor >= 1:
            self._reflect(window, pose.seconds)
        if pose.circuits > 0:
            table = pulse_table(pose.seconds, pose.circuits)
            gain = gray_layer(cv2.LUT(self._phase, table))
            cv2.add(window, cv2.multiply(self._circuits, gain, scale=1 / 255), window)
        return self._turn(matrix, pose, out)

    def _dress_face(self, pose: Pose) -> None:
        """Put the bare face back where the visor is not on yet: it boots by a wipe from the temple."""
        if pose.visor >= 1:
            return
        window = self._plate[self._frame.slice]
        wiped = int(self._frame.width * (0.12 + 0.76 * pose.visor)) if pose.visor > 0 else 0
        base, left, right = (plate[:, wiped:] for plate in self._bare)
        bare = cv2.addWeighted(left, pose.left, right, pose.right, 0)
        cv2.add(bare, base, window[:, wiped:])
        if wiped:
            edge = np.s_[:, max(0, wiped - 5) : wiped + 1]
            strip = np.ascontiguousarray(self._glass[edge])
            cv2.add(window[edge], strip, window[edge])

    def _reflect(self, window: np.ndarray, seconds: float) -> None:
        """A reflection glides over the glass."""
        width = self._frame.width
        start = int(width * (1 - ((seconds * 0.42) % 1.3 - 0.15))) + width // 2
        row = (self._visor.reflection[start : start + width] * 150).astype(np.uint8)
        if row.size == width:
            gain = cv2.repeat(gray_layer(row[None]), self._frame.height, 1)
            cv2.add(window, cv2.multiply(self._glass, gain, scale=1 / 255), window)

    def _turn(self, matrix: np.ndarray, pose: Pose, out: np.ndarray) -> np.ndarray:
        """Warp by the camera, shifted by depth: the head turns a little, the chest breathes. Maps at half size."""
        to_plate = inverse(matrix)
        (xx, xy, x0), (yx, yy, y0) = to_plate
        to_half_plate = np.array([[xx, xy, x0 / 2], [yx, yy, y0 / 2]])
        half, full = (FRAME_HEIGHT // 2, FRAME_WIDTH // 2), (FRAME_HEIGHT, FRAME_WIDTH)
        movement, depth, breath, map_x, map_y = (
            self._scratch.get(name, shape, np.float32)
            for name, shape in (
                ("movement", (*half, 2)),
                ("depth", half),
                ("breath", half),
                ("map_x", half),
                ("map_y", half),
            )
        )
        cv2.warpAffine(self._movement, to_half_plate, half[::-1], movement, INVERSE, cv2.BORDER_REPLICATE)
        cv2.split(movement, [depth, breath])
        cv2.addWeighted(self._columns, xx, self._rows, xy, x0, map_x)
        cv2.scaleAdd(depth, pose.yaw, map_x, map_x)
        cv2.addWeighted(self._columns, yx, self._rows, yy, y0, map_y)
        cv2.scaleAdd(depth, pose.pitch, map_y, map_y)
        cv2.scaleAdd(breath, pose.breath, map_y, map_y)
        full_x = self._scratch.get("full_x", full, np.float32)
        full_y = self._scratch.get("full_y", full, np.float32)
        cv2.resize(map_x, full[::-1], full_x, interpolation=cv2.INTER_LINEAR)
        cv2.resize(map_y, full[::-1], full_y, interpolation=cv2.INTER_LINEAR)
        return cv2.remap(self._plate, full_x, full_y, cv2.INTER_LINEAR, out, cv2.BORDER_CONSTANT)


def _seen(matrix: np.ndarray) -> tuple[slice, slice]:
    """The part of the plate that a plate → frame matrix shows, with room for the movements."""
    corners = np.array([[0, 0], [FRAME_WIDTH, 0], [0, FRAME_HEIGHT], [FRAME_WIDTH, FRAME_HEIGHT]], np.float64)
    placed = apply(inverse(matrix), corners)
    left, top = np.maximum(placed.min(0).astype(int) - 24, 0).tolist()
    right, bottom = (placed.max(0).astype(int) + 24).tolist()
    return np.s_[top : min(PLATE_HEIGHT, bottom), left : min(PLATE_WIDTH, right)]


def _add_halo(base: np.ndarray) -> None:
    """Darken what is behind the silhouette's edge: alpha without colour, so it costs nothing per frame."""
    alpha = cv2.extractChannel(base, 3)
    small = cv2.resize(alpha, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    wide = cv2.resize(blur(small, 4.5), (PLATE_WIDTH, PLATE_HEIGHT), interpolation=cv2.INTER_LINEAR)
    cv2.insertChannel(np.maximum(alpha, cv2.convertScaleAbs(wide, alpha=HALO_DARKNESS)), base, 3)


def circuits_gain(seconds: float, since: float) -> float:
    """The traces light up a while after the hero appears."""
    return smoothstep(since + 0.55, since + 1.3, seconds)
