"""The person whom the film is about, where a photo shows several: cut out, so that every provider sees that person."""

from __future__ import annotations

from collections.abc import Sequence
from math import hypot

import numpy as np

from .outcomes import Point
from .upright import Face, FindFaces

Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels

# In widths and heights of a face's box: what belongs to its head, and what a portrait shows.
_HEAD = (0.2, 0.5, 0.2, 0.25)
_PORTRAIT = (1.0, 0.9, 1.0, 1.6)
_NEAR = 0.7  # widths of a face from its middle
_LOOKED_AT = (0.5, 0.8, 0.3)  # sides of the squares around a point, in shorter edges of the picture
_SAME = 0.3  # overlap of two boxes of one face


def turned(point: Point, quarter_turns: int) -> Point:
    """Return where a point lies after that many quarter turns of its picture to the left."""
    x, y = point
    for _ in range(quarter_turns % 4):
        x, y = y, 1 - x
    return x, y


def choose(faces: Sequence[Face], point: Point, size: tuple[int, int]) -> Face:
    """Return the face at a point, or the one nearest to it, measured in widths of each face."""
    x, y = point[0] * size[0], point[1] * size[1]
    return min(faces, key=lambda face: _away(face, x, y))


def _away(face: Face, x: float, y: float) -> float:
    return hypot(x - _middle(face)[0], y - _middle(face)[1]) / face.width


def with_face_at(bgr: np.ndarray, faces: Sequence[Face], point: Point, find_faces: FindFaces) -> Sequence[Face]:
    """Return the faces of a picture with the one at this point, which is looked for there when nobody has seen it."""
    height, width = bgr.shape[:2]
    x, y, short = point[0] * width, point[1] * height, min(height, width)
    if faces and _away(choose(faces, point, (width, height)), x, y) < _NEAR:
        return faces
    for side in _LOOKED_AT:
        left, top = (max(0, int(at - side * short / 2)) for at in (x, y))
        right, bottom = min(width, int(x + side * short / 2)), min(height, int(y + side * short / 2))
        near = find_faces(np.ascontiguousarray(bgr[top:bottom, left:right]))
        found = [moved for face in near if _away(moved := _Moved(face, left, top), x, y) < _NEAR]
        if found:
            return [*faces, found[0]]
    return faces


class _Moved:
    """A face of a part of a picture, in pixels of the whole."""

    def __init__(self, face: Face, left: int, top: int) -> None:
        self.x, self.y, self.width, self.height, self.score = (
            face.x + left,
            face.y + top,
            face.width,
            face.height,
            face.score,
        )
        self.keypoints = [(x + left, y + top) for x, y in face.keypoints]


def cut_out(bgr: np.ndarray, chosen: Face, faces: Sequence[Face], find_faces: FindFaces) -> Box:
    """Return the part of a picture, in whole pixels, in which the chosen face is the best one.

    First as much as possible without the others' faces; where that is not enough, a close portrait.
    """
    height, width = bgr.shape[:2]
    head, others = _around(chosen, _HEAD), [face for face in faces if face is not chosen]
    part: Box = (0.0, 0.0, float(width), float(height))
    for other in others:
        part = _without(part, head, other)
    portrait = _inside(_around(chosen, _PORTRAIT), part)
    for box in (part, portrait):
        left, top, right, bottom = whole = _whole(box)
        found = find_faces(np.ascontiguousarray(bgr[int(top) : int(bottom), int(left) : int(right)]))
        if found and _overlap(_around(found[0], (0, 0, 0, 0), left, top), _around(chosen, (0, 0, 0, 0))) > _SAME:
            return whole
    return _whole(portrait)


def _without(part: Box, head: Box, other: Face) -> Box:
    """Return the largest of the parts that end before another face and keep the head whole; the same when none does."""
    left, top, right, bottom = part
    face = _around(other, (0, 0, 0, 0))
    if face[2] <= left or face[0] >= right or face[3] <= top or face[1] >= bottom:
        return part
    ways = [
        ((min(face[2], head[0]), top, right, bottom), _middle_of(face, 0) < head[0]),
        ((left, top, max(face[0], head[2]), bottom), _middle_of(face, 0) > head[2]),
        ((left, min(face[3], head[1]), right, bottom), _middle_of(face, 1) < head[1]),
        ((left, top, right, max(face[1], head[3])), _middle_of(face, 1) > head[3]),
    ]
    possible = [way for way, is_apart in ways if is_apart]
    return max(possible, key=_area, default=part)


def _middle(face: Face) -> tuple[float, float]:
    return face.x + face.width / 2, face.y + face.height / 2


def _middle_of(box: Box, axis: int) -> float:
    return (box[axis] + box[axis + 2]) / 2


def _around(face: Face, room: tuple[float, float, float, float], left: float = 0.0, top: float = 0.0) -> Box:
    """Return a face's box with room around it, given in its widths and heights, and moved by `left` and `top`."""
    x, y = face.x + left, face.y + top
    return (
        x - room[0] * face.width,
        y - room[1] * face.height,
        x + face.width * (1 + room[2]),
        y + face.height * (1 + room[3]),
    )


def _inside(box: Box, part: Box) -> Box:
    return max(box[0], part[0]), max(box[1], part[1]), min(box[2], part[2]), min(box[3], part[3])


def _whole(box: Box) -> Box:
    return float(int(box[0])), float(int(box[1])), float(int(box[2])), float(int(box[3]))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _overlap(one: Box, other: Box) -> float:
    shared = _area(_inside(one, other))
    return shared / (_area(one) + _area(other) - shared) if shared else 0.0
