"""The hero laid on the plate: colours without the old background, and the alpha of what the photo shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .canvas import PLATE_HEIGHT, PLATE_WIDTH, apply, smoothsteps
from .matting import foreground
from .subject import Placement, Subject, warp_photo
from .vision import CHIN, TEMPLE_LEFT, TEMPLE_RIGHT

SIDE_FADE = 0.09 * PLATE_WIDTH  # px over which a side cut by the photo's edge fades out
COVERED = 250  # of 255: a plate pixel the photo reaches


@dataclass
class Cutout:
    colours: np.ndarray  # BGR uint8, plate size
    alpha: np.ndarray  # float32 0..1, plate size
    points: np.ndarray  # the mesh on the plate, float32 468 x 3
    face_height: float  # plate px
    face_y: float  # plate px
    scale: float  # plate px per photo px
    photo_rows: int  # rows from the top in which the photo can be seen; armour hides the rest

    @property
    def face_width(self) -> float:
        """Plate px, kept within what a face of this height can have (profiles are narrower)."""
        points = self.points[:, :2]
        width = float(np.hypot(*(points[TEMPLE_RIGHT] - points[TEMPLE_LEFT])))
        return min(max(width, self.face_height * 0.66), self.face_height * 0.86)


def cut_out(subject: Subject, placement: Placement) -> Cutout:
    """Lay the subject on the plate, mend what the photo's edges cut, and clean the matte's edge colours."""
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
        face_height=subject.face_height * placement.scale,
        face_y=placement.face_y,
        scale=placement.scale,
        photo_rows=PLATE_HEIGHT,
    )
    # The collar closes half a face width below the chin; a margin for the blurs.
    chin_y = points[CHIN, 1]
    cutout.photo_rows = int(min(PLATE_HEIGHT, chin_y + 0.65 * cutout.face_width)) // 8 * 8
    _extend_downwards(cutout, cover)
    _fade_cut_sides(cutout, cover, placement.face_x)
    _mend_crown(cutout, cover, placement.face_x)
    _clean_edges(cutout)
    return cutout


def _extend_downwards(cutout: Cutout, cover: np.ndarray) -> None:
    """Continue alpha and colour below the photo's last row; the armour hides most of it."""
    reached = np.where(cover[:, PLATE_WIDTH // 2] > COVERED)[0]
    last = int(reached.max()) if len(reached) else PLATE_HEIGHT - 1
    if last >= PLATE_HEIGHT - 2:
        return
    row = last - 6
    count = PLATE_HEIGHT - row
    colours, alpha = cutout.colours, cutout.alpha
    tone = cv2.blur(colours[row : row + 1].astype(np.float32), (31, 1))
    darker = np.linspace(1, 0.25, count, dtype=np.float32)[:, None, None] ** 1.2
    if row >= count:
        mirrored = cv2.blur(colours[row - count : row][::-1], (25, 3))
    else:
        mirrored = np.repeat(tone.astype(np.uint8), count, 0)
    colours[row:] = (0.5 * mirrored + 0.5 * tone) * darker
    alpha[row:] = alpha[row]
    cover[row:] = cover[row]


def _fade_cut_sides(cutout: Cutout, cover: np.ndarray, face_x: float) -> None:
    covered = (cover > COVERED).astype(np.uint8)
    if covered[int(cutout.face_y)].all():
        return
    first = _first_row(cover, face_x)
    covered[: first + 6] = covered[first + 6]  # only sides fade: a cut top is mended
    framed = cv2.copyMakeBorder(covered, 0, 0, 1, 1, cv2.BORDER_CONSTANT, value=0)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[:, 1:-1]
    cutout.alpha *= smoothsteps(0, SIDE_FADE, distance.astype(np.float32))


def _first_row(cover: np.ndarray, x: float) -> int:
    """The first row of the plate that the photo reaches above the face."""
    reached = np.where(cover[: PLATE_HEIGHT - 8, int(x)] > COVERED)[0]
    return int(reached.min()) if len(reached) else 0


def _mend_crown(cutout: Cutout, cover: np.ndarray, face_x: float) -> None:
    """Grow a rounded crown above a row where the photo cuts the hair."""
    first = _first_row(cover, face_x)
    if first <= 4:
        return
    colours, alpha = cutout.colours, cutout.alpha
    row = first + 4
    hair = np.where(alpha[row] > 0.5)[0]
    if alpha[first + 3].max() <= 0.5 or not len(hair):
        rows = np.arange(PLATE_HEIGHT, dtype=np.float32)
        alpha *= np.clip((rows - first) / 6, 0, 1)[:, None]
        return
    half_width, middle = max(8.0, (hair.max() - hair.min()) / 2), (hair.max() + hair.min()) / 2
    height = half_width * 0.5
    rows, columns = np.mgrid[:row, :PLATE_WIDTH].astype(np.float32)
    distance = np.sqrt(((columns - middle) / half_width) ** 2 + ((rows - row) / height) ** 2)
    alpha[:row] = np.clip((1 - distance) * half_width / 6, 0, 1)
    mirrored = colours[row : row + max(8, int(height))][::-1]
    count = min(len(mirrored), row)
    colours[row - count : row] = cv2.blur(mirrored[-count:], (9, 9))


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
