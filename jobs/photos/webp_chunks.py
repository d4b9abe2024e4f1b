"""Takes a WebP apart for its decoder: its pictures, its profile and its EXIF are left, in a file of the right length.

A WebP is a RIFF of chunks. A plain file has one bitstream; an extended one starts with the canvas and flags. libwebp
refuses a whole photo for a length of the file that is wrong by two, or for metadata that is cut behind the pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from .outcomes import BadPhoto

_MOST_CHUNKS = 20_000  # in one file
_STREAMS = (b"VP8 ", b"VP8L")
_KEPT = (b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", *_STREAMS, b"EXIF", b"XMP ")
_ANIMATED = 0x02  # of the flags


def read_webp(data: bytes, check_size: Callable[[int, int], None]) -> tuple[int, int]:
    """Return the size of a WebP that is one still picture, and whose pixels are not cut short."""
    canvas: tuple[int, int] | None = None
    has_frame = False
    for name, start, end in _chunks(data):
        if name in (b"VP8X", b"ANMF", *_STREAMS) and end > len(data):
            raise BadPhoto("photo_unreadable", "a chunk ends early")
        if name == b"VP8X":
            canvas = _number(data, start + 4) + 1, _number(data, start + 7) + 1
            check_size(*canvas)
        elif name == b"ANMF":
            if has_frame:
                raise BadPhoto("photo_animated")
            has_frame = True
        elif name in _STREAMS:
            size = _size_of_stream(name, data, start)
            check_size(*size)
            if canvas not in (None, size):
                raise BadPhoto("photo_unreadable", "a canvas of another size")  # which no decoder opens
            return size
    if canvas is None or not has_frame:
        raise BadPhoto("photo_unreadable", "the file ends early")
    return canvas


def readable(data: bytes) -> bytes:
    """Return a WebP of the chunks that libwebp needs, with right lengths; those that are cut off are left out."""
    whole = [(start, end) for name, start, end in _chunks(data) if name in _KEPT and end <= len(data)]
    kept = [data[start - 8 : end] + bytes((end - start) % 2) for start, end in whole]
    if kept and kept[0].startswith(b"VP8X") and not any(chunk.startswith(b"ANMF") for chunk in kept):
        kept[0] = kept[0][:8] + bytes([kept[0][8] & ~_ANIMATED]) + kept[0][9:]
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, kept))) + b"WEBP" + b"".join(kept)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each chunk's content, of so many; the last may claim to end behind the file."""
    position = 12
    for _ in range(_MOST_CHUNKS):
        if position + 8 > len(data):
            return
        name, length = struct.unpack_from("<4sI", data, position)
        yield name, position + 8, position + 8 + length
        position += 8 + length
        # Some programs leave out the byte that makes a length even.
        if length % 2 and data[position : position + 4] not in _KEPT:
            position += 1


def _number(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 3], "little")


def _size_of_stream(name: bytes, data: bytes, start: int) -> tuple[int, int]:
    if name == b"VP8 ":
        if data[start + 3 : start + 6] != b"\x9d\x01\x2a":
            raise BadPhoto("photo_unreadable", "no key frame")
        width, height = struct.unpack_from("<HH", data, start + 6)
        return width & 0x3FFF, height & 0x3FFF
    if data[start] != 0x2F:
        raise BadPhoto("photo_unreadable", "no lossless signature")
    (bits,) = struct.unpack_from("<I", data, start + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
