"""A 32-bit number as coded bits: a check, then a convolutional code that is decoded by soft decisions (Viterbi).

    number, 32 bits ─► and a check of 16 ─► rate 1/3, constraint length 7 ─► CODED_BITS

For the same strength in the picture the number is read after about half of the damage that repeated bits stand.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

NUMBER_BITS, CHECK_BITS = 32, 16
MEMORY = 6  # bits that a coded one depends on, beside its own
GENERATORS = (0o133, 0o171, 0o165)
DATA_BITS = NUMBER_BITS + CHECK_BITS
CODED_BITS = (DATA_BITS + MEMORY) * len(GENERATORS)
STATES = 1 << MEMORY


def encode(number: int) -> np.ndarray:
    """Return CODED_BITS zeros and ones (uint8) for a number of 32 bits. OverflowError for another one."""
    data = number.to_bytes(NUMBER_BITS // 8, "big")
    bits = [*np.unpackbits(np.frombuffer(data + _check(data), np.uint8)), *[0] * MEMORY]
    coded, state = [], 0
    for bit in bits:
        window = int(bit) << MEMORY | state
        coded += [(window & generator).bit_count() & 1 for generator in GENERATORS]
        state = window >> 1
    return np.array(coded, np.uint8)


def decode(soft: np.ndarray) -> int | None:
    """Return the number that CODED_BITS soft values are nearest to, None when its check fails.

    A value is the larger the surer its bit is one, and the smaller the surer it is zero.
    """
    signs, come_from = _trellis()
    gains = (soft.reshape(-1, len(GENERATORS)) @ signs.reshape(-1, len(GENERATORS)).T).reshape(-1, STATES, 2)
    paths = np.full(STATES, -np.inf)
    paths[0] = 0.0
    chosen = np.empty((len(gains), STATES), np.int64)
    for step, gain in enumerate(gains):
        ways = paths[come_from] + gain
        chosen[step] = ways.argmax(axis=1)
        paths = ways.max(axis=1)
    state, bits = 0, []  # the last MEMORY bits are zeros, so it ends here
    for choice in chosen[::-1]:
        bits.append(state >> (MEMORY - 1))
        state = int(come_from[state, choice[state]])
    data = np.packbits(np.array(bits[::-1][:DATA_BITS], np.uint8)).tobytes()
    number, check = data[: NUMBER_BITS // 8], data[NUMBER_BITS // 8 :]
    return int.from_bytes(number, "big") if _check(number) == check else None


@cache
def _trellis() -> tuple[np.ndarray, np.ndarray]:
    """Return for each state and each of the two it may come from the signs of its coded bits, and that other state."""
    signs = np.empty((STATES, 2, len(GENERATORS)))
    come_from = np.empty((STATES, 2), np.int64)
    for state in range(STATES):
        for oldest in (0, 1):
            window = state << 1 | oldest
            come_from[state, oldest] = window & (STATES - 1)
            signs[state, oldest] = [(window & generator).bit_count() % 2 * 2 - 1 for generator in GENERATORS]
    return signs, come_from


def _check(data: bytes) -> bytes:
    return hashlib.sha256(b"watermark check" + data).digest()[: CHECK_BITS // 8]
