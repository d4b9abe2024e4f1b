"""Cut the hero out of the photo: a soft matte, and the colour of its edges without the old background.

The network is asked twice (the whole photo, then a crop around the person), its coarse
answer is refined by a colour guided filter (He, Sun, Tang 2010), and the foreground's
colour along soft edges is estimated by blur fusion (Forte 2021).
"""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import blur, to_unit
from .vision import CHIN, FOREHEAD, TEMPLE_LEFT, TEMPLE_RIGHT, Mesh, forward

NETWORK_SIDE = 256  # px
GUIDE_SIDE = 640  # px, long side the guided filter works at
GUIDE_RADIUS = 13  # px at that size
GUIDE_EPSILON = 2e-4  # how much colour must vary to count as an edge


def person_matte(
    pixels: np.ndarray, mesh: Mesh, centre: np.ndarray, face_height: float, others: list[np.ndarray]
) -> np.ndarray:
    """Return the hero's matte, float32 0..1, for a photo without alpha of its own."""
    matte = _refine(pixels, _coarse_matte(pixels, centre, face_height))
    matte = np.maximum(matte, _head_ellipse(pixels.shape[:2], mesh, face_height))
    return cut_others(matte, centre, face_height, others)


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


def _fuse(image, matte, front, back, radius) -> tuple[np.ndarray, np.ndarray]:
    size = (radius, radius)
    share = cv2.blur(matte[..., 0], size)[..., None]
    mean_front = cv2.blur(front * matte, size) / (share + 1e-5)
    mean_back = cv2.blur(back * (1 - matte), size) / (1 - share + 1e-5)
    rest = image - matte * mean_front - (1 - matte) * mean_back
    return np.clip(mean_front + matte * rest, 0, 255), mean_back


def _segment(pixels: np.ndarray) -> np.ndarray:
    """The network's answer for a picture, at the picture's size."""
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
    """1, falling to 0 over `feather` pixels at the ends asked for."""
    ramp = np.ones(length, np.float32)
    distance = np.arange(length, dtype=np.float32) / feather
    if at_start:
        ramp = np.minimum(ramp, distance)
    if at_end:
        ramp = np.minimum(ramp, distance[::-1])
    return np.clip(ramp, 0, 1)


def _refine(pixels: np.ndarray, matte: np.ndarray) -> np.ndarray:
    """Pull the coarse matte's border to the photo's own edges."""
    height, width = pixels.shape[:2]
    scale = min(1.0, GUIDE_SIDE / max(height, width))
    size = (int(width * scale), int(height * scale))
    guide = to_unit(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
    coarse = np.clip((cv2.resize(matte, size, interpolation=cv2.INTER_AREA) - 0.15) / 0.7, 0, 1)
    fine = np.clip((_guided_filter(guide, coarse) - 0.12) / 0.76, 0, 1)
    # The filter is only trusted in the band around the border.
    inside = cv2.erode((coarse > 0.95).astype(np.uint8), np.ones((2 * GUIDE_RADIUS | 1,) * 2, np.uint8))
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


def _head_ellipse(shape: tuple[int, int], mesh: Mesh, face_height: float) -> np.ndarray:
    """The core of the head is foreground whatever the network says (bald heads, bright walls)."""
    forehead, chin = mesh.points[FOREHEAD, :2], mesh.points[CHIN, :2]
    centre = forehead * 0.62 + chin * 0.38 + (forehead - chin) * 0.06
    face_width = float(np.hypot(*(mesh.points[TEMPLE_RIGHT, :2] - mesh.points[TEMPLE_LEFT, :2])))
    ellipse = np.zeros(shape, np.uint8)
    middle, axes = (int(centre[0]), int(centre[1])), (int(face_width * 0.43), int(face_height * 0.56))
    cv2.ellipse(ellipse, middle, axes, float(np.degrees(mesh.roll)), 0, 360, 255, -1, cv2.LINE_AA)
    return to_unit(blur(ellipse, max(1, face_height * 0.02)))
