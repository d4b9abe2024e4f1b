"""Tells whether every block of a JPEG is there although its end marker is not.

Some programs and cameras write no end marker, and so does a connection that breaks: the two differ in whether the
entropy-coded data reaches the last block. The codes are walked without making a pixel (ITU-T T.81, annexes F and G). In
Python that takes about a microsecond a code, so only photos of a few hundred kilobytes are walked here, and only a
share of a process's time is spent on it; the others are told apart when they are decoded.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil

# A step is a byte of entropy-coded data or a block of a scan; 400,000 take about half a second.
MOST_STEPS = 600_000
_STEPS_SAVED, _STEPS_A_SECOND = 2_500_000, 50_000
_RESTARTS = frozenset(range(0xD0, 0xD8))
_HUFFMAN_FRAMES, _PROGRESSIVE = (0xC0, 0xC1, 0xC2), 0xC2
_TABLES, _SCAN, _RESTART_INTERVAL = 0xC4, 0xDA, 0xDD


@dataclass
class _Component:
    horizontal: int
    vertical: int
    columns: int = 0  # of blocks, without those that fill the last MCU
    rows: int = 0
    stride: int = 0  # of blocks, with them
    seen: list[int] = field(default_factory=list)  # by block: bits of the coefficients that are not zero
    left: list[int] = field(default_factory=lambda: [99] * 64)  # by coefficient: the low bits that are still missing


class _Cut(Exception):
    """The data ends before its last block."""


class _Unknown(Exception):
    """Something that this walk does not know, or would take too long over."""


def is_whole(data: bytes, segments: Iterator[tuple[int, int]]) -> bool | None:
    """Tell whether all blocks are there; None when that cannot be told here.

    `segments` are each marker's code and where its content starts, as `headers` yields them.
    """
    try:
        _Walk(data).run(segments)
    except _Cut:
        return False
    except (_Unknown, IndexError, struct.error):
        return None
    return True


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tables: dict[int, list[int]] = {}
        self.components: dict[int, _Component] = {}
        self.restart_every = 0
        self.is_progressive = False
        self.across = self.down = 0  # MCUs

    def run(self, segments: Iterator[tuple[int, int]]) -> None:
        found = []
        for marker, start in segments:
            if marker in (_TABLES, _RESTART_INTERVAL, _SCAN):
                found.append((marker, start))
            elif marker in _HUFFMAN_FRAMES:
                self.frame(marker, start)
            elif 0xC0 <= marker <= 0xCF:
                raise _Unknown
        scans = [start for marker, start in found if marker == _SCAN]
        self.check_scans(scans)
        if not _allowance.take(self.steps(scans)):
            raise _Unknown
        for marker, start in found:
            if marker == _TABLES:
                self.huffman_tables(start)
            elif marker == _RESTART_INTERVAL:
                (self.restart_every,) = struct.unpack_from(">H", self.data, start + 2)
            else:
                self.scan(start)

    def frame(self, marker: int, start: int) -> None:
        precision, height, width, count = struct.unpack_from(">BHHB", self.data, start + 2)
        if precision != 8 or not 0 < count <= 4 or not width * height:
            raise _Unknown
        self.is_progressive = marker == _PROGRESSIVE
        for at in range(start + 8, start + 8 + 3 * count, 3):
            sampling = self.data[at + 1]
            self.components[self.data[at]] = _Component(sampling >> 4, sampling & 15)
        widest = max(one.horizontal for one in self.components.values())
        tallest = max(one.vertical for one in self.components.values())
        if not all(0 < one.horizontal <= 4 and 0 < one.vertical <= 4 for one in self.components.values()):
            raise _Unknown
        self.across, self.down = ceil(width / (8 * widest)), ceil(height / (8 * tallest))
        for one in self.components.values():
            one.columns = ceil(ceil(width * one.horizontal / widest) / 8)
            one.rows = ceil(ceil(height * one.vertical / tallest) / 8)
            one.stride = self.across * one.horizontal

    def parameters(self, start: int) -> tuple[list[tuple[_Component, int, int]], int, int, int, int, int]:
        """Return the components of a scan with their tables, its band, its high and low bit, and where its data is."""
        if start + 3 > len(self.data):
            raise _Cut
        length, count = struct.unpack_from(">HB", self.data, start)
        if start + length > len(self.data):
            raise _Cut
        parts = []
        for at in range(start + 3, start + 3 + 2 * count, 2):
            if self.data[at] not in self.components:
                raise _Unknown
            parts.append((self.components[self.data[at]], self.data[at + 1] >> 4, self.data[at + 1] & 15))
        if length < 6:
            raise _Unknown
        first, last, bits = self.data[start + length - 3 : start + length]
        if not self.is_progressive:
            first, last, bits = 0, 63, 0
        if not parts or last > 63 or first > last or (len(parts) > 1 and self.is_progressive and first):
            raise _Unknown
        return parts, first, last, bits >> 4, bits & 15, start + length

    def check_scans(self, starts: list[int]) -> None:
        """Raise _Cut when a component has coefficients that no scan holds to their last bit."""
        for start in starts:
            parts, first, last, _, low, _ = self.parameters(start)
            for component, _, _ in parts:
                component.left[first : last + 1] = [low] * (last + 1 - first)
        if not self.components or any(any(one.left) for one in self.components.values()):
            raise _Cut

    def steps(self, starts: list[int]) -> int:
        steps = len(self.data)
        for start in starts:
            parts, *_ = self.parameters(start)
            steps += sum(one.rows * one.columns for one, _, _ in parts)
        return steps

    def huffman_tables(self, start: int) -> None:
        """Read tables into lists by the next sixteen bits: the code's length and symbol, 0 for no code."""
        (length,) = struct.unpack_from(">H", self.data, start)
        at, end = start + 2, start + length
        while at < end:
            kind, counts = self.data[at], self.data[at + 1 : at + 17]
            symbols = self.data[at + 17 : at + 17 + sum(counts)]
            table: list[int] = []
            position = 0
            for bits, count in enumerate(counts, 1):
                for symbol in symbols[position : position + count]:
                    table += [bits << 8 | symbol] * (1 << (16 - bits))
                position += count
                if len(table) > 1 << 16:
                    raise _Unknown
            self.tables[kind] = table + [0] * ((1 << 16) - len(table))
            at += 17 + sum(counts)

    def scan(self, start: int) -> None:
        parts, first, last, high, _low, at = self.parameters(start)
        runs = self.runs(at)
        if len(parts) == 1:
            component = parts[0][0]
            if not component.seen:
                component.seen = [0] * (component.stride * self.down * component.vertical)
            units = component.rows * component.columns
        else:
            units = self.across * self.down
        each = self.restart_every or units
        for begin in range(0, units, each):
            bits = _Bits(next(runs, b""))
            if len(parts) == 1:
                self.single(bits, parts[0], range(begin, min(begin + each, units)), first, last, high)
            else:
                self.interleaved(bits, parts, min(each, units - begin), high)

    def runs(self, at: int) -> Iterator[bytes]:
        """Yield the data between restart markers, without the zeros that follow each 0xFF."""
        begin = at
        while True:
            at = self.data.find(b"\xff", at)
            code = self.data[at + 1] if 0 <= at < len(self.data) - 1 else None
            if code == 0:
                at += 2
                continue
            run = self.data[begin : at if at >= 0 else len(self.data)]
            yield run.replace(b"\xff\0", b"\xff")
            if code not in _RESTARTS:
                return
            at = begin = at + 2

    def interleaved(self, bits: _Bits, parts: list[tuple[_Component, int, int]], units: int, high: int) -> None:
        blocks = [
            (self.tables.get(dc), self.tables.get(0x10 | ac))
            for one, dc, ac in parts
            for _ in range(one.horizontal * one.vertical)
        ]
        for _ in range(units):
            for dc, ac in blocks:
                if self.is_progressive and high:
                    bits.at += 1
                    continue
                bits.difference(dc)
                if not self.is_progressive:
                    bits.coefficients(ac)
            bits.check()

    def single(
        self, bits: _Bits, part: tuple[_Component, int, int], units: range, first: int, last: int, high: int
    ) -> None:
        component, dc_id, ac_id = part
        dc, ac = self.tables.get(dc_id), self.tables.get(0x10 | ac_id)
        run = 0
        for unit in units:
            if first == 0:
                if high:
                    bits.at += 1
                else:
                    bits.difference(dc)
                    if not self.is_progressive:
                        bits.coefficients(ac)
            else:
                row, column = divmod(unit, component.columns)
                place = row * component.stride + column
                work = bits.refine if high else bits.begin
                run, component.seen[place] = work(ac, component.seen[place], run, first, last)
            bits.check()


