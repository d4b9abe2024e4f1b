"""Reads the headers of each format: the picture's size, whether it is animated, whether the file is complete.

Each reader calls `check_size` as soon as it knows the size, returns the size, and raises BadPhoto for what it refuses.
A file ends where its pictures end: what programs write behind them is not read, and an end that is missing is no fault
while every pixel is there. A header that ends early may raise IndexError or struct.error, which `upload_checks` turns
into photo_unreadable. Every loop is bounded, because a file may consist of nothing but empty segments.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from . import jpeg_scans
from .outcomes import BadPhoto

CheckSize = Callable[[int, int], None]
Size = tuple[int, int]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_SEGMENTS = 20_000  # in one file; a 12 MB PNG in chunks of 1 kB has 12,000

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1"}
SEQUENCE_BRANDS = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"}
OTHER_BRANDS = {b"avif", b"avis"}


def recognize(data: bytes) -> str | None:
    """Return the format by content: jpeg, png, webp, heic, or None for everything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and _brands(data) & (HEIC_BRANDS | SEQUENCE_BRANDS) and not _brands(data) & OTHER_BRANDS:
        return "heic"
    return None


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
        if name == b"acTL":
            raise BadPhoto("photo_animated")
        if name == b"IEND":
            if not has_pixels:
                raise BadPhoto("photo_unreadable", "no picture")
            return width, height
        if position - 4 > len(data) and not (has_pixels and name != b"IDAT"):
            raise BadPhoto("photo_unreadable", "a chunk ends early")
        has_pixels = has_pixels or name == b"IDAT"
    raise BadPhoto("photo_unreadable", "too many chunks")


def is_deep_png(data: bytes) -> bool:
    """Tell whether a PNG has sixteen bits a channel."""
    return data[24] == 16


# WebP: a RIFF of chunks. A plain file has one bitstream; an extended one starts with the canvas and flags.


def read_webp(data: bytes, check_size: CheckSize) -> Size:
    """Return the size of a WebP that is one still picture and not cut short."""
    (riff_length,) = struct.unpack_from("<I", data, 4)
    end = riff_length + 8
    if end > len(data) + 1:  # the last byte may be one that only makes the length even
        raise BadPhoto("photo_unreadable", "the file ends early")
    canvas: Size | None = None
    position = 12
    for _ in range(MOST_SEGMENTS):
        name, length = struct.unpack_from("<4sI", data, position)
        start = position + 8
        if start + length > end:
            raise BadPhoto("photo_unreadable", "a chunk ends early")
        if name == b"VP8X":
            if data[start] & 0x02:
                raise BadPhoto("photo_animated")
            width, height = (int.from_bytes(data[start + at : start + at + 3], "little") + 1 for at in (4, 7))
            check_size(width, height)
            canvas = width, height
        elif name in (b"ANIM", b"ANMF"):
            raise BadPhoto("photo_animated")
        elif name in (b"VP8 ", b"VP8L"):
            size = _webp_bitstream_size(name, data, start)
            check_size(*size)
            return canvas or size
        position = start + length + length % 2
    raise BadPhoto("photo_unreadable", "too many chunks")


