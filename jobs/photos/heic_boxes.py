"""Reads the boxes of a HEIC: what pictures it holds and whether they are all there; and mends them for its decoder.

HEIC is made of boxes of length and name, some of which hold boxes (ISO 14496-12, ISO 23008-12). Brands say for whom a
file was written and are often wrong, so the pictures themselves are asked how they are coded. The sizes of all of them
(the photo, its tiles, thumbnail, depth map) are in meta/iprp/ipco/ispe; the photo is the largest.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from .outcomes import BadPhoto

MOST_BOXES = 20_000  # in one file, and of what one box lists
_STILL_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"mif3", b"miaf"}
_SEQUENCE_BRANDS = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"}
_OTHER_BRANDS = {b"avif", b"avis"}
_CODED, _MADE_OF_OTHERS = b"hvc1", {b"grid", b"iden", b"iovl", b"tmap"}
_NEEDED = {b"ftyp", b"meta", b"mdat"}
# What ITU-T H.273 gives a meaning, for primaries, transfer and matrix; the decoder refuses a file with other numbers.
_CODES: tuple[Set[int], ...] = ({*range(1, 13), 22} - {3}, {*range(1, 19)} - {3}, {*range(15)} - {3})
_UNSPECIFIED, _IDENTITY, _FULL_CHROMA = 2, 0, 3


class _Box(NamedTuple):
    """A box by its places in the file: of its head, and of its content's start and end."""

    name: bytes
    head: int
    start: int
    end: int


@dataclass
class _Contents:
    """What a file holds: its outermost boxes, and of `meta` each item's coding, which is the photo, what is said of the
    pictures (the boxes in iprp/ipco), and where the last byte of a picture stands."""

    boxes: list[_Box]
    codings: dict[int, bytes] = field(default_factory=dict)
    primary: int = 0
    is_of_pictures: bool = False
    properties: list[_Box] = field(default_factory=list)
    end_of_pixels: int = 0


def is_heic(data: bytes) -> bool:
    """Tell whether a file is for this reader: still pictures coded by HEVC, whatever its brands; or by its brands."""
    brands = _brands(data)
    if len(brands) < 2:
        return False  # nothing can be put in their place
    try:
        contents = _contents(data)
    except (BadPhoto, IndexError, struct.error):
        contents = _Contents([])  # whoever reads it next says what is wrong
    codings = contents.codings
    if not codings:
        return bool(set(brands) & (_STILL_BRANDS | _SEQUENCE_BRANDS)) and not set(brands) & _OTHER_BRANDS
    photo = codings.get(contents.primary)
    return photo == _CODED or ((photo is None or photo in _MADE_OF_OTHERS) and _CODED in codings.values())


def read_heic(data: bytes, check_size: Callable[[int, int], None]) -> tuple[int, int]:
    """Return the size of the largest picture in a HEIC that is a still photo and not cut short.

    What stands behind the last box that makes sense is ignored, as decoders do: phones write text and films there.
    """
    contents, brands = _contents(data), _brands(data)
    names = {box.name for box in contents.boxes}
    is_named_sequence = brands[0] in _SEQUENCE_BRANDS and not contents.codings
    if is_named_sequence or (b"moov" in names and set(brands) & _SEQUENCE_BRANDS):
        raise BadPhoto("photo_animated")
    if contents.codings.get(contents.primary) == b"tmap":
        raise BadPhoto("photo_unreadable", "its photo is only a way to brighten another")
    sizes = [struct.unpack_from(">II", data, box.start + 4) for box in contents.properties if box.name == b"ispe"]
    if contents.codings and not (contents.primary in contents.codings and contents.is_of_pictures):
        raise BadPhoto("photo_unreadable", "no photo among its items")
    if not sizes or not (contents.end_of_pixels or b"mdat" in names):
        raise BadPhoto("photo_unreadable", "no picture")
    if contents.end_of_pixels > len(data) or (contents.boxes[-1].end > len(data) and not contents.end_of_pixels):
        raise BadPhoto("photo_unreadable", "the file ends early")
    for width, height in sizes:
        if width * height == 0:
            check_size(width, height)
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    check_size(width, height)
    return width, height


def readable(data: bytes) -> bytes:
    """Return a HEIC as its decoder takes it, with every byte of its pictures in its place.

    The decoder refuses a photo for brands it does not know, for a film beside it, for a box behind it that claims more
    than there is, and for colours by numbers that mean nothing. Other decoders show it.
    """
    if not is_heic(data):
        return data
    contents = _contents(data)
    mended, end, names = bytearray(data), 0, set[bytes]()
    for box in contents.boxes:
        end = min(box.end, len(data))
        if box.end > len(data):
            _set_length_to_the_end(mended, box)
        if box.name not in _NEEDED or box.name in names - {b"mdat"}:
            mended[box.head + 4 : box.head + 8] = b"free"
        names.add(box.name)
    if end + 8 <= len(data):
        mended[end : end + 8] = b"\0\0\0\0free"
    places = len(_brands(data)) - 1
    mended[8:12], mended[16 : 16 + 4 * places] = b"heic", (b"heic" + b"mif1" * places)[: 4 * places]
    _mend_colours(mended, contents.properties)
    return bytes(mended)


