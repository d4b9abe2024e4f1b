"""Finds faces and their 468 mesh points, with OpenCV's TFLite reader.

The models are described in `models/README.md`. A `cv2.dnn.Net` holds state between `setInput` and `forward`, so one
lock guards all of them; a process has one of each. This module imports only numpy and cv2.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

MODELS = Path(__file__).parent / "models"
DETECTOR_SIDE = 128  # px, square input of the detector
MESH_SIDE = 192  # px, square input of the mesh
DETECTION_THRESHOLD = 0.55
TILE_PENALTY = 0.1  # a tile has less context, so its threshold is higher
OVERLAP_LIMIT = 0.3  # two boxes that overlap more are one face
SMALL_FACE = 0.12  # of the picture's long side; smaller ones are searched for again in tiles

ESSENTIAL_KEYPOINTS = 4  # of the detector's six: eyes, nose, mouth
CLEAR_OF_EDGE = 0.05  # face widths
CUT_OFF_WORTH = 0.3  # the weight of a face that is cut off, compared with whole faces

# Indices of mesh points.
FOREHEAD, CHIN = 10, 152
TEMPLE_LEFT, TEMPLE_RIGHT = 234, 454  # left and right as the picture shows them
EYE_OUTER_LEFT, EYE_OUTER_RIGHT = 33, 263
NOSE_TIP, NOSE_BRIDGE = 1, 168
JAW_LEFT, JAW_RIGHT = 172, 397
# From the bridge of the nose over the inner cheeks to below the nose: skin without visor, hair or beard.
LIT_CENTRE = (6, 280, 164, 50)
FACE_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

_lock = threading.Lock()


@dataclass(frozen=True)
class Face:
    """A face as the detector sees it: box and key points in pixels of the picture given."""

    x: float
    y: float
    width: float
    height: float
    score: float  # 0..1
    # Eyes (left and right as the picture shows them), nose, mouth, ears.
    keypoints: tuple[tuple[float, float], ...] = ()

    @property
    def centre(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2


@dataclass(frozen=True)
class Mesh:
    """The face's surface: 468 points (x, y in pixels, z in the same unit, smaller is nearer)."""

    points: np.ndarray  # float32, 468 x 3
    presence: float  # 0..1, how sure the model is that this is a face
    roll: float  # radians, how far the line of the eyes is tilted


def find_faces(image: np.ndarray) -> list[Face]:
    """Return the faces of a BGR uint8 picture, the best one for a film first; [] when there are none.

    The best face is large, certain and near the middle. Faces narrower than about a fifteenth of the short side may be
    missed.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    faces = _detect_in_square(image, (width - side) / 2, (height - side) / 2, side, DETECTION_THRESHOLD)
    if not faces or max(face.width for face in faces) < SMALL_FACE * side:
        faces += _detect_in_tiles(image)
    faces = _without_repeats(faces)
    return sorted(faces, key=lambda face: _prominence(face, width, height), reverse=True)


def find_mesh(image: np.ndarray, face: Face) -> Mesh:
    """Return the mesh of a face. A second pass runs on the crop that the first one found."""
    centre = np.array(face.centre)
    size = max(face.width, face.height) * 1.5
    left_eye, right_eye = np.array(face.keypoints[0]), np.array(face.keypoints[1])
    roll = float(np.arctan2(*(right_eye - left_eye)[::-1]))
    for _ in range(2):
        points, presence = _mesh_pass(image, centre, size, roll)
        eyes = points[EYE_OUTER_RIGHT, :2] - points[EYE_OUTER_LEFT, :2]
        roll = float(np.arctan2(eyes[1], eyes[0]))
        upright = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        levelled = points[:, :2] @ upright.T
        low, high = levelled.min(0), levelled.max(0)
        centre = upright.T @ ((low + high) / 2)
        size = float(max(high - low)) * 1.5
    return Mesh(points.astype(np.float32), presence, roll)


def is_whole(face: Face, width: int, height: int) -> bool:
    """Whether eyes, nose and mouth are inside a picture of this size. Other parts that are cut off can be repaired."""
    margin = CLEAR_OF_EDGE * face.width
    return all(
        margin <= x <= width - margin and margin <= y <= height - margin
        for x, y in face.keypoints[:ESSENTIAL_KEYPOINTS]
    )


def warm_up_models() -> None:
    """Load and run every model once: the first run of each is several times slower than the next."""
    for model, side, outputs in (
        ("face_detection_short_range", DETECTOR_SIDE, ("regressors", "classificators")),
        ("face_landmark", MESH_SIDE, ("conv2d_21", "conv2d_31")),
        ("selfie_segmentation", 256, ("",)),
    ):
        forward(model, np.zeros((1, 3, side, side), np.float32), outputs)


def forward(model: str, blob: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
    """Run one network and return copies of the named outputs."""
    with _lock:
        net = _net(model, several=len(outputs) > 1)
        net.setInput(blob)
        # The engine reuses its buffers.
        if len(outputs) == 1:
            return [net.forward(outputs[0]).copy()]
        return [output.copy() for output in net.forward(list(outputs))]


@cache
def _net(model: str, *, several: bool) -> cv2.dnn.Net:
    """Return a network. OpenCV 5's new engine computes everything again for each output; the classic one does not."""
    engine = cv2.dnn.ENGINE_CLASSIC if several else cv2.dnn.ENGINE_AUTO
    return cv2.dnn.readNetFromTFLite(str(MODELS / f"{model}.tflite"), engine)


