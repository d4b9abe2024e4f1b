"""Finds the edges of the lids and the irises of a face's eyes. The model is described in `models/README.md`.

The mesh has eyes too, but beside glasses their lids are up to 11 px off in a face of 300 px.
"""

from __future__ import annotations

import cv2
import numpy as np

from .vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, Mesh, forward

SIDE = 64  # px, square input of the model
REACH = 2.3  # eye widths it is shown
LOWER_RIM = 9  # the first points, from the outer corner to the inner one; the rest of RIM is the upper lid's
RIM = 16
EYE_INNER_LEFT, EYE_INNER_RIGHT = 133, 362  # mesh points
OUTPUTS = ("output_eyes_contours_and_brows", "output_iris")
# How far an eye may be from where the mesh has it, in eye widths: farther, the model looks again there; farther still,
# it is not believed.
LOOK_AGAIN, MOST_APART = 0.06, 0.40


def find_eyes(image: np.ndarray, mesh: Mesh) -> tuple[np.ndarray, ...]:
    """Return the eyes of a BGR uint8 picture, each as float32 21 x 2 in its pixels; the left one as shown comes first.

    The first RIM points are the lids' edges: LOWER_RIM from the outer to the inner corner, then the upper lid's between
    the corners. The last five are the iris: its middle, and its inner, upper, outer and lower edge. An eye that is
    found elsewhere than the mesh has it (behind hair, in a profile) is left out.
    """
    found = []
    for outer, inner, is_left in (
        (EYE_OUTER_LEFT, EYE_INNER_LEFT, True),
        (EYE_OUTER_RIGHT, EYE_INNER_RIGHT, False),
    ):
        ends = mesh.points[[outer, inner], :2]
        width = float(np.hypot(*(ends[1] - ends[0])))
        middle, size = ends.mean(0), max(8.0, REACH * width)
        eye = _find_eye(image, middle, size, mesh.roll, mirrored=not is_left)
        if _apart(eye, middle) > LOOK_AGAIN * width:  # the model knows eyes in the middle of what it is shown
            eye = _find_eye(image, eye[:RIM].mean(0), size, mesh.roll, mirrored=not is_left)
        if _apart(eye, middle) < MOST_APART * width:
            found.append(eye)
    return tuple(found)


def warm_up_eyes() -> None:
    """Load and run the model once: the first run is several times slower than the next."""
    forward("iris_landmark", np.zeros((1, 3, SIDE, SIDE), np.float32), OUTPUTS)


def _apart(eye: np.ndarray, middle: np.ndarray) -> float:
    return float(np.hypot(*(eye[[0, LOWER_RIM - 1]].mean(0) - middle)))


def _find_eye(image: np.ndarray, middle: np.ndarray, size: float, roll: float, *, mirrored: bool) -> np.ndarray:
    """The model knows eyes on the left of the picture; the other one is shown to it mirrored."""
    scale = SIDE / size
    cos, sin = np.cos(roll) * scale, np.sin(roll) * scale
    turn = np.array([[cos, sin], [-sin, cos]])
    if mirrored:
        turn[0] *= -1
    matrix = np.column_stack([turn, SIDE / 2 - turn @ middle])
    # Only the eye's surroundings are blurred against aliasing.
    left, top = np.maximum(middle - size, 0).astype(int).tolist()
    right, bottom = np.ceil(middle + size).astype(int).tolist()
    source = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    if scale < 0.5:
        source = cv2.blur(source, (int(1 / scale),) * 2)
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ (left, top)
    crop = cv2.warpAffine(source, local, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    blob = cv2.dnn.blobFromImage(crop, 1 / 255, (SIDE, SIDE), (0,) * 3, swapRB=True)
    rim, iris = (points.reshape(-1, 3)[:, :2] for points in forward("iris_landmark", blob, OUTPUTS))
    back = cv2.invertAffineTransform(matrix)
    return (np.vstack([rim[:RIM], iris]) @ back[:, :2].T + back[:, 2]).astype(np.float32)