def _webp_bitstream_size(name: bytes, data: bytes, start: int) -> Size:
    if name == b"VP8 ":
        if data[start + 3 : start + 6] != b"\x9d\x01\x2a":
            raise BadPhoto("photo_unreadable", "no key frame")
        width, height = struct.unpack_from("<HH", data, start + 6)
        return width & 0x3FFF, height & 0x3FFF
    if data[start] != 0x2F:
        raise BadPhoto("photo_unreadable", "no lossless signature")
    (bits,) = struct.unpack_from("<I", data, start + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


# HEIC: boxes of length and name, some of which hold boxes. The sizes of all pictures in the file (the photo, its
# tiles, thumbnail, depth map) are in meta/iprp/ipco/ispe; the photo is the largest.


def read_heic(data: bytes, check_size: CheckSize) -> Size:
    """Return the size of the largest picture in a HEIC that is a still photo and not cut short.

    What stands behind the last box that makes sense is ignored, as decoders do: phones write text and films there.
    """
    sizes: list[Size] = []
    boxes, extents, is_cut = set(), 0, False
    for name, start, end in _top_boxes(data):
        boxes.add(name)
        is_cut = is_cut or end > len(data)
        if name == b"meta":
            for width, height in _heic_sizes(data, start, end):
                sizes.append((width, height))
                if width * height == 0:
                    check_size(width, height)
            extents = max(extents, _end_of_pictures(data, start, end))
    brands = _brands(data)
    if data[8:12] in SEQUENCE_BRANDS or (b"moov" in boxes and brands & SEQUENCE_BRANDS):
        raise BadPhoto("photo_animated")
    if not sizes or not boxes & {b"mdat", b"idat"}:
        raise BadPhoto("photo_unreadable", "no picture")
    if extents > len(data) or (is_cut and not extents):
        raise BadPhoto("photo_unreadable", "the file ends early")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    check_size(width, height)
    return width, height


def _top_boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the outermost boxes, up to what is none; the pictures' own may claim to end behind the file."""
    has_meta, end = False, 0
    try:
        for name, start, end in _boxes(data, 0, len(data)):
            has_meta = has_meta or name == b"meta"
            yield name, start, end
    except BadPhoto:
        if data[end + 4 : end + 8] == b"mdat":
            is_long = data[end : end + 4] == b"\0\0\0\1"
            yield b"mdat", end + (16 if is_long else 8), len(data) + 1
        elif not has_meta:
            raise


def _end_of_pictures(data: bytes, start: int, end: int) -> int:
    """Return where the last byte of a picture stands in the file, by the box iloc; 0 without one (ISO 14496-12)."""
    for name, at, _ in _boxes(data, start + 4, end):
        if name == b"iloc":
            return _end_of_extents(data, at)
    return 0


def _end_of_extents(data: bytes, at: int) -> int:
    version, widths, more_widths = data[at], data[at + 4], data[at + 5]
    offset_width, length_width = widths >> 4, widths & 15
    base_width, index_width = more_widths >> 4, more_widths & 15 if version else 0
    at += 6

    def number(width: int) -> int:
        nonlocal at
        if at + width > len(data):
            raise IndexError("iloc ends early")
        at += width
        return int.from_bytes(data[at - width : at], "big")

    last = extents = 0
    for _ in range(number(4 if version == 2 else 2)):
        number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_width)
        for _ in range(number(2)):
            extents += 1
            if extents > MOST_SEGMENTS:
                raise BadPhoto("photo_unreadable", "too many extents")
            number(index_width)
            offset, length = base + number(offset_width), number(length_width)
            if method == 0 and offset < len(data) + 2**40:
                last = max(last, offset + length)
    return last


def _brands(data: bytes) -> set[bytes]:
    """Return the major and the compatible brands of a file that starts with ftyp."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 512)
    return {data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))}


def _heic_sizes(data: bytes, start: int, end: int) -> Iterator[Size]:
    for name, properties_start, properties_end in _boxes(data, start + 4, end):  # meta has a version before its boxes
        if name != b"iprp":
            continue
        for inner, container_start, container_end in _boxes(data, properties_start, properties_end):
            if inner != b"ipco":
                continue
            for kind, at, _ in _boxes(data, container_start, container_end):
                if kind == b"ispe":
                    yield struct.unpack_from(">II", data, at + 4)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each box between two places; refuse one that reaches too far."""
    for _ in range(MOST_SEGMENTS):
        if start + 8 > end:
            return
        length, name = struct.unpack_from(">I4s", data, start)
        header = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif length == 0:
            length = end - start
        if length < header or start + length > end:
            raise BadPhoto("photo_unreadable", "a box ends early")
        yield name, start + header, start + length
        start += length
    raise BadPhoto("photo_unreadable", "too many boxes")


READERS: dict[str, Callable[[bytes, CheckSize], Size]] = {"png": read_png, "webp": read_webp, "heic": read_heic}
