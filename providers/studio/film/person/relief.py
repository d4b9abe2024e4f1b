"""How the hero's picture moves when the head turns, smiles and breathes, and when hair sways.

Every movement is a field on the plate: how far each point goes for one unit of it. The movement of a frame is a
weighted sum of the fields. What is painted on the plate goes along, the visor too.

The surface that turns is the face's mesh; around it lies a membrane that ends at the plane of the ears where the
silhouette ends. The outline has no depth there, so it hardly moves: hair cannot tear, and the street needs no filling.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.eyes import LOWER_RIM, RIM
from providers.faces.vision import CHIN, EYE_OUTER_LEFT, EYE_OUTER_RIGHT, FACE_OVAL, FOREHEAD, TEMPLE_LEFT, TEMPLE_RIGHT
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, blur, sixteenths, smoothsteps

from .cutout import Cutout
from .membrane import stretched

CELL = 4  # plate px between two points of a field
DISTANCE = 5.0  # face widths from the camera to the head
NECK_DEPTH = 0.10  # face widths the neck lies in front of the ears
CROWN = 0.30  # face heights the skull reaches above the forehead's mesh
WAVE = 1.1  # face heights: the length of a wave in the hair
MOUTH_CORNERS, CHEEKS = (61, 291), (205, 425)  # mesh points
BROWS, BROWS_INSIDE = (105, 334), (66, 296)
# Plate px that the fields move at most for 1, in a face of USUAL_HEIGHT.
SMILE, BROW, CHEST, SHOULDERS, HAIR = 4.5, 3.6, 3.2, 3.2, 4.5
USUAL_HEIGHT = 326.0
EYEBALL = 0.088  # face widths: its radius
SOFTNESS = 0.034  # face heights: how softly the surface is modelled
# Around the eyes the surface is modelled more softly, or the straight rims of glasses would bend over the nose.
EYE_SOFTNESS, EYE_BAND, EYE_SHARE = 0.09, 0.13, 0.85  # face heights; face heights; share
LOOSE_EDGE = (10.0, 14.0)  # plate px: the width of edges as hard as a hat's, and of those as soft as loose hair's


@dataclass(frozen=True)
class Gesture:
    """What the head does in one frame, measured from how the photo shows it."""

    yaw: float = 0.0  # degrees, positive to the picture's right
    pitch: float = 0.0  # degrees, positive downwards
    roll: float = 0.0  # degrees, positive clockwise
    blink: float = 0.0  # 0 as in the photo .. 1 closed
    smile: float = 0.0  # 0..1
    brows: float = 0.0  # 0..1, raised
    breath: float = 0.0  # -1 out .. 1 in
    gust: float = 0.0  # 0..1, how far the hair sways
    gaze_x: float = 0.0  # degrees that the eyes turn beyond where they look in the photo
    gaze_y: float = 0.0
    wind: float = 0.0  # radians, the phase of the wave in the hair


STILL = Gesture()


class Relief:
    """The fields of one hero, at 1 / CELL of the plate's size."""

    def __init__(self, cutout: Cutout, triangles: np.ndarray) -> None:
        points, height, width = cutout.points, cutout.face_height, cutout.face_width
        size = PLATE_WIDTH // CELL, PLATE_HEIGHT // CELL
        self._columns, self._rows = np.meshgrid(*(np.arange(length, dtype=np.float32) for length in size))
        x, y = (axis * CELL + (CELL - 1) / 2 for axis in (self._columns, self._rows))
        alpha = cv2.resize(cutout.alpha, size, interpolation=cv2.INTER_AREA)
        ears, chin = (points[TEMPLE_LEFT] + points[TEMPLE_RIGHT]) / 2, float(points[CHIN, 1])
        depth = _depth(points, triangles, alpha, height, width)
        head = 1 - smoothsteps(chin - 0.04 * height, chin + 0.40 * height, y)
        chest = smoothsteps(chin + 0.12 * height, chin + 0.95 * height, y)
        right, down = x - ears[0], y - (chin + 0.10 * height)
        far = 1 / (DISTANCE * width)
        turning = [right, down, depth]
        turning += [
            a * b * far for a, b in ((right, right), (right, down), (right, depth), (down, down), (down, depth))
        ]
        unit = height / USUAL_HEIGHT
        smile_x, smile_y = _smile(points, x, y, height)
        sine, cosine = _hair(cutout, alpha, x, y)
        fields = [field * head for field in turning]
        fields += [smile_x * SMILE * unit, smile_y * SMILE * unit, _brows(points, x, y, height) * BROW * unit]
        fields += [chest * np.clip(right / (1.4 * height), -1, 1) * CHEST, chest * SHOULDERS]
        fields += [sine * HAIR * unit, cosine * HAIR * unit, _irises(cutout.eyes, x, y) * EYEBALL * width]
        self._fields = np.ascontiguousarray(np.stack([field.ravel() for field in fields]), np.float32)

    def moved(self, gesture: Gesture) -> np.ndarray:
        """Return how far what is now at each point of the plate has come: float32, rows x columns x 2, plate px."""
        right, down = (_weights(gesture) @ self._fields).reshape(2, *self._columns.shape)
        # The fields say where a point goes, a warp asks where it came from: one step towards the source is enough.
        from_x, from_y = cv2.scaleAdd(right, -1 / CELL, self._columns), cv2.scaleAdd(down, -1 / CELL, self._rows)
        return cv2.remap(cv2.merge([right, down]), from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def carried(self, points: np.ndarray, gesture: Gesture) -> np.ndarray:
        """Return how far points of the plate (n x 2) go, plate px."""
        x, y = ((points - (CELL - 1) / 2) / CELL).astype(np.float32).T
        planes = self._fields.reshape(-1, *self._columns.shape)
        at = [cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).ravel() for plane in planes]
        return (_weights(gesture) @ np.stack(at)).T


