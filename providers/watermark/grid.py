"""The grid of a watermark: 180 x 320 cells over a frame, 4 x 4 pixels each in a film of the studio.

A third of the cells is the pilot, which says that a watermark of this key is there, and where the frame lies. The
others carry the coded bits, each about 237 times, spread over the whole frame.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .code import CODED_BITS
from .sizes import HIGH, WIDE

PILOT_SHARE = 1 / 3


@dataclass(frozen=True)
class Grid:
    """What a key stands for; arrays of HIGH x WIDE."""

    pilot: np.ndarray  # float32: -1 or 1 where a cell is of the pilot, else 0
    carriers: np.ndarray  # float32: the sign that a coded one has in this cell, 0 in the pilot
    bit_of: np.ndarray  # int16: which coded bit a cell carries, -1 in the pilot


@lru_cache(maxsize=8)
def grid_of(key: bytes) -> Grid:
    """Return the grid of a key. It is drawn from SHAKE-256, so that it is the same in all versions of all libraries."""
    cells = WIDE * HIGH
    signs = np.unpackbits(np.frombuffer(_stream(key, b"signs", cells // 8), np.uint8)).astype(np.float32) * 2 - 1
    order = np.argsort(np.frombuffer(_stream(key, b"places", cells * 8), np.dtype("<u8")), kind="stable")
    bit_of = np.full(cells, -1, np.int16)
    carrying = order[round(cells * PILOT_SHARE) :]
    bit_of[carrying] = np.arange(carrying.size) % CODED_BITS
    pilot = np.where(bit_of < 0, signs, np.float32(0))
    carriers = np.where(bit_of < 0, np.float32(0), signs)
    shape = (HIGH, WIDE)
    return Grid(pilot.reshape(shape), carriers.reshape(shape), bit_of.reshape(shape))


def _stream(key: bytes, what: bytes, size: int) -> bytes:
    return hashlib.shake_256(b"watermark 1\0" + what + b"\0" + key).digest(size)
