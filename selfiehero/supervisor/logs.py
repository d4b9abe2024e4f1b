"""The children's output: prefixed lines on the terminal, and a log file for each child."""

import os
import re
import select
import sys
from collections import deque
from pathlib import Path
from typing import BinaryIO, cast

LARGEST_LOG = 10 * 2**20
LONGEST_LINE = 16 * 2**10
WAITING_LINES = 2000
PALETTE = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
COLOUR_CODES = re.compile(rb"\x1b\[[0-9;]*m")
# What could move the cursor, rename the window or hide a line: everything but colours and tabs.
OTHER_ESCAPES = re.compile(
    rb"\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]"
)


def wants_colour(stream: BinaryIO, env: dict[str, str]) -> bool:
    """Return whether to colour: on a terminal, unless NO_COLOR is set or the terminal is dumb."""
    return stream.isatty() and not env.get("NO_COLOR") and env.get("TERM") != "dumb"


class LineSplitter:
    """Turns chunks of output into lines; a line that never ends is cut."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        while len(self.rest) > LONGEST_LINE:
            lines.append(self.rest[:LONGEST_LINE])
            self.rest = self.rest[LONGEST_LINE:]
        return lines

    def flush(self) -> list[bytes]:
        rest, self.rest = self.rest, b""
        return [rest] if rest else []


class LogFile:
    """A file that starts anew at 10 MB and keeps the one before. On a full disk it drops lines and stops no child."""

    def __init__(self, path: Path, *, largest: int = LARGEST_LOG) -> None:
        self.path = path
        self.largest = largest
        self.stream: BinaryIO | None = None
        self.size = 0

    def write(self, line: bytes) -> None:
        try:
            stream = self.stream
            if stream is None or self.size + len(line) > self.largest:
                stream = self.open()
            self.size += stream.write(COLOUR_CODES.sub(b"", line) + b"\n")
        except OSError:
            self.close()

    def open(self) -> BinaryIO:
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size + LONGEST_LINE > self.largest:
            os.replace(self.path, self.path.with_name(self.path.name + ".1"))
        self.stream = stream = cast(BinaryIO, open(self.path, "ab", buffering=0))  # noqa: SIM115 kept open between lines
        self.size = stream.tell()
        return stream

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.stream = None


class Terminal:
    """Writes prefixed lines and never waits: a paused terminal delays or loses lines, it does not hold the product."""

    def __init__(self, stream: BinaryIO | None = None, *, colour: bool = False, width: int = 16) -> None:
        self.stream = stream if stream is not None else sys.stdout.buffer
        self.colour = colour
        self.width = width
        self.colours: dict[str, int] = {}
        self.waiting: deque[bytes] = deque(maxlen=WAITING_LINES)
        self.is_gone = False

    def line(self, name: str, text: bytes | str, *, bold: bool = False) -> None:
        """Show one line of this child."""
        body = text.encode() if isinstance(text, str) else text
        body = OTHER_ESCAPES.sub(b"", body.rstrip(b"\r\n"))
        prefix = f"{name:<{self.width}} │ ".encode()
        if self.colour:
            code = self.colours.setdefault(name, PALETTE[len(self.colours) % len(PALETTE)])
            prefix = b"\x1b[%dm%s\x1b[0m" % (code, prefix)
            body = b"\x1b[1m%s\x1b[0m" % body if bold else body + (b"\x1b[0m" if b"\x1b" in body else b"")
        else:
            body = COLOUR_CODES.sub(b"", body)
        self.waiting.append(prefix + body + b"\n")
        self.flush()

    def flush(self) -> None:
        """Write what is waiting as far as the terminal takes it."""
        try:
            while self.waiting and not self.is_gone and self.is_writable():
                self.stream.write(self.waiting.popleft())
                self.stream.flush()
        except (OSError, ValueError):
            self.is_gone = True
        if self.is_gone:
            self.waiting.clear()

    def is_writable(self) -> bool:
        try:
            descriptor = self.stream.fileno()
        except (OSError, ValueError):
            return True  # not a file, a test's buffer
        return bool(select.select([], [descriptor], [], 0)[1])