def _weights(gesture: Gesture) -> np.ndarray:
    """How much of each field goes to the right, and down. A small rotation is linear in the first eight."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = _rotation(gesture.yaw, gesture.pitch, gesture.roll).tolist()
    sine, cosine = np.sin(gesture.wind) * gesture.gust, np.cos(gesture.wind) * gesture.gust
    smile, brows, breath = gesture.smile, gesture.brows, gesture.breath
    look_x, look_y = np.sin(np.radians([gesture.gaze_x, gesture.gaze_y]))
    to_right = [xx - 1, xy, xz, zx, zy, zz - 1, 0, 0, smile, 0, 0, breath, 0, -cosine, sine, look_x]
    downwards = [yx, yy - 1, yz, 0, zx, 0, zy, zz - 1]
    downwards += [0, -smile, -brows, 0, -breath, 0.3 * sine, 0.3 * cosine, look_y]
    return np.array([to_right, downwards], np.float32)


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """A matrix for (right, down, towards the camera) from degrees."""
    (sy, sp, sr), (cy, cp, cr) = np.sin(np.radians([yaw, pitch, roll])), np.cos(np.radians([yaw, pitch, roll]))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def _depth(points: np.ndarray, triangles: np.ndarray, alpha: np.ndarray, height: float, width: float) -> np.ndarray:
    """How far each point is in front of the ears, plate px: the mesh, and a membrane from it to the outline."""
    fixed = sixteenths(points[:, :2] / CELL - 0.5 + 0.5 / CELL)
    nearness = (points[TEMPLE_LEFT, 2] + points[TEMPLE_RIGHT, 2]) / 2 - points[:, 2]
    mesh, inside = np.zeros(alpha.shape, np.float32), np.zeros(alpha.shape, np.uint8)
    for triangle in triangles:
        cv2.fillConvexPoly(mesh, fixed[triangle], float(nearness[triangle].mean()), cv2.LINE_8, 4)
    cv2.fillPoly(inside, [fixed[list(FACE_OVAL)]], 1, cv2.LINE_8, 4)
    inside = cv2.erode(inside, np.ones((3, 3), np.uint8))
    margin = 2 * round(0.03 * height / CELL) + 1
    around = cv2.dilate((alpha > 0.1).astype(np.uint8), np.ones((margin, margin), np.uint8))
    values = np.where(inside > 0, mesh, 0).astype(np.float32)
    below = round((points[CHIN, 1] + 0.26 * height) / CELL)
    values[below:] = NECK_DEPTH * width
    known = (inside > 0) | (around == 0)
    known[below:] = True
    depth = blur(stretched(values, known), SOFTNESS * height / CELL)
    eyes = (points[EYE_OUTER_LEFT, 1] + points[EYE_OUTER_RIGHT, 1]) / 2
    rows = (np.arange(alpha.shape[0], dtype=np.float32) * CELL - eyes) / (EYE_BAND * height)
    share = EYE_SHARE * np.exp(-(rows**2))[:, None]
    return depth + (blur(depth, EYE_SOFTNESS * height / CELL) - depth) * share


def _bump(point: np.ndarray, x: np.ndarray, y: np.ndarray, wide: float, high: float) -> np.ndarray:
    return np.exp(-(((x - point[0]) / wide) ** 2) - ((y - point[1]) / high) ** 2)


def _smile(points: np.ndarray, x: np.ndarray, y: np.ndarray, height: float) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the mouth go out and up, the cheeks a little with them."""
    out, up = np.zeros_like(x), np.zeros_like(x)
    for side, corner, cheek in zip((-1, 1), MOUTH_CORNERS, CHEEKS, strict=True):
        at_corner = _bump(points[corner], x, y, 0.10 * height, 0.085 * height)
        at_cheek = _bump(points[cheek], x, y, 0.12 * height, 0.12 * height)
        out += side * (0.55 * at_corner + 0.15 * at_cheek)
        up += 0.85 * at_corner + 0.35 * at_cheek
    return out, up


