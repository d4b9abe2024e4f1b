"""The subject of the film: the chosen face, and the placement of the photo on the plate."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.eyes import find_eyes
from providers.faces.vision import CHIN, FOREHEAD, NOSE_TIP, TEMPLE_LEFT, TEMPLE_RIGHT, Mesh, find_faces, find_mesh
from providers.studio.errors import NoFace
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH

from .content import real_picture
from .matting import cut_others, person_matte
from .photo import Photo

FACE_HEIGHT = 0.212 * PLATE_HEIGHT  # plate px, forehead to chin
FACE_Y = 0.385 * PLATE_HEIGHT  # plate px, middle of the face
ROLL_REMOVED = 0.6  # of the tilt stays, as it belongs to the person
MAX_ENLARGEMENT = 1.2  # more of it pushes the emblem into the title
MIN_PRESENCE = 0.3  # below it the mesh model does not see a face
RIVAL_WIDTH = 0.35  # other faces at least this wide, compared with the hero's, are cut away


@dataclass(frozen=True)
class Subject:
    photo: Photo
    mesh: Mesh  # in the photo's pixels
    eyes: tuple[np.ndarray, ...]  # in the photo's pixels, see `find_eyes`
    matte: np.ndarray  # float32 0..1, at the photo's size
    centre: np.ndarray  # photo px, between forehead and chin
    face_height: float  # photo px
    yaw: float  # -1..1, negative when the nose points to the picture's left
    score: float  # 0..1, the detector's
    face_count: int


@dataclass(frozen=True)
class Placement:
    """The similarity that lays the photo on the plate."""

    matrix: np.ndarray  # float32 2 x 3, photo px → plate px
    scale: float
    face_x: float  # plate px
    face_y: float  # plate px


def analyse(photo: Photo) -> Subject:
    """Find the hero in a photo. Raise NoFace when there is no face in it."""
    if photo.alpha is not None:
        return _analyse(photo, None)
    pixels, picture = real_picture(photo.pixels)
    return _analyse(photo if pixels is photo.pixels else Photo(pixels, None), picture)


def _analyse(photo: Photo, picture: np.ndarray | None) -> Subject:
    """`picture` is a mask (0..1) of the photo without an editor's fill; None without fill."""
    faces = find_faces(photo.pixels)
    if not faces:
        raise NoFace
    face = faces[0]
    mesh = find_mesh(photo.pixels, face)
    if mesh.presence < MIN_PRESENCE:
        raise NoFace
    quarters = round(np.degrees(mesh.roll) / 90) % 4
    if quarters:  # a photo on its side, whose file does not say so
        picture = None if picture is None else np.ascontiguousarray(np.rot90(picture, quarters))
        return _analyse(_turned(photo, quarters), picture)
    points = mesh.points[:, :2]
    face_width = float(np.hypot(*(points[TEMPLE_RIGHT] - points[TEMPLE_LEFT])))
    # A turned or bowed face is shorter in the picture than it is.
    face_height = max(float(np.hypot(*(points[CHIN] - points[FOREHEAD]))), face_width * 1.15)
    centre = (points[FOREHEAD] + points[CHIN]) / 2
    others = [np.array(other.centre) for other in faces[1:] if other.width > RIVAL_WIDTH * face.width]
    if photo.alpha is None:
        matte = person_matte(photo.pixels, mesh, centre, face_height, others)
    else:
        matte = cut_others(photo.alpha.astype(np.float32) / 255, centre, face_height, others)
    if picture is not None:
        matte = matte * picture
    middle = (points[TEMPLE_LEFT, 0] + points[TEMPLE_RIGHT, 0]) / 2
    yaw = float((points[NOSE_TIP, 0] - middle) / max(1.0, face_width))
    return Subject(photo, mesh, find_eyes(photo.pixels, mesh), matte, centre, face_height, yaw, face.score, len(faces))


def _turned(photo: Photo, quarters: int) -> Photo:
    """A photo turned to the left by quarters."""
    alpha = None if photo.alpha is None else np.ascontiguousarray(np.rot90(photo.alpha, quarters))
    return Photo(np.ascontiguousarray(np.rot90(photo.pixels, quarters)), alpha)


def place(subject: Subject) -> Placement:
    """Lay the photo on the plate: the face at its size and place, most of its roll removed.

    Where the photo cuts the hair, the face moves up, then grows a little, until the cut leaves the plate.
    """
    x, y = subject.centre
    wanted = FACE_HEIGHT / subject.face_height
    scale, face_x, face_y = wanted, PLATE_WIDTH / 2, FACE_Y
    if subject.matte[:3].max() > 0.5:
        if y * scale < face_y:
            face_y = max(y * scale, PLATE_HEIGHT * 0.33)
        if y * scale < face_y:
            scale = min(face_y / y, wanted * MAX_ENLARGEMENT)
    angle = -subject.mesh.roll * ROLL_REMOVED
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    matrix = np.array(
        [[cos, -sin, face_x - cos * x + sin * y], [sin, cos, face_y - sin * x - cos * y]],
        np.float32,
    )
    return Placement(matrix, float(scale), face_x, float(face_y))


def warp_photo(
    pixels: np.ndarray,
    matrix: np.ndarray,
    scale: float,
    sharp_from: float = 1.3,
    border: int = cv2.BORDER_REPLICATE,
) -> np.ndarray:
    """Lay photo pixels on a plate without aliasing; the photo's edge is continued outwards."""
    size = (PLATE_WIDTH, PLATE_HEIGHT)
    if scale < 0.6:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        matrix = matrix.copy()
        matrix[:, :2] /= scale
        return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    flags = cv2.INTER_LINEAR if scale < sharp_from else cv2.INTER_CUBIC
    return cv2.warpAffine(pixels, matrix, size, flags=flags, borderMode=border)
