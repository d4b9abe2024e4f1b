"""Fits the suit: warps the armour to the person, and keeps only head and neck of the photo."""

from __future__ import annotations

import cv2
import numpy as np

from providers.faces.vision import CHIN, JAW_LEFT, JAW_RIGHT
from providers.studio.film.canvas import PLATE_HEIGHT, PLATE_WIDTH, bgr, colour_layer, gray_layer, to_byte, to_unit
from providers.studio.film.looks import Look
from providers.studio.film.person.relight import Figure

from .armour import CHIN_X, CHIN_Y, FACE_WIDTH, Armour

COLLAR_SHADE = (8, 7, 10)  # RGB: the inside of the collar is almost black
RIM_GAIN = 0.35


def wear(figure: Figure, armour: Armour, look: Look) -> None:
    """Fit the armour to a figure, in place."""
    points = figure.cutout.points[:, :2]
    unit = figure.cutout.face_width
    chin_x = (points[CHIN, 0] + (points[JAW_LEFT, 0] + points[JAW_RIGHT, 0]) / 2) / 2
    chin_y = points[CHIN, 1]
    top = int(max(0, chin_y - 0.75 * unit))
    below = np.s_[top:PLATE_HEIGHT]

    scale = unit / FACE_WIDTH
    matrix = np.array([[scale, 0, chin_x - scale * CHIN_X], [0, scale, chin_y - top - scale * CHIN_Y]])
    size = (PLATE_WIDTH, PLATE_HEIGHT - top)
    layers = [
        cv2.warpAffine(layer, matrix, size, flags=cv2.INTER_LINEAR)
        for layer in (armour.base, armour.left, armour.right, armour.sweep)
    ]
    suit, collar, rim, shadow = (to_unit(cv2.extractChannel(layer, 3)) for layer in layers)
    for layer in layers:
        layer[..., 3] = 0

    across = np.abs(np.arange(PLATE_WIDTH, dtype=np.float32) - chin_x) / unit  # face widths from the middle
    down = ((np.arange(PLATE_HEIGHT - top, dtype=np.float32) + top - chin_y) / unit)[:, None]
    too_far = np.clip((across - 1.30) / 0.35, 0, 1)
    beside_neck = np.clip((down - 0.02) / 0.10, 0, 1) * np.clip((across - 0.80) / 0.16, 0, 1)
    under_collar = np.clip((down - 0.40) / 0.1, 0, 1)
    kept = (1 - np.maximum(beside_neck, under_collar)) * (1 - too_far)
    photo_alpha = figure.alpha[below] * kept

    photo_gain = gray_layer(to_byte(kept * (1 - shadow) * (1 - suit)))
    above_gain = gray_layer(np.repeat(to_byte(1 - too_far)[None], max(top, 1), axis=0))
    rim_byte = to_byte(rim * (1 - photo_alpha))
    extras = [
        colour_layer(to_byte(collar * (1 - photo_alpha)), bgr(COLLAR_SHADE)),
        colour_layer(rim_byte, bgr(look.left_light), RIM_GAIN),
        colour_layer(rim_byte, bgr(look.right_light), RIM_GAIN),
        None,
    ]
    for plate, layer, extra in zip((figure.base, figure.left, figure.right, figure.sweep), layers, extras, strict=True):
        if top:
            cv2.multiply(plate[:top], above_gain, plate[:top], 1 / 255)
        region = plate[below]
        cv2.multiply(region, photo_gain, region, 1 / 255)
        cv2.add(region, layer, region)
        if extra is not None:
            cv2.add(region, extra, region)

    figure.alpha[:top] *= 1 - too_far
    figure.alpha[below] = 1 - (1 - suit) * (1 - np.maximum(photo_alpha, collar))
    figure.base[below][..., 3] = to_byte(figure.alpha[below])
