"""Which way up a photo is when its file does not say: the turn in which a face is found best."""

from collections.abc import Callable, Sequence
from math import atan2, degrees
from typing import Protocol

import numpy as np

SURE = 0.8  # the finder's score: upright faces reach 0.9; lying and hanging ones, where it sees them at all, 0.7
TILTED = 45  # degrees between the eyes' line and the horizon; a lying face is measured at 55 to 69
CLEARLY = 0.1  # a turn must be better by this much, else the photo stays as it came
TURNS = (2, 1, 3)  # quarter turns to the left, upside down first


class Face(Protocol):
    """A face in pixels of the picture, as the studio's vision reports it: eyes first among the key points."""

    @property
    def x(self) -> float: ...

    @property
    def y(self) -> float: ...

    @property
    def width(self) -> float: ...

    @property
    def height(self) -> float: ...

    @property
    def score(self) -> float: ...

    @property
    def keypoints(self) -> Sequence[tuple[float, float]]: ...


FindFaces = Callable[[np.ndarray], Sequence[Face]]  # best first
IsFace = Callable[[np.ndarray, Face], bool]


def find_upright(bgr: np.ndarray, find_faces: FindFaces, is_face: IsFace) -> tuple[int, Sequence[Face]]:
    """Return by how many quarter turns to the left a picture becomes upright, and the faces seen then.

    When the first search finds an upright face with a high score, the photo stays as it is. Otherwise the other three
    turns are tried, and `is_face` checks what is found, because the detector is mistaken now and then.
    """
    seen = find_faces(bgr)
    if seen and seen[0].score >= SURE and tilt(seen[0]) <= TILTED:
        return 0, seen
    best, turn, faces = _worth(bgr, seen, is_face) + CLEARLY, 0, seen
    for turns in TURNS:
        turned = np.ascontiguousarray(np.rot90(bgr, turns))
        found = find_faces(turned)
        if found and tilt(found[0]) <= TILTED and (worth := _worth(turned, found, is_face)) > best:
            best, turn, faces = worth, turns, found
    return turn, faces


def tilt(face: Face) -> float:
    """Return the degrees, 0 to 180, by which a face's eyes are off the horizon; 0 for a face without key points."""
    if len(face.keypoints) < 2:
        return 0.0
    (left_x, left_y), (right_x, right_y) = face.keypoints[:2]
    return abs(degrees(atan2(right_y - left_y, right_x - left_x)))


def _worth(bgr: np.ndarray, faces: Sequence[Face], is_face: IsFace) -> float:
    return faces[0].score if faces and is_face(bgr, faces[0]) else 0.0