@cache
def _anchor_centres() -> np.ndarray:
    """The reference point of each detector output, 896 x 2, as 0..1 of the square."""
    layers = []
    for stride, per_cell in ((8, 2), (16, 6)):
        cells = DETECTOR_SIDE // stride
        rows, columns = np.mgrid[:cells, :cells]
        centres = np.stack([(columns + 0.5) / cells, (rows + 0.5) / cells], -1).reshape(-1, 2)
        layers.append(np.repeat(centres, per_cell, axis=0))
    return np.concatenate(layers).astype(np.float32)


def _prominence(face: Face, width: int, height: int) -> float:
    x, y = face.centre
    off_centre = np.hypot((x - width / 2) / width, (y - height / 2) / height)
    worth = face.width * (1 - 0.6 * off_centre) * face.score
    return worth if is_whole(face, width, height) else worth * CUT_OFF_WORTH


def _detect_in_tiles(image: np.ndarray) -> list[Face]:
    """Detect in overlapping squares, first as large as the short side, then smaller."""
    height, width = image.shape[:2]
    faces: list[Face] = []
    for side in (min(height, width), min(height, width) * 0.6):
        columns = max(1, int(np.ceil((width - side) / (side * 0.5))) + 1)
        rows = max(1, int(np.ceil((height - side) / (side * 0.5))) + 1)
        for top in np.linspace(0, height - side, rows):
            for left in np.linspace(0, width - side, columns):
                faces += _detect_in_square(image, left, top, side, DETECTION_THRESHOLD + TILE_PENALTY)
        if faces:
            break
    return faces


def _detect_in_square(image: np.ndarray, left: float, top: float, side: float, threshold: float) -> list[Face]:
    """Detect in one square of the picture; parts of it outside the picture are black."""
    height, width = image.shape[:2]
    shrink = max(1, int(side // 256))
    small = image
    if shrink > 1:  # warpAffine does not average, so the picture is shrunk first
        size = (max(1, width // shrink), max(1, height // shrink))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    scale = DETECTOR_SIDE / side
    matrix = np.array(
        [
            [scale * width / small.shape[1], 0, -left * scale],
            [0, scale * height / small.shape[0], -top * scale],
        ],
        np.float32,
    )
    crop = cv2.warpAffine(small, matrix, (DETECTOR_SIDE, DETECTOR_SIDE), flags=cv2.INTER_LINEAR)
    blob = cv2.dnn.blobFromImage(crop, 1 / 127.5, (DETECTOR_SIDE, DETECTOR_SIDE), (127.5,) * 3, swapRB=True)
    regressors, logits = forward("face_detection_short_range", blob, ("regressors", "classificators"))
    scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
    sure = np.where(scores > threshold)[0]
    if not len(sure):
        return []
    raw, anchors = regressors[0][sure], _anchor_centres()[sure]
    centres = raw[:, :2] / DETECTOR_SIDE + anchors
    sizes = raw[:, 2:4] / DETECTOR_SIDE
    boxes = np.concatenate([centres - sizes / 2, sizes], axis=1)
    keypoints = raw[:, 4:].reshape(-1, 6, 2) / DETECTOR_SIDE + anchors[:, None]
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores[sure].tolist(), threshold, OVERLAP_LIMIT)
    faces = []
    for index in np.array(kept, int).ravel():
        x, y, box_width, box_height = (boxes[index] * side + [left, top, 0, 0]).tolist()
        points = tuple((float(px), float(py)) for px, py in keypoints[index] * side + [left, top])
        faces.append(Face(x, y, box_width, box_height, float(scores[sure][index]), points))
    return faces


def _without_repeats(faces: list[Face]) -> list[Face]:
    """Drop the less certain of two boxes of the same face."""
    if not faces:
        return []
    boxes = [[face.x, face.y, face.width, face.height] for face in faces]
    kept = cv2.dnn.NMSBoxes(boxes, [face.score for face in faces], DETECTION_THRESHOLD, OVERLAP_LIMIT)
    return [faces[index] for index in np.array(kept, int).ravel()]


def _mesh_pass(image: np.ndarray, centre: np.ndarray, size: float, roll: float) -> tuple[np.ndarray, float]:
    """Run the mesh on a rolled square crop; return the points in the picture's pixels, and the presence."""
    cos, sin, scale = np.cos(roll), np.sin(roll), size / MESH_SIDE
    half = MESH_SIDE / 2
    crop_to_image = np.array(
        [
            [cos * scale, -sin * scale, centre[0] - (cos - sin) * half * scale],
            [sin * scale, cos * scale, centre[1] - (sin + cos) * half * scale],
        ],
        np.float32,
    )
    source = cv2.blur(image, (int(scale), int(scale))) if scale > 2 else image  # against aliasing
    crop = cv2.warpAffine(
        source,
        crop_to_image,
        (MESH_SIDE, MESH_SIDE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    blob = cv2.dnn.blobFromImage(crop, 1 / 255, (MESH_SIDE, MESH_SIDE), (0,) * 3, swapRB=True)
    coordinates, logit = forward("face_landmark", blob, ("conv2d_21", "conv2d_31"))
    local = coordinates.reshape(-1, 3)
    flat = local[:, :2] @ crop_to_image[:, :2].T + crop_to_image[:, 2]
    presence = 1 / (1 + np.exp(-float(logit.ravel()[0])))
    return np.column_stack([flat, local[:, 2] * scale]), presence
