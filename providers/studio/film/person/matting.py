"""Cuts the hero out of the photo: a soft matte, and the colour of its edges without the old background.

The network runs twice (on the whole photo, then on a crop around the person). Its coarse result is refined by a colour
guided filter (He, Sun, Tang 2010), and the foreground's colour along soft edges is estimated by blur fusion
(Forte 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

from providers.faces.vision import (
    CHIN,
    EYE_OUTER_LEFT,
    EYE_OUTER_RIGHT,
    FACE_OVAL,
    FOREHEAD,
    NOSE_BRIDGE,
    TEMPLE_LEFT,
    TEMPLE_RIGHT,
    Mesh,
    forward,
)
from providers.studio.film.canvas import apply, blur, to_unit

NETWORK_SIDE = 256  # px
GUIDE_SIDE = 640  # px, long side the guided filter works at
GUIDE_RADIUS = 13  # px at that size
CORE_SIZE, CORE_ABOVE = 0.95, 0.10  # of the face
HAIR_REACH = 1.15  # face heights from the middle of the head; nothing farther is hair
SURE_INSIDE = 0.05  # face heights inside of the coarse border that the filter may still thin out
LEAST_BELIEF = 0.3  # share of such a part that the network gives at least a quarter
LEAST_PART = 0.04  # of the face's height squared: smaller parts are specks
LEAST_SAMPLES = 150  # pixels of hair, and of background, that make a colour model
GUIDE_EPSILON = 2e-4  # how much colour must vary to count as an edge
MOST_ROLL = np.radians(14)  # a head rolled more is turned upright for the network, which knows upright people
HEAD_REACH = 0.62  # face widths from the middle of the face: a photo cut nearer has lost a side of the head
ROOM = (2.2, 2.0, 3.0)  # face heights to the sides, above and below that are turned upright or completed


def person_matte(
    pixels: np.ndarray, mesh: Mesh, centre: np.ndarray, face_height: float, others: list[np.ndarray]
) -> np.ndarray:
    """Return the hero's matte, float32 0..1, for a photo without alpha of its own."""
    completed = _completed(pixels, mesh, centre, face_height)
    if completed is None:
        matte = _refine(pixels, _coarse_matte(pixels, centre, face_height), mesh.points[:, :2], face_height)
    else:
        picture, matrix = completed
        points, middle = apply(matrix, mesh.points[:, :2]), apply(matrix, centre[None])[0]
        matte = _refine(picture, _coarse_matte(picture, middle, face_height), points, face_height)
        matte = cv2.warpAffine(
            matte, matrix, pixels.shape[1::-1], flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderValue=0
        )
    matte = np.maximum(matte, _head_core(pixels.shape[:2], mesh, face_height))
    return cut_others(matte, centre, face_height, others)


