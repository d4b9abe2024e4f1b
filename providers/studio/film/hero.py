"""The hero in the suit, lit, and drawn in any pose through any camera."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT
from providers.studio.film.person.cutout import cut_out
from providers.studio.film.person.eyelids import eyelids
from providers.studio.film.person.faceframe import FaceFrame
from providers.studio.film.person.relief import CELL, STILL, Gesture, Relief
from providers.studio.film.person.relight import relight
from providers.studio.film.person.subject import Subject, place
from providers.studio.film.suit.armour import Armour
from providers.studio.film.suit.circuits import make_circuits, pulse_table
from providers.studio.film.suit.suit import wear
from providers.studio.film.suit.visor import make_visor

from .canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    INVERSE,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    apply,
    blur,
    composite,
    gray_layer,
    inverse,
    smoothstep,
    to_byte,
)
from .coverage import Coverage
from .looks import Look
from .memory import Scratch
from .variation import Variation

GRID = 4  # px of a frame between two computed points of the movement, which is smooth
REACH = 24  # plate px: the farthest that a pose moves a pixel
CHEST_REACH = 8  # plate px: the same below the chin
HALO_DARKNESS, FAINT_HALO = 0.62, 0.30  # alpha of a dark halo that separates the head from a bright sun; by day


@dataclass(frozen=True)
class Pose:
    """The hero's pose and lights in one frame."""

    seconds: float
    visor: float = 1.0  # 0 off .. 1 on, in between it boots
    left: float = 1.0  # gain of the lights
    right: float = 1.0
    sweep: float = 0.0
    circuits: float = 1.0  # gain of the traces
    gesture: Gesture = STILL


