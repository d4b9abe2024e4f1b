"""A PNG's chunks of length, name, content and checksum, as far as both readers of photos mend them."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIECE = 256 * 1024


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a chunk with its checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def without_checksum(data: bytes) -> bytes | None:
    """Return a PNG without the checksum of all its pixels; None when they are not all there, or it is no PNG.

    Pillow refuses a photo for a wrong one, and only when it has read every pixel. Browsers show it.
    """
    if not data.startswith(SIGNATURE) or len(data) < 24:
        return None
    others, packed, place = [SIGNATURE], [], len(SIGNATURE)
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if name == b"IDAT":
            packed.append(data[place + 8 : end - 4])
        elif name != b"IEND" and end <= len(data):
            others.append(data[place:end])
        place = end
    stream = b"".join(packed)
    end_of_pixels = _end_of_deflated(stream, most=_most_bytes(data))
    if end_of_pixels is None:
        return None
    # What stood behind the pixels may stand before them too.
    return b"".join([*others, chunk(b"IDAT", b"\x78\x01" + stream[2:end_of_pixels]), chunk(b"IEND", b"")])


def _most_bytes(data: bytes) -> int:
    """Return how many bytes the pixels are at most: eight each, and one a row, also in the seven passes of Adam7."""
    width, height = struct.unpack_from(">II", data, 16)
    return 8 * width * height + 8 * (height + width)


def _end_of_deflated(stream: bytes, *, most: int) -> int | None:
    """Return where the pixels end in a stream of zlib's; None when they do not, or are too many."""
    inflate, count = zlib.decompressobj(-15), 0
    try:
        for start in range(2, len(stream), _PIECE):  # behind zlib's own two bytes
            piece, is_more = stream[start : start + _PIECE], True
            while is_more and not inflate.eof and count <= most:
                inflated = inflate.decompress(piece, _PIECE)
                piece, count = inflate.unconsumed_tail, count + len(inflated)
                is_more = bool(piece or inflated)
            if inflate.eof:
                return min(start + _PIECE, len(stream)) - len(inflate.unused_data)
    except zlib.error:
        pass
    return None