class _Bits:
    """Reads the codes of one run of entropy-coded data."""

    def __init__(self, run: bytes) -> None:
        self.end = len(run) * 8
        self.run = run + b"\xff" * 3
        self.at = 0

    def check(self) -> None:
        if self.at > self.end:
            raise _Cut

    def symbol(self, table: list[int] | None) -> int:
        at = self.at
        if table is None:
            raise _Unknown
        if at >= self.end:
            raise _Cut
        begin = at >> 3
        found = table[int.from_bytes(self.run[begin : begin + 3], "big") >> (8 - (at & 7)) & 0xFFFF]
        if not found:
            raise _Cut if at + 16 > self.end else _Unknown
        self.at = at + (found >> 8)
        return found & 0xFF

    def number(self, count: int) -> int:
        self.at += count
        self.check()
        begin = (self.at - count) >> 3
        window = int.from_bytes(self.run[begin : begin + 3], "big")
        return window >> (24 - count - ((self.at - count) & 7)) & ((1 << count) - 1)

    def difference(self, table: list[int] | None) -> None:
        size = self.symbol(table)
        self.at += size

    def coefficients(self, table: list[int] | None) -> None:
        """Walk the coefficients of a block behind its first one."""
        place = 1
        while place < 64:
            symbol = self.symbol(table)
            size = symbol & 15
            if size:
                self.at += size
                place += (symbol >> 4) + 1
            elif symbol == 0xF0:
                place += 16
            else:
                return

    def begin(self, table: list[int] | None, seen: int, run: int, first: int, last: int) -> tuple[int, int]:
        """Walk a band of a block for the first time; return the blocks that follow without a code, and what is seen."""
        if run:
            return run - 1, seen
        place = first
        while place <= last:
            symbol = self.symbol(table)
            zeros, size = symbol >> 4, symbol & 15
            if size:
                place += zeros
                seen |= 1 << place
                self.at += size
                place += 1
            elif zeros == 15:
                place += 16
            else:
                return (1 << zeros) - 1 + self.number(zeros), seen
        return 0, seen

    def refine(self, table: list[int] | None, seen: int, run: int, first: int, last: int) -> tuple[int, int]:
        """Walk one more bit of a band: each coefficient seen before has a bit of its own among the codes."""
        place = first
        while not run and place <= last:
            symbol = self.symbol(table)
            zeros, size = symbol >> 4, symbol & 15
            if size:
                self.at += 1
            elif zeros < 15:
                run = (1 << zeros) + self.number(zeros)
                break
            while place <= last:
                if seen >> place & 1:
                    self.at += 1
                elif zeros:
                    zeros -= 1
                else:
                    break
                place += 1
            if size:
                seen |= 1 << place
            place += 1
        if run:
            self.at += (seen >> place & ((1 << max(0, last + 1 - place)) - 1)).bit_count()
            run -= 1
        return run, seen


class _Allowance:
    """Steps that this process may still take; they come back with time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._saved, self._since = float(_STEPS_SAVED), time.monotonic()

    def take(self, steps: int) -> bool:
        """Take so many steps, if they are not too many now."""
        if steps > MOST_STEPS:
            return False
        with self._lock:
            now = time.monotonic()
            self._saved = min(_STEPS_SAVED, self._saved + (now - self._since) * _STEPS_A_SECOND)
            self._since = now
            if steps > self._saved:
                return False
            self._saved -= steps
            return True


_allowance = _Allowance()