def _brows(points: np.ndarray, x: np.ndarray, y: np.ndarray, height: float) -> np.ndarray:
    raised = np.zeros_like(x)
    for number in (*BROWS, *BROWS_INSIDE):
        raised += 0.7 * _bump(points[number], x, y, 0.12 * height, 0.09 * height)
    return np.minimum(raised, 1)


def _irises(eyes: tuple[np.ndarray, ...], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where the eyeballs show: 1 on the irises, falling to the lids."""
    shown = np.zeros_like(x)
    for eye in eyes:
        rim, iris = eye[:RIM], eye[RIM:]
        width, opening = float(np.hypot(*(rim[0] - rim[LOWER_RIM - 1]))), float(np.ptp(rim[:, 1]))
        shown += _bump(iris[0], x, y, max(4.0, 0.30 * width), max(4.0, 0.62 * opening))
    return np.minimum(shown, 1)


def _hair(cutout: Cutout, alpha: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A wave that runs down the loose hair, as sine and cosine: the farther beyond the skull, the larger."""
    points, height, width = cutout.points, cutout.face_height, cutout.face_width
    up = points[FOREHEAD, :2] - points[CHIN, :2]
    up = up / max(1.0, float(np.hypot(*up)))
    middle = points[CHIN, :2] + up * (0.5 * (1 + CROWN) * height)
    ears = (points[TEMPLE_LEFT, :2] + points[TEMPLE_RIGHT, :2]) / 2
    middle = middle + (ears - middle) @ np.array([-up[1], up[0]]) * np.array([-up[1], up[0]])
    along = (x - middle[0]) * -up[1] + (y - middle[1]) * up[0]
    above = (x - middle[0]) * up[0] + (y - middle[1]) * up[1]
    out = np.sqrt((along / (0.62 * width)) ** 2 + (above / (0.5 * (1 + CROWN) * height)) ** 2)
    loose = smoothsteps(1.02, 1.6, out) * (1 - smoothsteps(0, 0.38 * height, y - points[CHIN, 1]))
    loose *= _soft_edges(alpha, height)
    phase = y * (2 * np.pi / (WAVE * height))
    return loose * np.sin(phase), loose * np.cos(phase)


def _soft_edges(alpha: np.ndarray, height: float) -> np.ndarray:
    """1 near outlines as soft as hair's, 0 near those as hard as the edge of a hat, a hood or a headscarf."""
    across, down = cv2.Sobel(alpha, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(alpha, cv2.CV_32F, 0, 1, scale=1 / 8)
    # Across an edge, the mean of 4 a (1 - a) grows with its width, and that of the slope does not.
    reach = 0.12 * height / CELL
    partly, slope = blur(4 * alpha * (1 - alpha), reach), blur(cv2.magnitude(across, down), reach)
    width = 1.5 * CELL * partly / np.maximum(slope, 1e-5)
    soft = np.where(slope > 1e-5, smoothsteps(*LOOSE_EDGE, width), 0)
    return blur(soft.astype(np.float32), reach)
