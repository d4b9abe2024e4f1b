"""Checks of an uploaded photo by its header, without decoding a pixel.

Everything is decided by content; a file's name and declared type are not used. A photo that passes may still turn out
damaged when it is decoded, but it cannot be a bomb by size, pixels or scans.
"""

import struct
from dataclasses import dataclass
from typing import IO

from . import headers
from .decode_cost import decode_cost
from .outcomes import BadPhoto


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a photo may be: bytes of the file, pixels, JPEG scans, and the least length of its shorter edge.

    Cameras write JPEG and HEIC. The others are opened whole, in up to four channels, and are allowed fewer pixels.
    """

    bytes: int = 12 * 2**20
    pixels: int = 51_000_000
    other_pixels: int = 40_000_000
    scans: int = 64
    shorter_edge: int = 64


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """Facts from a header. Width and height are as stored, before any rotation; format is jpeg, png, webp or heic.

    `cost` is what opening it will take, as `decode_cost` counts.
    """

    format: str
    width: int
    height: int
    bytes: int
    cost: int = 1


DEFAULT_LIMITS = Limits()


def inspect(source: bytes | bytearray | memoryview | IO[bytes], *, limits: Limits = DEFAULT_LIMITS) -> PhotoFacts:
    """Return the facts from a photo's header, or raise BadPhoto with the reason to refuse it.

    A file is read from its start and rewound. Any content raises nothing but BadPhoto.
    """
    data = _read(source, limits.bytes)
    if not data:
        raise BadPhoto("photo_empty")
    if len(data) > limits.bytes:
        raise BadPhoto("photo_too_big")
    photo_format = headers.recognize(data)
    if photo_format is None:
        raise BadPhoto("photo_animated" if headers.is_animated_gif(data) else "photo_type")

    def check_size(width: int, height: int) -> None:
        if width <= 0 or height <= 0:
            raise BadPhoto("photo_unreadable", f"{width}×{height}")
        if width * height > (
            limits.pixels if photo_format in ("jpeg", "heic") else min(limits.pixels, limits.other_pixels)
        ):
            raise BadPhoto("photo_too_many_pixels", f"{width}×{height}")
        if min(width, height) < limits.shorter_edge:
            raise BadPhoto("photo_too_small", f"{width}×{height}")

    scans, has_end = 1, True
    try:
        if photo_format == "jpeg":
            (width, height), scans, has_end = headers.read_jpeg(data, check_size, limits.scans)
        else:
            width, height = headers.READERS[photo_format](data, check_size)
        is_deep = photo_format == "png" and headers.is_deep_png(data)
    except (struct.error, IndexError, ValueError) as error:
        raise BadPhoto("photo_unreadable", "the header ends early") from error
    cost = decode_cost(photo_format, width=width, height=height, scans=scans, is_deep=is_deep, has_end=has_end)
    return PhotoFacts(format=photo_format, width=width, height=height, bytes=len(data), cost=cost)


def _read(source: bytes | bytearray | memoryview | IO[bytes], most: int) -> bytes:
    """Return a photo's bytes, at most one more than allowed."""
    if isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source)
        return source if isinstance(source, bytes) else bytes(view.cast("B")[: most + 1])
    source.seek(0)
    data = source.read(most + 1)
    source.seek(0)
    return data
