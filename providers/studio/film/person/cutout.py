"""The hero on the plate: colours without the old background, and the alpha of the photo's content."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from providers.faces.vision import CHIN, TEMPLE_LEFT, TEMPLE_RIGHT
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, apply

from .matting import foreground
from .mend import extend_downwards, mend_crown, mend_sides
from .subject import Placement, Subject, warp_photo


@dataclass
class Cutout:
    colours: np.ndarray  # BGR uint8, plate size
    alpha: np.ndarray  # float32 0..1, plate size
    points: np.ndarray  # the mesh on the plate, float32 468 x 3
    eyes: tuple[np.ndarray, ...]  # on the plate, see `find_eyes`
    face_height: float  # plate px
    face_y: float  # plate px
    scale: float  # plate px per photo px
    photo_rows: int  # rows from the top in which the photo can be seen; armour hides the rest

    @property
    def face_width(self) -> float:
        """The face's width in plate px, clamped to what a face of this height can have (profiles are narrower)."""
        points = self.points[:, :2]
        width = float(np.hypot(*(points[TEMPLE_RIGHT] - points[TEMPLE_LEFT])))
        return min(max(width, self.face_height * 0.66), self.face_height * 0.86)


def cut_out(subject: Subject, placement: Placement) -> Cutout:
    """Warp the subject onto the plate, repair what the photo's edges cut off, and clean the colours of soft edges."""
    pixels, matrix = subject.photo.pixels, placement.matrix
    size = (PLATE_WIDTH, PLATE_HEIGHT)
    colours = warp_photo(pixels, matrix, placement.scale)
    alpha = np.clip(cv2.warpAffine(subject.matte, matrix, size, flags=cv2.INTER_LINEAR), 0, 1)
    cover = cv2.warpAffine(np.full(pixels.shape[:2], 255, np.uint8), matrix, size, flags=cv2.INTER_LINEAR)
    points = subject.mesh.points.copy()
    points[:, :2] = apply(matrix, points[:, :2])
    points[:, 2] *= placement.scale
    cutout = Cutout(
        colours,
        alpha,
        points,
        tuple(apply(matrix, eye) for eye in subject.eyes),
        face_height=subject.face_height * placement.scale,
        face_y=placement.face_y,
        scale=placement.scale,
        photo_rows=PLATE_HEIGHT,
    )
    # The collar closes half a face width below the chin; a margin for the blurs.
    chin_y = points[CHIN, 1]
    cutout.photo_rows = int(min(PLATE_HEIGHT, chin_y + 0.65 * cutout.face_width)) // 8 * 8
    extend_downwards(colours, alpha, cover)
    mend_sides(colours, alpha, cover, points)
    mend_crown(colours, alpha, matrix, placement.scale, points)
    _clean_edges(cutout)
    return cutout


def _clean_edges(cutout: Cutout) -> None:
    """Replace the colour along soft edges by the foreground's own, estimated at half size."""
    rows = cutout.photo_rows
    colours, alpha = cutout.colours[:rows], cutout.alpha[:rows]
    half = (PLATE_WIDTH // 2, rows // 2)
    small = foreground(
        cv2.resize(colours, half, interpolation=cv2.INTER_AREA), cv2.resize(alpha, half, interpolation=cv2.INTER_AREA)
    )
    soft = ((alpha < 0.985) & (alpha > 0.004)).astype(np.uint8)
    clean = cv2.resize(small, (PLATE_WIDTH, rows), interpolation=cv2.INTER_LINEAR)
    cv2.copyTo(clean, cv2.dilate(soft, np.ones((3, 3), np.uint8)), colours)
