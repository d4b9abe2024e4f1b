"""The index of an MP4 moved to its front, so that a film begins while it is still being loaded.

    before   ftyp  (free)  mdat ........  moov
    after    ftyp  moov  (free)  mdat ........

Nothing is encoded anew. Everything between the first box and the index moves back by the index's length, in place, and
the tables with the offsets of pictures and sound (stco, co64; ISO/IEC 14496-12, 8.7.5) are adjusted. A film of five
megabytes takes a few milliseconds.

A film whose index cannot be moved safely stays as it is: it plays too, because our addresses answer byte ranges.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Iterator
from typing import IO

from . import boxes

# The index of a minute at 240 pictures a second has some hundred kilobytes.
LARGEST_INDEX = 16 * 2**20
_CHUNK = 2**20
_DEEPEST = 6  # moov, trak, mdia, minf, stbl, the tables
_LEADS_TO_TABLES = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl"})
_TABLES = {b"stco": "I", b"co64": "Q"}
# Boxes that hold offsets too, or that only files of another structure have; no film for a browser has them.
_NOT_FOR_US = frozenset({b"moof", b"mfra", b"sidx", b"meta", b"cmov", b"saio"})


class _CannotMove(Exception):
    """The film stays as it is."""


def move_to_front(film: IO[bytes]) -> bool:
    """Put the index of a film before its pictures; return whether anything was changed. Raise BadFilm for no MP4.

    `film` is open for reading and writing. Nothing is written before all offsets are computed.
    """
    size = film.seek(0, os.SEEK_END)
    found = boxes.listed(film, size)
    names = [box.name for box in found]
    if names.count(b"moov") != 1 or names[0] != b"ftyp" or _NOT_FOR_US & set(names):
        return False
    head, index = found[0], found[names.index(b"moov")]
    if b"mdat" not in names[: names.index(b"moov")] or index.end - index.start > LARGEST_INDEX:
        return False
    film.seek(index.start)
    content = bytearray(film.read(index.end - index.start))
    length = len(content)
    if length != index.end - index.start:
        return False
    try:
        _adjust_offsets(content, head.end, index.start, length)
    except (_CannotMove, struct.error):
        return False
    position = index.start
    while position > head.end:
        step = min(_CHUNK, position - head.end)
        film.seek(position - step)
        part = film.read(step)
        film.seek(position - step + length)
        film.write(part)
        position -= step
    film.seek(head.end)
    film.write(content)
    return True


def _adjust_offsets(content: bytearray, first: int, last: int, by: int) -> None:
    """Add `by` to each offset in the tables between `first` and `last`. Raise _CannotMove when one would not fit."""
    count = 0
    for name, start, end in _tables(content, 0, len(content)):
        places = array(_TABLES[name])
        (entries,) = struct.unpack_from(">I", content, start + 4)
        table = slice(start + 8, start + 8 + entries * places.itemsize)
        if table.stop > end:
            raise _CannotMove
        places.frombytes(content[table])
        _swap(places)
        try:
            moved = array(places.typecode, [place + by if first <= place < last else place for place in places])
        except OverflowError:
            raise _CannotMove from None
        _swap(moved)
        content[table] = moved.tobytes()
        count += 1
    if not count:
        raise _CannotMove


def _swap(places: array) -> None:
    """Swap between the file's byte order and the machine's."""
    if sys.byteorder == "little":
        places.byteswap()


def _tables(
    content: bytearray, start: int, end: int, left: list[int] | None = None, depth: int = 0
) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each table. Raise _CannotMove for an unknown structure."""
    left = left if left is not None else [boxes.MOST_BOXES]
    while start + 8 <= end:
        left[0] -= 1
        if depth > _DEEPEST or left[0] < 0:
            raise _CannotMove
        length, name = struct.unpack_from(">I4s", content, start)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", content, start + 8)
            head = 16
        if length < head or start + length > end:
            raise _CannotMove
        if name in _NOT_FOR_US - {b"meta"}:
            raise _CannotMove
        if name in _TABLES:
            yield name, start + head, start + length
        elif name in _LEADS_TO_TABLES:
            yield from _tables(content, start + head, start + length, left, depth + 1)
        start += length
