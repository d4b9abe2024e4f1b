"""Repairs a cut-out where the photo's edges cut off the body, a side or the crown of the head.

The armour covers what is missing below. A missing side of the head is mirrored from the other side. A crown that is
cut off a little is rounded; one that is cut across the head gets a dark cap, which looks intended.
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.faces.vision import CHIN, FOREHEAD, TEMPLE_LEFT, TEMPLE_RIGHT
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, apply, smoothsteps

from .matting import reflection

COVERED = 250  # of 255: a plate pixel the photo reaches
SIDE_FADE = 0.09 * PLATE_WIDTH  # px over which a side cut by the photo's edge fades out
SEAM = 26  # px over which the mirrored side takes over
HEAD_REACH = 0.75  # face widths from the middle of the face: a cut farther out cuts no head
WIDE_CUT = 0.62  # face widths: a crown cut wider than this gets the cap
CAP = np.array([30, 25, 22], np.float32)  # BGR
CAP_SEAM = np.array([70, 62, 56], np.float32)  # BGR


def extend_downwards(colours: np.ndarray, alpha: np.ndarray, cover: np.ndarray) -> None:
    """Continue alpha and colour below the photo's last row; the armour hides most of it."""
    reached = np.where(cover[:, PLATE_WIDTH // 2] > COVERED)[0]
    last = int(reached.max()) if len(reached) else PLATE_HEIGHT - 1
    if last >= PLATE_HEIGHT - 2:
        return
    row = last - 6
    count = PLATE_HEIGHT - row
    tone = cv2.blur(colours[row : row + 1].astype(np.float32), (31, 1))
    darker = np.linspace(1, 0.25, count, dtype=np.float32)[:, None, None] ** 1.2
    if row >= count:
        mirrored = cv2.blur(colours[row - count : row][::-1], (25, 3))
    else:
        mirrored = np.repeat(tone.astype(np.uint8), count, 0)
    colours[row:] = (0.5 * mirrored + 0.5 * tone) * darker
    alpha[row:] = alpha[row]
    cover[row:] = cover[row]


def mend_sides(colours: np.ndarray, alpha: np.ndarray, cover: np.ndarray, points: np.ndarray) -> None:
    """Mirror the head across the middle of the face where the photo's side cuts it; elsewhere a cut side fades out."""
    face = points[:, :2]
    middle = face[[FOREHEAD, CHIN]].mean(0)
    width = float(np.hypot(*(face[TEMPLE_RIGHT] - face[TEMPLE_LEFT])))
    covered = (cover > COVERED).astype(np.uint8)
    row = covered[int(np.clip(middle[1], 0, PLATE_HEIGHT - 1))]
    if row.all():
        return
    rows = np.where(covered[:, int(np.clip(middle[0], 0, PLATE_WIDTH - 1))])[0]
    first = int(rows.min()) if len(rows) else 0
    covered[: first + 6] = covered[min(first + 6, PLATE_HEIGHT - 1)]  # only sides: a cut top is mended for itself
    framed = cv2.copyMakeBorder(covered, 0, 0, 1, 1, cv2.BORDER_CONSTANT, value=0)
    inside = cv2.distanceTransform(framed, cv2.DIST_L2, 3)[:, 1:-1].astype(np.float32)
    reach = np.s_[int(max(0, middle[0] - HEAD_REACH * width)) : int(min(PLATE_WIDTH, middle[0] + HEAD_REACH * width))]
    if row[reach].all():
        alpha *= smoothsteps(0, SIDE_FADE, inside)
        return
    mirror = reflection(face)
    bottom = int(min(PLATE_HEIGHT, face[CHIN, 1] + 0.9 * width))
    size = (PLATE_WIDTH, bottom)
    theirs = cv2.warpAffine(colours, mirror, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    known = np.dstack([alpha, covered.astype(np.float32)])
    known = cv2.warpAffine(known, mirror, size, flags=cv2.INTER_LINEAR)
    missing = 1 - smoothsteps(2, SEAM, inside[:bottom])
    share = (missing * known[..., 1])[..., None]
    colours[:bottom] = colours[:bottom] * (1 - share) + theirs * share
    alpha[:bottom] = alpha[:bottom] * (1 - missing) + known[..., 0] * missing
    alpha[bottom:] *= smoothsteps(0, SIDE_FADE, inside[bottom:])
    cover[:bottom] = np.where(share[..., 0] > 0.5, 255, cover[:bottom])


def mend_crown(colours: np.ndarray, alpha: np.ndarray, matrix: np.ndarray, scale: float, points: np.ndarray) -> None:
    """Close the head above a row where the photo cuts it; `matrix` is photo px → plate px."""
    face = points[:, :2]
    width = float(np.hypot(*(face[TEMPLE_RIGHT] - face[TEMPLE_LEFT]))) / scale  # from here on in the photo's pixels
    height = float(np.hypot(*(face[CHIN] - face[FOREHEAD]))) / scale
    to_photo = cv2.invertAffineTransform(matrix)
    middle = apply(to_photo, face[[FOREHEAD, CHIN]].mean(0)[None])[0, 0]
    across = np.arange(middle - 1.1 * width, middle + 1.1 * width, 1 / scale)
    edge = np.column_stack([across, np.full(len(across), 4 / scale)])
    x, y = np.round(apply(matrix, edge)).astype(int).T
    seen = (x >= 0) & (x < PLATE_WIDTH) & (y >= 0) & (y < PLATE_HEIGHT)
    if not seen.any() or y[seen].max() <= 4:
        return
    hair = np.zeros(len(across), bool)
    hair[seen] = alpha[y[seen], x[seen]] > 0.5
    cut = across[hair]
    rows = int(min(PLATE_HEIGHT, y[seen].max() + 0.4 * height * scale))
    plate_y, plate_x = np.mgrid[:rows, :PLATE_WIDTH].astype(np.float32)
    px = to_photo[0, 0] * plate_x + to_photo[0, 1] * plate_y + to_photo[0, 2]
    py = to_photo[1, 0] * plate_x + to_photo[1, 1] * plate_y + to_photo[1, 2]
    above = alpha[:rows] * np.clip((py * scale - 1) / 6, 0, 1)  # nothing above the photo, softly
    if len(cut) < 0.12 * width * scale:
        alpha[:rows] = above
        return
    half, centre = max(8 / scale, float(np.ptp(cut)) / 2), float(cut.min() + cut.max()) / 2
    if 2 * half < WIDE_CUT * width:
        # The photo's edge just touches the head: nothing is missing but a sliver, so round off what is there.
        forehead = apply(to_photo, face[[FOREHEAD]])[0, 1]
        hair = _reach(alpha, matrix, middle, forehead, width)
        alpha[:rows] = above * _dome(px - hair[0], py - forehead, hair[1], forehead, scale)
        _shave(alpha, int(face[FOREHEAD, 1]), 0.45 * width * scale)
        return
    half = min(half, 0.78 * width) * 1.03
    brim = 0.05 * height
    dome = _dome(px - centre, py - brim, half, 0.75 * half + brim, scale)
    bow = brim * (
        1 - np.clip(((px - centre) / half) ** 2, 0, 1) * 0.6
    )  # the cap's lower edge curves upwards at the sides
    cap = dome * np.clip((bow - py) * scale / 2 + 0.5, 0, 1)
    seam = np.exp(-(((py - bow * 0.25) * scale / 3) ** 2)) + 0.6 * np.exp(
        -(((np.abs(px - centre) * scale - 2) / 3) ** 2)
    )
    paint = CAP + (CAP_SEAM - CAP) * np.clip(seam, 0, 1)[..., None]
    colours[:rows] = colours[:rows] * (1 - cap[..., None]) + paint * cap[..., None]
    # Hair wider than the cap ends in a soft slope beside it.
    slope = np.clip((py - (np.abs(px - centre) - half) * 0.5) * scale / 8, 0, 1)
    alpha[:rows] = np.maximum(above * np.where(np.abs(px - centre) > half, slope, 1), cap)


def _dome(x: np.ndarray, y: np.ndarray, half: float, height: float, scale: float) -> np.ndarray:
    """The upper half of an ellipse, soft over about 5 plate px; 1 below it too, between its sides."""
    distance = np.sqrt((x / half) ** 2 + (np.minimum(y, 0) / height) ** 2)
    return np.clip((1 - distance) * height * scale / 5 + 0.5, 0, 1).astype(np.float32)


def _shave(alpha: np.ndarray, below: int, width: float) -> None:
    """Remove parts on top of the head that are narrower than `width`: background at the photo's edge."""
    rows = min(PLATE_HEIGHT, int(below + width)) // 4 * 4
    small = cv2.resize(alpha[:rows], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, int(width / 4)) | 1,) * 2)
    head = cv2.copyMakeBorder((small > 0.5).astype(np.uint8), 0, kernel.shape[0], 0, 0, cv2.BORDER_REPLICATE)
    head = cv2.morphologyEx(head, cv2.MORPH_OPEN, kernel)[: small.shape[0]]
    head = cv2.blur(cv2.dilate(head, np.ones((3, 3), np.uint8)).astype(np.float32), (3, 3))
    kept = cv2.resize(head, (PLATE_WIDTH, rows), interpolation=cv2.INTER_LINEAR)
    above = max(0, below)
    alpha[:above] *= kept[:above]


def _reach(alpha: np.ndarray, matrix: np.ndarray, middle: float, row: float, width: float) -> tuple[float, float]:
    """The middle, and half the width, of the head in a row of the photo; photo px."""
    across = np.linspace(middle - width, middle + width, 200)
    x, y = np.round(apply(matrix, np.column_stack([across, np.full(200, row)]))).astype(int).T
    seen = (x >= 0) & (x < PLATE_WIDTH) & (y >= 0) & (y < PLATE_HEIGHT)
    head = across[seen][alpha[y[seen], x[seen]] > 0.5]
    if len(head) < 20:
        return middle, 0.6 * width
    return float(head.min() + head.max()) / 2, 1.04 * float(np.ptp(head)) / 2