class Hero:
    def __init__(
        self,
        subject: Subject,
        look: Look,
        armour: Armour,
        variation: Variation | None = None,
        check_stop: Callable[[], None] = lambda: None,
    ) -> None:
        """Fit the suit to a subject and light both; `check_stop` is called between the stages and may raise."""
        variation = variation or Variation.of("")
        cutout = cut_out(subject, place(subject))
        check_stop()
        figure = relight(cutout, look)
        check_stop()
        wear(figure, armour, look)
        check_stop()
        self.points = figure.cutout.points[:, :2]  # mesh on the plate
        self.face_height = figure.cutout.face_height  # plate px
        self.face_y = figure.cutout.face_y
        self.triangles = figure.triangles
        self._frame = FaceFrame.of(self.points)
        window = self._frame.slice
        self._visor = make_visor(
            self._frame, look, subject.score, figure.alpha[window], subject.yaw, variation.lens_side
        )
        circuits = make_circuits(self._frame, look, self._visor.mask, figure.alpha[window], subject.yaw, variation)
        check_stop()
        _add_halo(figure.base, FAINT_HALO if look.daylight else HALO_DARKNESS)
        # The visor's window without the visor, and the plates with it.
        self._bare = [plate[window].copy() for plate in (figure.base, figure.left, figure.right)]
        keep = gray_layer(to_byte(self._visor.keep))
        keep[..., 3] = 255
        for plate in (figure.base, figure.left, figure.right):
            cv2.multiply(plate[window], keep, plate[window], 1 / 255)
        face = figure.base[window]
        lit = face[..., :3] * circuits.keep[..., None] + self._visor.light
        face[..., :3] = np.clip(lit, 0, 255)
        self._base, self._left, self._right, self._sweep = figure.base, figure.left, figure.right, figure.sweep
        self._has_glass = bool(self._visor.mask.any())
        self._glass = cv2.merge([self._visor.mask] * 3 + [np.zeros_like(self._visor.mask)])
        self._circuits = cv2.multiply(circuits.layer, gray_layer(to_byte(figure.alpha[window])), scale=1 / 255)
        self._phase = circuits.phase
        self._relief = Relief(figure.cutout, figure.triangles)
        left, top = self._frame.window[:2]
        self._lids = eyelids([eye - (left, top) for eye in figure.cutout.eyes], self._bare)
        self._scratch = Scratch()
        self._plate = np.zeros((PLATE_HEIGHT, PLATE_WIDTH, 4), np.uint8)
        self._layer = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
        self._coverage = Coverage(np.maximum.reduce([self._base, self._left, self._right, self._sweep]))
        # The map of a frame: one point per GRID x GRID pixels, with a margin of one point for the enlargement.
        columns, rows = (np.arange(-1, length // GRID + 1) for length in (FRAME_WIDTH, FRAME_HEIGHT))
        middle = (GRID - 1) / 2
        self._columns, self._rows = np.meshgrid(*(axis.astype(np.float32) * GRID + middle for axis in (columns, rows)))

    @property
    def eyes(self) -> np.ndarray:
        """The point between the eyes, plate px."""
        return (self.points[EYE_OUTER_LEFT] + self.points[EYE_OUTER_RIGHT]) / 2

    def shown(self, matrix: np.ndarray, pose: Pose) -> np.ndarray:
        """Return where a frame shows the mesh's points, 468 x 2, through a plate → frame matrix."""
        return apply(matrix, self.points + self._relief.carried(self.points, pose.gesture))

    def hides_from(self, matrix: np.ndarray) -> int:
        """The frame row below which the hero covers everything behind, through a plate → frame matrix."""
        return self._coverage.solid_from(matrix, reach=CHEST_REACH)

    def draw(self, matrix: np.ndarray, pose: Pose, picture: np.ndarray) -> None:
        """Draw the hero over a frame, in place, through a plate → frame matrix."""
        seen = _seen(matrix, self._coverage.top)  # only this part of the plate is updated
        plate = self._plate[seen]
        cv2.addWeighted(self._left[seen], pose.left, self._right[seen], pose.right, 0, plate)
        cv2.add(plate, self._base[seen], plate)
        self._dress_face(pose)
        self._blink(pose)
        if pose.sweep > 0.02:
            cv2.addWeighted(plate, 1, self._sweep[seen], pose.sweep, 0, plate)
        window = self._plate[self._frame.slice]
        if pose.visor >= 1 and self._has_glass:
            self._reflect(window, pose.seconds)
        if pose.circuits > 0:
            table = pulse_table(pose.seconds, pose.circuits)
            gain = gray_layer(cv2.LUT(self._phase, table))
            cv2.add(window, cv2.multiply(self._circuits, gain, scale=1 / 255), window)
        map_x, map_y = self._turn(matrix, pose)
        hidden = self.hides_from(matrix)
        for strip in self._coverage.strips(matrix, reach=REACH, bottom=hidden):
            layer = self._layer[strip]
            cv2.remap(self._plate, map_x[strip], map_y[strip], cv2.INTER_LINEAR, layer, cv2.BORDER_CONSTANT)
            composite(picture[strip], layer, self._scratch)
        if hidden < FRAME_HEIGHT:
            lower = picture[hidden:]
            cv2.remap(self._plate, map_x[hidden:], map_y[hidden:], cv2.INTER_LINEAR, lower, cv2.BORDER_CONSTANT)

    def _dress_face(self, pose: Pose) -> None:
        """Restore the bare face where the visor is not on yet; the visor appears by a wipe from the temple."""
        if pose.visor >= 1:
            return
        window = self._plate[self._frame.slice]
        wiped = self._wiped(pose)
        base, left, right = (plate[:, wiped:] for plate in self._bare)
        bare = cv2.addWeighted(left, pose.left, right, pose.right, 0)
        cv2.add(bare, base, window[:, wiped:])
        if wiped:
            edge = np.s_[:, max(0, wiped - 5) : wiped + 1]
            strip = np.ascontiguousarray(self._glass[edge])
            cv2.add(window[edge], strip, window[edge])

    def _blink(self, pose: Pose) -> None:
        """Draw the lids over the eyes, behind the glass."""
        if pose.gesture.blink < 0.02:
            return
        window, wiped = self._plate[self._frame.slice], self._wiped(pose)
        for lid in self._lids:
            eye, skin = (
                cv2.addWeighted(left, pose.left, right, pose.right, 0, dtype=cv2.CV_32F) + base
                for base, left, right in ([plate[lid.box] for plate in self._bare], lid.layers)
            )
            keep = self._visor.keep[lid.box].copy()
            keep[:, max(0, wiped - lid.box[1].start) :] = 1  # the visor is not on there yet
            change = (lid.closed(eye, skin, pose.gesture.blink) - eye) * keep[..., None]
            change[..., 3] = 0
            cv2.add(window[lid.box], change, window[lid.box], dtype=cv2.CV_8U)

    def _wiped(self, pose: Pose) -> int:
        """The column of the face's window up to which the visor is on."""
        if pose.visor >= 1:
            return self._frame.width
        return int(self._frame.width * (0.12 + 0.76 * pose.visor)) if pose.visor > 0 else 0

    def _reflect(self, window: np.ndarray, seconds: float) -> None:
        """Draw the reflection that glides over the glass."""
        width = self._frame.width
        start = int(width * (1 - ((seconds * 0.42) % 1.3 - 0.15))) + width // 2
        row = (self._visor.reflection[start : start + width] * 150).astype(np.uint8)
        if row.size == width:
            gain = cv2.repeat(gray_layer(row[None]), self._frame.height, 1)
            cv2.add(window, cv2.multiply(self._glass, gain, scale=1 / 255), window)

    def _turn(self, matrix: np.ndarray, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
        """Return the plate point of every frame pixel where the hero moves as the pose says."""
        (xx, xy, x0), (yx, yy, y0) = inverse(matrix)
        rows, columns = self._columns.shape
        # From points of the grid to points of the movement's fields.
        start_x, start_y, middle, step = self._columns[0, 0], self._rows[0, 0], (CELL - 1) / 2, GRID / CELL
        to_fields = np.array(
            [
                [xx * step, xy * step, (x0 + xx * start_x + xy * start_y - middle) / CELL],
                [yx * step, yy * step, (y0 + yx * start_x + yy * start_y - middle) / CELL],
            ]
        )
        moved = self._scratch.get("moved", (rows, columns, 2), np.float32)
        came = self._relief.moved(pose.gesture)
        cv2.warpAffine(came, to_fields, (columns, rows), moved, INVERSE, cv2.BORDER_REPLICATE)
        right, down, map_x, map_y = (
            self._scratch.get(name, (rows, columns), np.float32) for name in ("right", "down", "map_x", "map_y")
        )
        cv2.split(moved, [right, down])
        cv2.addWeighted(self._columns, xx, self._rows, xy, x0, map_x)
        cv2.subtract(map_x, right, map_x)
        cv2.addWeighted(self._columns, yx, self._rows, yy, y0, map_y)
        cv2.subtract(map_y, down, map_y)
        return self._enlarged("full_x", map_x), self._enlarged("full_y", map_y)

    def _enlarged(self, name: str, grid: np.ndarray) -> np.ndarray:
        """Enlarge a grid of map points to the frame's size, without the margin."""
        rows, columns = grid.shape
        full = self._scratch.get(name, (rows * GRID, columns * GRID), np.float32)
        cv2.resize(grid, full.shape[::-1], full, interpolation=cv2.INTER_LINEAR)
        return full[GRID:-GRID, GRID:-GRID]


def _seen(matrix: np.ndarray, highest: int) -> tuple[slice, slice]:
    """The part of the plate below its row `highest` that a plate → frame matrix shows, plus the reach of movements."""
    corners = np.array([[0, 0], [FRAME_WIDTH, 0], [0, FRAME_HEIGHT], [FRAME_WIDTH, FRAME_HEIGHT]], np.float64)
    placed = apply(inverse(matrix), corners)
    left, top = np.maximum(placed.min(0).astype(int) - REACH, 0).tolist()
    right, bottom = (placed.max(0).astype(int) + REACH).tolist()
    return np.s_[max(top, highest) : min(PLATE_HEIGHT, bottom), left : min(PLATE_WIDTH, right)]


def _add_halo(base: np.ndarray, darkness: float) -> None:
    """Add a dark edge around the silhouette: alpha without colour, at no cost per frame."""
    alpha = cv2.extractChannel(base, 3)
    small = cv2.resize(alpha, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    wide = cv2.resize(blur(small, 4.5), (PLATE_WIDTH, PLATE_HEIGHT), interpolation=cv2.INTER_LINEAR)
    cv2.insertChannel(np.maximum(alpha, cv2.convertScaleAbs(wide, alpha=darkness)), base, 3)


def circuits_gain(seconds: float, since: float) -> float:
    """The gain (0..1) of the traces, which light up some time after the hero appears at `since`."""
    return smoothstep(since + 0.55, since + 1.3, seconds)
