"""The part of a frame that a plate fills, so that only that part is warped and blended.

More than half of a street's near plates is empty, and below the shoulders the hero covers everything behind; neither
is drawn.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from .canvas import FRAME_HEIGHT, FRAME_WIDTH, apply, inverse

BAND = 16  # px: a plate is examined in bands of so many rows
CALL = 25_000  # pixels that take as long to draw as the overhead of one more part
FAINT = 3  # of 255: fainter pixels do not count

Strip = tuple[slice, slice]  # rows and columns of a frame
_Box = tuple[int, int, int, int]  # top, bottom, left, right


class Coverage:
    """What a premultiplied BGRA plate fills within some of its columns (all of them unless said)."""

    def __init__(self, plate: np.ndarray, columns: tuple[int, int] | None = None) -> None:
        self._height, self._width = plate.shape[:2]
        first, last = columns or (0, self._width)
        blue, green, red, alpha = cv2.split(plate)
        shown = cv2.max(cv2.max(blue, green), cv2.max(red, alpha))[:, first:last]
        boxes = []
        for top in range(0, self._height, BAND):
            filled = np.flatnonzero(shown[top : top + BAND].max(axis=0) > FAINT)
            if len(filled):
                boxes.append((top, min(top + BAND, self._height), first + int(filled[0]), first + int(filled[-1]) + 1))
        self._boxes = _joined(boxes)
        # For every column, the first row below which the plate is opaque.
        lowest = np.array([alpha[top : top + BAND].min(axis=0) for top in range(0, self._height, BAND)])
        holes = lowest[::-1] < 255
        bands = np.where(holes.any(axis=0), holes.argmax(axis=0), len(lowest))
        self._solid_from = self._height - bands * BAND

    @property
    def top(self) -> int:
        """The plate's first row that is filled."""
        return self._boxes[0][0] if self._boxes else self._height

    def strips(self, matrix: np.ndarray, *, reach: float = 0.0, bottom: int = FRAME_HEIGHT) -> list[Strip]:
        """The parts of a frame above its row `bottom` that the plate fills through a plate → frame matrix.

        They do not overlap. `reach` is how far, in plate px, its pixels may be moved in addition.
        """
        boxes = [_placed(box, matrix.tolist(), reach) for box in self._boxes]
        edges = sorted({min(bottom, max(0, edge)) for top, end, _, _ in boxes for edge in (top, end)})
        found = []
        for top, end in itertools.pairwise(edges):
            here = [(left, right) for box_top, box_end, left, right in boxes if box_top < end and top < box_end]
            if here:
                left, right = max(0, min(left for left, _ in here)), min(FRAME_WIDTH, max(right for _, right in here))
                if left < right:
                    found.append((top, end, left, right))
        return [np.s_[top:end, left:right] for top, end, left, right in _joined(found)]

    def solid_from(self, matrix: np.ndarray, *, reach: float = 0.0) -> int:
        """The frame row below which the plate covers everything behind it, through a plate → frame matrix."""
        corners = np.array([(x, y) for y in (0, FRAME_HEIGHT) for x in (0, FRAME_WIDTH)], np.float64)
        seen = apply(inverse(matrix), corners)
        (left, _), (right, lowest) = (seen.min(0) - reach - 1).tolist(), (seen.max(0) + reach + 1).tolist()
        if left < 0 or right > self._width or lowest > self._height:
            return FRAME_HEIGHT
        solid = float(self._solid_from[int(left) : int(right) + 1].max()) + reach + 1
        # The lowest point of that row, however the camera is tilted.
        rows = apply(matrix, np.array([(left, solid), (right, solid)]))[:, 1]
        return min(FRAME_HEIGHT, max(0, int(np.ceil(rows.max()))))


def moved_to(to_plate: np.ndarray, strip: Strip) -> np.ndarray:
    """A frame → plate matrix for a picture that is a strip of the frame."""
    rows, columns = strip
    return np.column_stack([to_plate[:, :2], apply(to_plate, np.array([columns.start, rows.start], np.float64))])


def _placed(box: _Box, matrix: list[list[float]], reach: float) -> _Box:
    """The frame box that holds a plate box, grown by `reach`."""
    (xx, xy, x0), (yx, yy, y0) = matrix
    top, bottom, left, right = box[0] - reach, box[1] + reach, box[2] - reach, box[3] + reach
    return (
        int(y0 + min(yx * left, yx * right) + min(yy * top, yy * bottom)) - 1,
        int(y0 + max(yx * left, yx * right) + max(yy * top, yy * bottom)) + 2,
        int(x0 + min(xx * left, xx * right) + min(xy * top, xy * bottom)) - 1,
        int(x0 + max(xx * left, xx * right) + max(xy * top, xy * bottom)) + 2,
    )


def _joined(boxes: list[_Box]) -> list[_Box]:
    """Join boxes that follow each other downwards where drawing the empty pixels costs less than another call."""
    joined: list[_Box] = []
    for top, bottom, left, right in boxes:
        if joined and joined[-1][1] == top:
            above, _, above_left, above_right = joined[-1]
            outer_left, outer_right = min(left, above_left), max(right, above_right)
            apart = (top - above) * (above_right - above_left) + (bottom - top) * (right - left)
            if (bottom - above) * (outer_right - outer_left) - apart < CALL:
                joined[-1] = (above, bottom, outer_left, outer_right)
                continue
        joined.append((top, bottom, left, right))
    return joined
