"""Decodes a photo: upright, at most 1800 px long, with its alpha if it has one."""

from __future__ import annotations

import contextlib
import io
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageOps

from common import png
from providers.studio.errors import UnreadablePhoto

MAX_SIDE = 1800  # px; more would not be seen in the film
NEARLY = 0.9  # of the size is enough where it saves decoding four times the pixels
MAX_PIXELS = 51_000_000  # checked in the header, before anything is decoded
# What is put where a JPEG without an end stops: when all give the same pixels, none of them was needed.
CONTINUATIONS = (b"", b"\x55" * 4096, b"\xaa" * 4096)
XMP_NAMES = ("xmp", "XML:com.adobe.xmp")
PNG_SAID = (b"tRNS", b"eXIf", b"sRGB")
UNDEFINED_COLOUR = 128  # what lies below fully transparent pixels may be anything: grey instead


@dataclass(frozen=True)
class Photo:
    pixels: np.ndarray  # BGR uint8
    alpha: np.ndarray | None  # uint8, only when something in the photo is transparent


def read_photo(data: bytes) -> Photo:
    """Decode a photo. Raise UnreadablePhoto when it is not an image, is damaged or is too large."""
    data = _with_an_end(data)
    try:
        try:
            pixels, alpha = _read(data)
        except OSError:
            if (mended := png.without_checksum(data)) is None:
                raise
            pixels, alpha = _read(mended)
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


def _read(data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    with Image.open(io.BytesIO(_without_words(data))) as image:
        if image.width * image.height > MAX_PIXELS:
            raise UnreadablePhoto(f"{image.width}x{image.height} is more than {MAX_PIXELS} pixels")
        if image.width < 8 or image.height < 8:
            raise UnreadablePhoto(f"{image.width}x{image.height} is too small to show a face")
        return _decode(image, data)


def _without_words(data: bytes) -> bytes:
    """Return a PNG without the chunks that only say something about the picture, for Pillow refuses it over them.

    Their checksum may be wrong or their text long; what is said of colours and turns is kept while it is sound.
    """
    if not data.startswith(png.SIGNATURE):
        return data
    kept, place = [png.SIGNATURE], len(png.SIGNATURE)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        name, chunk = data[place + 4 : place + 8], data[place:end]
        if name[:1].isupper() or (name in PNG_SAID and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")):
            kept.append(chunk)
        place = end
    return b"".join(kept) + data[place:]


def _with_an_end(data: bytes) -> bytes:
    """Return a JPEG of which only the end marker is missing with one; a JPEG that was cut stays as it is."""
    if not data.startswith(b"\xff\xd8\xff") or b"\xff\xd9" in data[-64:]:
        return data
    with contextlib.suppress(OSError, ValueError), Image.open(io.BytesIO(data)) as image:
        if image.width * image.height <= MAX_PIXELS:
            image.load()
        return data  # too large, or its end is further in, before something else
    ended = [data.rstrip(b"\xff") + continuation + b"\xff\xd9" for continuation in CONTINUATIONS]
    first, *others = (cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_REDUCED_COLOR_2) for one in ended)
    is_whole = first is not None and all(one is not None and np.array_equal(one, first) for one in others)
    return ended[0] if is_whole else data


def _upright(image: Image.Image) -> Image.Image:
    """Return a converted picture turned as its EXIF says. XMP, which Pillow asks next, is not asked by browsers."""
    for name in XMP_NAMES:
        image.info.pop(name, None)
    return ImageOps.exif_transpose(image)


def _decode(image: Image.Image, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    if image.has_transparency_data:
        rgba = np.asarray(_upright(image.convert("RGBA")))
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
    rgb = np.asarray(_upright(image.convert("RGB")))
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), None
