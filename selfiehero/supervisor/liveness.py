"""Liveness of children: one that hangs, so that it runs but does no work, is killed and so starts again.

Only a process that has shown life since its own start is judged, so a slow start is never cut short; and looks are
counted, not seconds, so a machine that slept or a clock that jumped kills no child.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .children import Child, Signs


@dataclass
class Readiness:
    """The last response of the readiness address."""

    status: int = 0
    body: str = "no answer"

    @property
    def is_ready(self) -> bool:
        return self.status == 200


class Watch:
    """Watches one child for its signs of life."""

    def __init__(self, child: Child, signs: Signs) -> None:
        self.child = child
        self.signs = signs
        self.pid: int | None = None
        self.mark = 0
        self.has_lived = False
        self.silent_looks = 0

    async def keep_checking(self) -> None:
        """Check for ever, and restart the child when too many checks in a row found no sign."""
        while True:
            await asyncio.sleep(self.signs.every)
            if await self.is_hung():
                self.child.restart(f"{self.silence()}, so it is killed")

    async def is_hung(self) -> bool:
        if self.child.pid != self.pid:
            self.pid, self.mark = self.child.pid, self.read_mark()
            self.has_lived, self.silent_looks = False, 0
        pid = self.pid
        if pid is None:
            return False
        if await self.shows_life():
            self.has_lived, self.silent_looks = True, 0
        elif self.has_lived:
            self.silent_looks += 1
        return self.silent_looks >= self.signs.patience and self.child.pid == pid

    async def shows_life(self) -> bool:
        """Return whether the beat moved since the last check, or the address answers anything at all."""
        if self.signs.url is not None:
            return (await ask(self.signs.url, seconds=self.signs.every)).status != 0
        before, self.mark = self.mark, self.read_mark()
        return self.mark != before

    def silence(self) -> str:
        if self.signs.url is not None:
            return f"has not answered {self.signs.patience} times in a row"
        return f"has shown no sign of life for {self.signs.every * self.signs.patience:g} s"

    def read_mark(self) -> int:
        try:
            return self.signs.beat.stat().st_mtime_ns if self.signs.beat is not None else 0
        except OSError:
            return 0


async def ask(url: str, *, seconds: float = 2.0) -> Readiness:
    """Return what an http address answers now, within this time."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                request = f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
                writer.write(request.encode("ascii"))
                answer = await reader.read(4096)
            finally:
                writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return Readiness(int(head.split()[1]), body.decode(errors="replace")[:200])
    except (OSError, TimeoutError, IndexError, ValueError) as error:
        return Readiness(0, str(error) or "no answer")
