"""The top-level boxes of an MP4 file; their contents are not decoded.

A box is a length of four bytes (0: up to the end of the file, 1: eight more bytes hold it), a name of four, and content
(ISO/IEC 14496-12, 4.2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from .outcomes import BadFilm

MOST_BOXES = 10_000
# Boxes that must be complete; a file that is cut off in another one, or followed by garbage, still plays.
NEEDED = frozenset({b"moov", b"mdat", b"moof"})


class Box(NamedTuple):
    """A box and its byte range: from its length field to after its last byte."""

    name: bytes
    start: int
    end: int


def inspect(path: Path) -> bool:
    """Return whether a film's index comes before its pictures. Raise BadFilm when it is not a complete MP4 file."""
    with path.open("rb") as film:
        seen = [box.name for box in listed(film, path.stat().st_size)]
    if not seen or seen[0] != b"ftyp":
        raise BadFilm("not an MP4 file")
    if b"moov" not in seen or b"mdat" not in seen:
        raise BadFilm("an MP4 file without a film")
    return seen.index(b"moov") < seen.index(b"mdat")


def listed(film: IO[bytes], size: int) -> list[Box]:
    """Return the boxes at the top level, as far as they can be followed. Raise BadFilm when one is cut off."""
    film.seek(0)
    return [box for box, _ in zip(_boxes(film, size), range(MOST_BOXES), strict=False)]


def cut_tail(film: IO[bytes]) -> None:
    """Cut off what follows the last complete box: players pass over it, whoever labels the film does not."""
    size = film.seek(0, 2)
    if (found := listed(film, size)) and found[-1].end < size:
        film.truncate(found[-1].end)


def _boxes(film: IO[bytes], size: int) -> Iterator[Box]:
    position = 0
    while len(head := film.read(16)) >= 8:
        length, name = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        elif length == 0:
            length = size - position
        if position + length > size and name in NEEDED:
            raise BadFilm("the film is cut off")
        if length < 8 or position + length > size:
            if position == 0:
                raise BadFilm("not an MP4 file")
            return
        yield Box(name, position, position + length)
        position += length
        film.seek(position)
