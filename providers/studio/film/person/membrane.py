"""Fills the unknown part of a picture as an elastic membrane would, from what is known around it."""

from __future__ import annotations

import cv2
import numpy as np

SETTLING = 24  # rounds of smoothing at each size
SMALLEST = 12  # px: the size at which the filling begins


def stretched(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return a float32 picture with what is not `known` (bool) filled in: coarsely at first, then finer."""
    mask = known.astype(np.uint8)
    if min(known.shape) > SMALLEST:
        size = known.shape[1] // 2, known.shape[0] // 2
        weight = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(cv2.copyTo(values, mask), size, interpolation=cv2.INTER_AREA)
        per_pixel = np.maximum(weight, 1e-6)
        coarse = stretched(total / (per_pixel if total.ndim == 2 else per_pixel[..., None]), weight > 0)
        filled = cv2.resize(coarse, known.shape[::-1], interpolation=cv2.INTER_LINEAR)
    else:
        filled = np.empty_like(values)
        filled[:] = values[known].mean(0) if known.any() else 0
    for _ in range(SETTLING):
        cv2.copyTo(values, mask, filled)
        filled = cv2.blur(filled, (3, 3), borderType=cv2.BORDER_REPLICATE)
    cv2.copyTo(values, mask, filled)
    return filled
