"""Reads the headers of each format: the picture's size, whether it is animated, whether the file is complete.

Each reader calls `check_size` as soon as it knows the size, returns the size, and raises BadPhoto for what it refuses.
A file ends where its pictures end: what programs write behind them is not read, and an end that is missing is no fault
while every pixel is there. A header that ends early may raise IndexError or struct.error, which `upload_checks` turns
into photo_unreadable. Every loop is bounded, because a file may consist of nothing but empty segments.
"""

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import heic_boxes, jpeg_scans, webp_chunks
from .outcomes import BadPhoto

CheckSize = Callable[[int, int], None]
Size = tuple[int, int]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_SEGMENTS = 20_000  # in one file; a 12 MB PNG in chunks of 1 kB has 12,000


def recognize(data: bytes) -> str | None:
    """Return the format by content: jpeg, png, webp, heic, or None for everything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if is_webp(data):
        return "webp"
    if data[4:8] == b"ftyp" and heic_boxes.is_heic(data):
        return "heic"
    return None


def is_webp(data: bytes) -> bool:
    """Tell whether this begins as a WebP."""
    return data.startswith(b"RIFF") and data[8:12] == b"WEBP"


def is_animated_gif(data: bytes) -> bool:
    """Tell whether this is a GIF of several frames, by its graphic control blocks."""
    return data.startswith((b"GIF87a", b"GIF89a")) and data.count(b"\x21\xf9\x04") > 1


# JPEG: markers of 0xFF and a code. Most carry a length; after a start of scan comes entropy-coded data, in which
# 0xFF is followed by 0x00 or a restart marker until the next real marker. Counting the bytes of a marker instead of
# walking would count metadata and trailers too, and is slower.

_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")  # restart markers left out: they carry nothing and may be many
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN, _APP0 = 0xD8, 0xD9, 0xDA, 0xE0
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, _START_OF_IMAGE, _END_OF_IMAGE})


class Jpeg(NamedTuple):
    """A JPEG's size and number of scans, and whether it has its end marker."""

    size: Size
    scans: int
    has_end: bool


def read_jpeg(data: bytes, check_size: CheckSize, most_scans: int) -> Jpeg:
    """Return what a JPEG's header says; its scans are no more than allowed, and nothing is known to be missing."""
    size: Size | None = None
    scans = 0
    for marker, start in _jpeg_segments(data):
        if marker in _START_OF_FRAME:
            if size is not None:
                raise BadPhoto("photo_unreadable", "two frames")
            height, width = struct.unpack_from(">HH", data, start + 3)
            size = width, height
            check_size(width, height)
        elif marker == _START_OF_SCAN:
            scans += 1
            if scans > most_scans:
                raise BadPhoto("photo_too_many_scans")
        elif marker == _START_OF_IMAGE:
            raise BadPhoto("photo_unreadable", "two pictures in one")
        elif marker == _END_OF_IMAGE:
            if size is None or not scans:
                raise BadPhoto("photo_unreadable", "no picture")
            return Jpeg(size, scans, has_end=True)
    if size is None or not scans or jpeg_scans.is_whole(data, _jpeg_segments(data)) is False:
        raise BadPhoto("photo_unreadable", "the file ends early")
    return Jpeg(size, scans, has_end=False)


def has_jpeg_end(data: bytes) -> bool:
    """Return whether a JPEG has its end marker. Raise BadPhoto or struct.error for segments that make no sense."""
    return any(marker == _END_OF_IMAGE for marker, _ in _jpeg_segments(data))


def is_bare_jpeg(data: bytes) -> bool:
    """Return whether a JPEG holds nothing but pixels and a JFIF header: no metadata, no comment, no trailing bytes."""
    if not data.startswith(b"\xff\xd8"):
        return False
    try:
        for marker, start in _jpeg_segments(data):
            if marker == _END_OF_IMAGE:
                return start == len(data)
            is_jfif = marker == _APP0 and data[start : start + 7] == b"\x00\x10JFIF\x00"
            if marker >= _APP0 and not is_jfif:
                return False
    except (BadPhoto, struct.error):
        return False
    return False


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield each marker and where its content starts, skipping fill bytes and rubbish between them as decoders do."""
    position = 2
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(data, position)
        if found is None:
            return
        marker, position = found[1][0], found.end()
        yield marker, position
        if marker not in _WITHOUT_LENGTH:
            (length,) = struct.unpack_from(">H", data, position)
            if length < 2:
                raise BadPhoto("photo_unreadable", "a segment of no length")
            position += length
    raise BadPhoto("photo_unreadable", "too many segments")


# PNG: chunks of length, name, data, checksum.


def read_png(data: bytes, check_size: CheckSize) -> Size:
    """Return the size of a PNG that is one still picture and not cut within its pixels."""
    length, name, width, height = struct.unpack_from(">I4sII", data, 8)
    if name != b"IHDR" or length != 13:
        raise BadPhoto("photo_unreadable", "no IHDR")
    check_size(width, height)
    position, has_pixels = 8, False
    for _ in range(MOST_SEGMENTS):
        if has_pixels and position + 8 > len(data):
            return width, height  # whether these were all pixels shows when they are inflated
        length, name = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        if name == b"acTL" and not has_pixels and is_animation(data, position - length - 8, position - 4):
            raise BadPhoto("photo_animated")
        if name == b"IEND":
            if not has_pixels:
                raise BadPhoto("photo_unreadable", "no picture")
            return width, height
        if name in (b"IHDR", b"PLTE") and not _has_right_checksum(data, position - length - 8, position - 4):
            raise BadPhoto("photo_unreadable", "a damaged chunk")  # which no browser shows either
        if position - 4 > len(data) and not (has_pixels and name != b"IDAT"):
            raise BadPhoto("photo_unreadable", "a chunk ends early")
        has_pixels = has_pixels or name == b"IDAT"
    raise BadPhoto("photo_unreadable", "too many chunks")


def is_animation(data: bytes, start: int, end: int) -> bool:
    """Tell whether the acTL between two places, before the pixels, makes a PNG move: it is whole and of two frames."""
    return int.from_bytes(data[start + 4 : start + 8], "big") > 1 and _has_right_checksum(data, start, end)


def _has_right_checksum(data: bytes, start: int, end: int) -> bool:
    """Tell whether the checksum behind the chunk between two places is right."""
    return data[end : end + 4] == struct.pack(">I", zlib.crc32(memoryview(data)[start:end]))


def is_deep_png(data: bytes) -> bool:
    """Tell whether a PNG has sixteen bits a channel."""
    return data[24] == 16


READERS: dict[str, Callable[[bytes, CheckSize], Size]] = {
    "png": read_png,
    "webp": webp_chunks.read_webp,
    "heic": heic_boxes.read_heic,
}
