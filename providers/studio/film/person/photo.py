"""Decodes a photo: upright, at most 1800 px long, with its alpha if it has one."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps

from providers.studio.errors import UnreadablePhoto

MAX_SIDE = 1800  # px; more would not be seen in the film
NEARLY = 0.9  # of the size is enough where it saves decoding four times the pixels
MAX_PIXELS = 50_000_000  # checked in the header, before anything is decoded
UNDEFINED_COLOUR = 128  # what lies below fully transparent pixels may be anything: grey instead


@dataclass(frozen=True)
class Photo:
    pixels: np.ndarray  # BGR uint8
    alpha: np.ndarray | None  # uint8, only when something in the photo is transparent


def read_photo(data: bytes) -> Photo:
    """Decode a photo. Raise UnreadablePhoto when it is not an image, is damaged or is too large."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadablePhoto(f"{image.width}x{image.height} is more than {MAX_PIXELS} pixels")
            if image.width < 8 or image.height < 8:
                raise UnreadablePhoto(f"{image.width}x{image.height} is too small to show a face")
            pixels, alpha = _decode(image, data)
    except UnreadablePhoto:
        raise
    # Pillow's plugins raise all of these for damaged files, MemoryError for false sizes in headers.
    except (
        *(OSError, ValueError, SyntaxError, TypeError, EOFError, MemoryError, cv2.error),
        *(Image.DecompressionBombError, Image.DecompressionBombWarning),
    ) as error:
        raise UnreadablePhoto(f"not a picture that can be decoded ({type(error).__name__})") from error
    scale = MAX_SIDE / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if alpha is not None:
            alpha = cv2.resize(alpha, pixels.shape[1::-1], interpolation=cv2.INTER_AREA)
    return Photo(pixels, alpha)


def _decode(image: Image.Image, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    if image.has_transparency_data:
        rgba = np.asarray(ImageOps.exif_transpose(image.convert("RGBA")))
        alpha = np.ascontiguousarray(rgba[..., 3])
        pixels = cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR)
        if alpha.min() >= 250:
            return pixels, None
        return np.where(alpha[..., None] > 0, pixels, np.uint8(UNDEFINED_COLOUR)), alpha
    if image.format == "JPEG" and image.mode in ("RGB", "L"):
        # Large JPEGs are shrunk while they are decoded; imdecode turns them upright too.
        shrink = max(image.size) / MAX_SIDE
        flag = cv2.IMREAD_COLOR
        if shrink >= 4 * NEARLY:
            flag = cv2.IMREAD_REDUCED_COLOR_4
        elif shrink >= 2 * NEARLY:
            flag = cv2.IMREAD_REDUCED_COLOR_2
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
        if pixels is not None:
            return pixels, None
    rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), None
