"""Takes a PNG apart for its decoder: only what makes the picture is left, and the colours are read by themselves.

Pillow refuses a whole photo for a wrong checksum in a comment, or for a text that inflates to more than a megabyte.
Other decoders ignore what they do not need, and so is it done here: chunks that do not matter are dropped, and those
that do but are damaged are dropped too, unless they are the pixels.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from common import png

from . import colours
from .headers import MOST_SEGMENTS, PNG_SIGNATURE, is_animation
from .outcomes import BadPhoto

_CRITICAL = (b"IHDR", b"PLTE", b"IDAT")
_HELPFUL = (b"tRNS", b"eXIf")  # transparency, and where the orientation stands
_UNSPECIFIED = b"\2\2"  # primaries and transfer of a cICP that says nothing (ITU-T H.273)
_COLOURS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")
# By the colour type, how long the transparency may be: one gray or colour, or an entry for each of the palette.
_TRANSPARENCY: dict[int, Sequence[int]] = {0: (2,), 2: (6,), 3: range(1, 257)}
_LONGEST_PROFILE = 4 * 2**20


@dataclass(frozen=True)
class Png:
    """A PNG of the chunks that make the picture, its profile if it has one, and otherwise what its colours are."""

    data: bytes
    profile: bytes | None
    encoding: colours.Encoding
    is_deep: bool


def take_apart(data: bytes) -> Png:
    """Return what a decoder needs of a PNG. Raise BadPhoto for one that moves, which is not left to it."""
    kept, found, names = [PNG_SIGNATURE], dict[bytes, bytes](), set[bytes]()
    position = len(PNG_SIGNATURE)
    for _ in range(MOST_SEGMENTS):
        if position + 8 > len(data):
            break
        length, name = struct.unpack_from(">I4s", data, position)
        content, checksum = data[position + 8 : position + 8 + length], data[position + 8 + length :][:4]
        place, position = position + 4, position + 12 + length
        if name == b"acTL" and b"IDAT" not in names and is_animation(data, place, position - 4):
            raise BadPhoto("photo_animated")
        names.add(name)
        if name == b"IEND":
            break
        if len(content) < length:
            break
        is_right = checksum == struct.pack(">I", zlib.crc32(name + content))
        if name in _CRITICAL and (is_right or len(checksum) == 4):
            kept.append(struct.pack(">I", length) + name + content + checksum)
        elif name == b"IDAT":
            kept.append(png.chunk(name, content))  # the file ends in its checksum
        elif name in _COLOURS and is_right:
            found.setdefault(name, content)
        elif name in _HELPFUL and is_right and _is_useful(name, content, data[25]):
            kept.append(png.chunk(name, content))
    kept.append(png.chunk(b"IEND", b""))
    if found.get(b"cICP", b"")[:2] == _UNSPECIFIED:
        del found[b"cICP"]
    profile = _profile(found.get(b"iCCP", b"")) if b"cICP" not in found else None
    return Png(b"".join(kept), profile, _encoding(found), data[24] == 16)


def _is_useful(name: bytes, content: bytes, colour_type: int) -> bool:
    if name == b"tRNS":  # of a wrong length it is ignored by libpng, and an error for Pillow
        return len(content) in _TRANSPARENCY.get(colour_type, ())
    return True


def _profile(content: bytes) -> bytes | None:
    """Return the ICC profile of an iCCP chunk, None for a broken one and for one of more than four megabytes."""
    _, _, packed = content.partition(b"\0")
    inflate = zlib.decompressobj()
    with contextlib.suppress(zlib.error):
        profile = inflate.decompress(packed[1:], _LONGEST_PROFILE)
        if profile and not inflate.unconsumed_tail:
            return profile
    return None


def _encoding(found: dict[bytes, bytes]) -> colours.Encoding:
    """Return the colours that the chunks name, in the PNG specification's order: cICP, sRGB, then gAMA and cHRM."""
    if len(cicp := found.get(b"cICP", b"")) == 4:
        return colours.of_codes(cicp[0], cicp[1])
    gamma, primaries = found.get(b"gAMA", b""), found.get(b"cHRM", b"")
    if b"sRGB" in found or len(gamma) != 4:
        return colours.SRGB
    places = [value / 100_000 for value in struct.unpack(">8I", primaries)] if len(primaries) == 32 else None
    return colours.of_gamma(int.from_bytes(gamma, "big") / 100_000, places)