def reflection(face: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix that mirrors a picture in the line down the middle of the face."""
    eyes = face[EYE_OUTER_RIGHT] - face[EYE_OUTER_LEFT]
    across = eyes / max(1e-6, float(np.hypot(*eyes)))
    middle = face[[FOREHEAD, NOSE_BRIDGE, CHIN]].mean(0)
    matrix = np.eye(2) - 2 * np.outer(across, across)
    return np.column_stack([matrix, middle - matrix @ middle]).astype(np.float32)


def _completed(
    pixels: np.ndarray, mesh: Mesh, centre: np.ndarray, face_height: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """A copy of the photo for the network, and the matrix photo px → its px; None when the photo itself can be used.

    In the copy the head is upright, and a side that the photo cuts off is replaced by the other side, mirrored.
    """
    height, width = pixels.shape[:2]
    face = mesh.points[:, :2]
    face_width = float(np.hypot(*(face[TEMPLE_RIGHT] - face[TEMPLE_LEFT])))
    is_cut = min(centre[0], width - centre[0]) < HEAD_REACH * face_width
    if not is_cut and abs(mesh.roll) < MOST_ROLL:
        return None
    sides, above, below = (room * face_height for room in ROOM)
    angle = -mesh.roll if abs(mesh.roll) >= MOST_ROLL else 0.0
    cos, sin = np.cos(angle), np.sin(angle)
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32) - centre
    placed = corners @ np.array([[cos, sin], [-sin, cos]])
    low = np.maximum(placed.min(0), (-sides, -above))
    high = np.minimum(placed.max(0), (sides, below))
    if is_cut:
        low[0], high[0] = min(low[0], -0.9 * face_width), max(high[0], 0.9 * face_width)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    x, y = centre
    matrix = np.array([[cos, -sin, -cos * x + sin * y - low[0]], [sin, cos, -sin * x - cos * y - low[1]]], np.float32)
    picture = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    if is_cut:
        known = cv2.warpAffine(np.full((height, width), 255, np.uint8), matrix, size)
        mirror = reflection(apply(matrix, face))
        theirs, there = (cv2.warpAffine(values, mirror, size) for values in (picture, known))
        cv2.copyTo(theirs, ((known < 255) & (there == 255)).astype(np.uint8), picture)
    return picture, matrix


def cut_others(matte: np.ndarray, centre: np.ndarray, face_height: float, others: list[np.ndarray]) -> np.ndarray:
    """Cut the matte halfway between the hero's face and each other face."""
    height, width = matte.shape
    for other in others:
        towards = other - centre
        squared = float(towards @ towards)
        distance = np.sqrt(squared)
        if distance < face_height * 0.6:
            continue
        along_x = (np.arange(width, dtype=np.float32) - centre[0]) * np.float32(towards[0])
        along_y = (np.arange(height, dtype=np.float32) - centre[1]) * np.float32(towards[1])
        share = (along_x[None] + along_y[:, None]) / squared  # 0 at the hero, 1 at the other
        matte = matte * np.clip((0.5 - share) * (distance / (face_height * 0.07)) + 0.5, 0, 1).astype(np.float32)
    return matte


def foreground(pixels: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Estimate the hero's own colour where the matte is soft; BGR uint8, float32 matte."""
    image = pixels.astype(np.float32)
    front = back = image
    for radius in (61, 7):
        front, back = _fuse(image, matte[..., None], front, back, radius)
    return front.astype(np.uint8)


def _fuse(
    image: np.ndarray, matte: np.ndarray, front: np.ndarray, back: np.ndarray, radius: int
) -> tuple[np.ndarray, np.ndarray]:
    size = (radius, radius)
    share = cv2.blur(matte[..., 0], size)[..., None]
    mean_front = cv2.blur(front * matte, size) / (share + 1e-5)
    mean_back = cv2.blur(back * (1 - matte), size) / (1 - share + 1e-5)
    rest = image - matte * mean_front - (1 - matte) * mean_back
    return np.clip(mean_front + matte * rest, 0, 255), mean_back


def _segment(pixels: np.ndarray) -> np.ndarray:
    """The network's matte of a picture, at the picture's size."""
    side = (NETWORK_SIDE, NETWORK_SIDE)
    small = cv2.resize(pixels, side, interpolation=cv2.INTER_AREA)
    blob = cv2.dnn.blobFromImage(small, 1 / 255, side, (0,) * 3, swapRB=True)
    (answer,) = forward("selfie_segmentation", blob, ("",))
    return cv2.resize(answer[0, 0], pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _coarse_matte(pixels: np.ndarray, centre: np.ndarray, face_height: float) -> np.ndarray:
    height, width = pixels.shape[:2]
    x, y = centre
    left, right = int(max(0, x - face_height * 2.2)), int(min(width, x + face_height * 2.2))
    top, bottom = int(max(0, y - face_height * 1.6)), int(min(height, y + face_height * 2.8))
    matte = _segment(pixels)
    crop = _segment(pixels[top:bottom, left:right])
    feather = max(2, int(face_height * 0.25))
    rows = _ramp(bottom - top, feather, top > 0, bottom < height)
    columns = _ramp(right - left, feather, left > 0, right < width)
    trust = rows[:, None] * columns[None]
    matte[top:bottom, left:right] = matte[top:bottom, left:right] * (1 - trust) + crop * trust
    _, labels = cv2.connectedComponents((matte > 0.4).astype(np.uint8))
    under_face = labels[int(np.clip(y, 0, height - 1)), int(np.clip(x, 0, width - 1))]
    if under_face:
        matte = matte * cv2.dilate((labels == under_face).astype(np.uint8), np.ones((9, 9), np.uint8))
    return matte


def _ramp(length: int, feather: int, at_start: bool, at_end: bool) -> np.ndarray:
    """1, falling to 0 over `feather` pixels at the given ends."""
    ramp = np.ones(length, np.float32)
    distance = np.arange(length, dtype=np.float32) / feather
    if at_start:
        ramp = np.minimum(ramp, distance)
    if at_end:
        ramp = np.minimum(ramp, distance[::-1])
    return np.clip(ramp, 0, 1)


def _refine(pixels: np.ndarray, matte: np.ndarray, points: np.ndarray, face_height: float) -> np.ndarray:
    """Pull the coarse matte's border to the photo's own edges."""
    height, width = pixels.shape[:2]
    scale = min(1.0, GUIDE_SIDE / max(height, width))
    size = (int(width * scale), int(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    guide = to_unit(small)
    coarse = np.clip((cv2.resize(matte, size, interpolation=cv2.INTER_AREA) - 0.15) / 0.7, 0, 1)
    coarse = _by_colour(small, coarse, points * scale)
    fine = np.clip((_guided_filter(guide, coarse) - 0.18) / 0.69, 0, 1)
    # The filter is only trusted in the band around the border.
    inside = cv2.erode(
        (coarse > 0.95).astype(np.uint8), np.ones((int(2 * SURE_INSIDE * face_height * scale) | 1,) * 2, np.uint8)
    )
    around = cv2.dilate((coarse > 0.05).astype(np.uint8), np.ones((GUIDE_RADIUS | 1,) * 2, np.uint8))
    fine = np.where(inside > 0, 1, np.where(around > 0, fine, 0)).astype(np.float32)
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR)


def _guided_filter(guide: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Filter a mask so that it follows a colour guide; both float32 0..1."""

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, (GUIDE_RADIUS, GUIDE_RADIUS), borderType=cv2.BORDER_REFLECT)

    channels = [np.ascontiguousarray(guide[..., channel]) for channel in range(3)]
    means = [mean(channel) for channel in channels]
    mask_mean = mean(mask)
    covariance = [mean(channels[i] * mask) - means[i] * mask_mean for i in range(3)]

    def variance(i: int, j: int) -> np.ndarray:
        return mean(channels[i] * channels[j]) - means[i] * means[j]

    aa, bb, cc = (variance(i, i) + GUIDE_EPSILON for i in range(3))
    ab, ac, bc = variance(0, 1), variance(0, 2), variance(1, 2)
    # The symmetric 3 x 3 covariance of the guide, inverted by cofactors.
    m00, m01, m02 = bb * cc - bc * bc, bc * ac - ab * cc, ab * bc - bb * ac
    m11, m12, m22 = aa * cc - ac * ac, ac * ab - aa * bc, aa * bb - ab * ab
    determinant = aa * m00 + ab * m01 + ac * m02
    slopes = [
        (m00 * covariance[0] + m01 * covariance[1] + m02 * covariance[2]) / determinant,
        (m01 * covariance[0] + m11 * covariance[1] + m12 * covariance[2]) / determinant,
        (m02 * covariance[0] + m12 * covariance[1] + m22 * covariance[2]) / determinant,
    ]
    offset = mask_mean - sum(slope * channel_mean for slope, channel_mean in zip(slopes, means, strict=True))
    return sum(mean(slope) * channel for slope, channel in zip(slopes, channels, strict=True)) + mean(offset)


def _head_core(shape: tuple[int, int], mesh: Mesh, face_height: float) -> np.ndarray:
    """Make the face and the forehead foreground, which the network misses on bald heads and before bright walls."""
    oval = mesh.points[list(FACE_OVAL), :2]
    middle = oval.mean(0)
    up = (mesh.points[FOREHEAD, :2] - mesh.points[CHIN, :2]) * CORE_ABOVE
    core = np.zeros(shape, np.uint8)
    ring = middle + (oval - middle) * CORE_SIZE
    for shift in (0, up):
        cv2.fillConvexPoly(core, cv2.convexHull(np.round((ring + shift) * 16).astype(np.int32)), 255, cv2.LINE_AA, 4)
    return to_unit(blur(core, max(1, face_height * 0.015)))


def _by_colour(pixels: np.ndarray, matte: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Add to a coarse matte the parts in the colours of hair or headwear that are not those of the background.

    The network misses many hats and turbans and parts of large hair. Hair and headwear are sampled right above the
    face, the background farther away than hair can reach.
    """
    height, width = matte.shape
    centre, face = points[[FOREHEAD, CHIN]].mean(0), float(np.hypot(*(points[CHIN] - points[FOREHEAD])))
    left, right = int(max(0, centre[0] - face * 1.8)), int(min(width, centre[0] + face * 1.8))
    top, bottom = int(max(0, centre[1] - face * 1.9)), int(min(height, centre[1] + face * 0.45))
    if bottom - top < 8 or right - left < 8:
        return matte
    window = np.s_[top:bottom, left:right]
    known = matte[window]
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    away = np.hypot(columns - centre[0], rows - (centre[1] - 0.3 * face)) / face
    oval = np.zeros(known.shape, np.uint8)
    cv2.fillConvexPoly(oval, cv2.convexHull(np.round(points[list(FACE_OVAL)] - (left, top)).astype(np.int32)), 1)
    hair = (known > 0.9) & (oval == 0) & (rows < centre[1])
    back = (known < 0.05) & (away > HAIR_REACH)
    if back.sum() < LEAST_SAMPLES:
        back = known < 0.05
    if min(hair.sum(), back.sum()) < LEAST_SAMPLES:
        return matte
    cells = (pixels[window] >> 4).astype(np.int32)
    cells = (cells[..., 0] << 8) + (cells[..., 1] << 4) + cells[..., 2]
    ours, theirs = (_colour_density(cells[mask]) for mask in (hair, back))
    likely = (ours / (ours + theirs + 1e-4)).astype(np.float32)[cells]
    likely = cv2.blur(likely, (5, 5))
    near = np.clip((HAIR_REACH - away) / 0.1, 0, 1) * np.clip((centre[1] - rows) / (0.1 * face), 0, 1)
    added = np.clip((likely - 0.80) / 0.15, 0, 1) * near
    solid = np.ones((max(3, int(0.05 * face)) | 1,) * 2, np.uint8)
    found = cv2.morphologyEx(((added > 0.5) | (known > 0.5)).astype(np.uint8), cv2.MORPH_OPEN, solid)
    _, parts = cv2.connectedComponents(((found > 0) & (known <= 0.9)).astype(np.uint8))
    # The network detects at least a part of a hat; a wall in the colours of the hair has no detected part.
    sizes = np.bincount(parts.ravel())
    believed = np.bincount(parts.ravel(), (known > 0.25).ravel()) / np.maximum(sizes, 1)
    believed[sizes < LEAST_PART * face * face] = 0
    believed[0] = 0
    added *= cv2.dilate((believed[parts] > LEAST_BELIEF).astype(np.uint8), np.ones((3, 3), np.uint8))
    matte = matte.copy()
    matte[window] = np.maximum(known, added)
    return matte


def _colour_density(cells: np.ndarray) -> np.ndarray:
    """A histogram of 16 x 16 x 16 colours, smoothed over neighbours; it sums to one."""
    counts = np.bincount(cells, minlength=4096).astype(np.float32).reshape(16, 16, 16)
    for axis in range(3):
        padded = np.pad(counts, [(1, 1) if axis == other else (0, 0) for other in range(3)])
        before, here, after = (np.take(padded, range(start, start + 16), axis) for start in range(3))
        counts = 0.25 * before + 0.5 * here + 0.25 * after
    return (counts / max(counts.sum(), 1)).ravel()
