"""Finds the picture inside a photo that an editor has rotated, which leaves a plain fill in the corners.

A fill is flat, touches a corner and has straight borders, so the picture itself is convex. A plain wall is flat too,
but the person in front of it is not convex.
"""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 320  # px, long side of the copy that is examined
FLAT = 7  # of 255: how much a fill may vary; JPEG writes a little noise
LEAST_FILL = 0.004  # share of the photo, in one corner
TRIANGLE = (0.40, 0.62)  # share of its bounding box that a filled corner covers: half, less what is soft
LEAST_CONVEX = 0.985  # share of its convex hull that a picture fills
LEAST_RECTANGLE = 0.965  # share of its smallest rectangle, if that is the whole picture
RIM = 2  # px of the copy along the border, where fill and picture are mixed


def real_picture(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the picture upright and without fill; if some fill is left, also a mask (0..1) of the picture.

    A rotated picture that is complete is rotated back. In one that was cropped, the fill is painted over with the
    nearest pixels of the picture.
    """
    hull, scale = _hull(pixels)
    if hull is None:
        return pixels, None
    area = cv2.contourArea(hull)
    (x, y), (across, down), angle = cv2.minAreaRect(hull)
    if abs(angle) > 45:
        across, down, angle = down, across, angle - 90 * np.sign(angle)
    height, width = pixels.shape[:2]
    if area / max(1.0, across * down) > LEAST_RECTANGLE and across * down * scale**2 < 0.97 * height * width:
        size = (int((across - 2 * RIM) * scale), int((down - 2 * RIM) * scale))
        matrix = cv2.getRotationMatrix2D(((x + 0.5) * scale, (y + 0.5) * scale), angle, 1)
        matrix[:, 2] = matrix[:, 2] + np.array(size) / 2 - ((x + 0.5) * scale, (y + 0.5) * scale)
        return cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), None
    small = np.zeros((max(8, int(height / scale)), max(8, int(width / scale))), np.uint8)
    cv2.fillConvexPoly(small, hull.astype(np.int32), 255)
    small[small.shape[0] * 2 // 3 :] = 255  # a dark coat can reach a lower corner and is not fill
    kept = cv2.resize(cv2.erode(small, np.ones((2 * RIM + 1,) * 2, np.uint8)), (width, height))
    kept = np.where(kept > 127, np.uint8(255), np.uint8(0))
    _, nearest = cv2.distanceTransformWithLabels(255 - kept, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inside = kept > 0
    colours = np.zeros((int(nearest.max()) + 1, 3), np.uint8)
    colours[nearest[inside]] = pixels[inside]
    painted = pixels.copy()
    painted[~inside] = colours[nearest[~inside]]
    return painted, cv2.blur(kept, (int(RIM * scale) | 1,) * 2).astype(np.float32) / 255


def _hull(pixels: np.ndarray) -> tuple[np.ndarray | None, float]:
    """The picture's convex outline in a smaller copy (None without fill), and photo px per px of the copy."""
    height, width = pixels.shape[:2]
    scale = max(1.0, max(height, width) / SIDE)
    size = (max(8, int(width / scale)), max(8, int(height / scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    mask = np.zeros((size[1] + 2, size[0] + 2), np.uint8)
    for corner in ((0, 0), (size[0] - 1, 0), (0, size[1] - 1), (size[0] - 1, size[1] - 1)):
        if not mask[corner[1] + 1, corner[0] + 1]:
            flags = 4 | (255 << 8) | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
            filled = mask.copy()
            cv2.floodFill(small, filled, corner, 0, (FLAT,) * 3, (FLAT,) * 3, flags)
            if _is_triangle(filled[1:-1, 1:-1] > mask[1:-1, 1:-1]):
                mask = filled
    picture = (mask[1:-1, 1:-1] == 0).astype(np.uint8)
    if picture.all():
        return None, scale
    picture = cv2.morphologyEx(
        cv2.copyMakeBorder(picture, 3, 3, 3, 3, cv2.BORDER_REPLICATE), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)
    )[3:-3, 3:-3]
    outlines, _ = cv2.findContours(np.ascontiguousarray(picture), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return None, scale
    outline = max(outlines, key=cv2.contourArea)
    hull = cv2.convexHull(outline)
    if cv2.contourArea(outline) < LEAST_CONVEX * cv2.contourArea(hull):
        return None, scale
    return hull.reshape(-1, 2).astype(np.float32), scale


def _is_triangle(filled: np.ndarray) -> bool:
    """Whether a filled corner is a triangle that a straight edge cuts off."""
    if filled.mean() < LEAST_FILL:
        return False
    rows, columns = (np.flatnonzero(filled.any(axis)) for axis in (1, 0))
    return TRIANGLE[0] < filled.sum() / (np.ptp(rows) + 1) / (np.ptp(columns) + 1) < TRIANGLE[1]