def _set_length_to_the_end(mended: bytearray, box: _Box) -> None:
    if box.start - box.head == 16:
        mended[box.head + 8 : box.start] = struct.pack(">Q", len(mended) - box.head)
    else:
        mended[box.head : box.head + 4] = bytes(4)


def _mend_colours(mended: bytearray, properties: list[_Box]) -> None:
    """Put "unspecified" for numbers of colours that mean nothing, and for RGB in a picture that cannot be that."""
    # By the decoder's configurations (ISO 14496-15).
    has_full_chroma = all(mended[box.start + 16] & 3 == _FULL_CHROMA for box in properties if box.name == b"hvcC")
    for box in properties:
        place = box.start + 4
        if box.name != b"colr" or mended[box.start : place] != b"nclx" or box.end - place < 6:
            continue
        said = struct.unpack_from(">3H", mended, place)
        codes = [code if code in known else _UNSPECIFIED for code, known in zip(said, _CODES, strict=True)]
        if said[2] == _IDENTITY and not (has_full_chroma and any(said)):
            codes[2] = _UNSPECIFIED
        struct.pack_into(">3H", mended, place, *codes)


def _brands(data: bytes) -> list[bytes]:
    """Return the major and the compatible brands of a file that starts with ftyp."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 512)
    return [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]


def _top_boxes(data: bytes) -> Iterator[_Box]:
    """Yield the outermost boxes, up to what is none; the pictures' own may claim to end behind the file."""
    has_meta, end = False, 0
    try:
        for box in _boxes(data, 0, len(data)):
            has_meta, end = has_meta or box.name == b"meta", box.end
            yield box
    except BadPhoto:
        if data[end + 4 : end + 8] == b"mdat":
            is_long = data[end : end + 4] == b"\0\0\0\1"
            yield _Box(b"mdat", end, min(len(data), end + (16 if is_long else 8)), len(data) + 1)
        elif not has_meta:
            raise


def _contents(data: bytes) -> _Contents:
    contents = _Contents(list(_top_boxes(data)))
    meta = next((box for box in contents.boxes if box.name == b"meta"), None)
    if meta is None:
        return contents
    inner = {box.name: box for box in _boxes(data, meta.start + 4, meta.end)}  # meta has a version before its boxes
    if box := inner.get(b"pitm"):
        contents.primary = int.from_bytes(data[box.start + 4 : box.start + (8 if data[box.start] else 6)], "big")
    if box := inner.get(b"hdlr"):
        contents.is_of_pictures = data[box.start + 8 : box.start + 12] == b"pict"
    if box := inner.get(b"iinf"):
        contents.codings = dict(_codings(data, box))
    if box := inner.get(b"iprp"):
        containers = [each for each in _boxes(data, box.start, box.end) if each.name == b"ipco"]
        contents.properties = [each for box in containers for each in _boxes(data, box.start, box.end)]
    if box := inner.get(b"iloc"):
        contents.end_of_pixels = _end_of_extents(data, box.start, inner.get(b"idat"))
    return contents


def _codings(data: bytes, iinf: _Box) -> Iterator[tuple[int, bytes]]:
    for box in _boxes(data, iinf.start + (8 if data[iinf.start] else 6), iinf.end):
        version, width = data[box.start], 2 if data[box.start] < 3 else 4
        if box.name == b"infe" and version >= 2:
            number = int.from_bytes(data[box.start + 4 : box.start + 4 + width], "big")
            yield number, data[box.start + 6 + width : box.start + 10 + width]


def _end_of_extents(data: bytes, at: int, idat: _Box | None) -> int:
    """Return where the last byte of a picture stands in the file, by the box iloc."""
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

    last = steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps > MOST_BOXES:
            raise BadPhoto("photo_unreadable", "too many extents")

    for _ in range(number(4 if version == 2 else 2)):
        step()
        number(4 if version == 2 else 2)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_width)
        for _ in range(number(2)):
            step()
            number(index_width)
            offset, length = base + number(offset_width), number(length_width)
            if method == 0 and offset < len(data) + 2**40:
                last = max(last, offset + length)
            elif method == 1 and idat is not None:
                if idat.start + offset + length > idat.end:
                    raise BadPhoto("photo_unreadable", "the file ends early")
                last = max(last, idat.start + offset + length)
    return last


def _boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    """Yield each box between two places; refuse one that reaches too far."""
    for _ in range(MOST_BOXES):
        if start + 8 > end:
            return
        length, name = struct.unpack_from(">I4s", data, start)
        header = 8
        if length == 1 and start + 16 <= end:
            (length,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif length == 0:
            length = end - start
        if length < header or start + length > end:
            raise BadPhoto("photo_unreadable", "a box ends early")
        yield _Box(name, start, start + header, start + length)
        start += length
    raise BadPhoto("photo_unreadable", "too many boxes")
