"""One renderer as a process: started, given orders, listened to, stopped.

A renderer reads untrusted photos, so it is confined (`confinement`): it gets each photo over its socket, and may write
to one folder of its own, from which its studio takes what was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
from pathlib import Path
from typing import Any

from confinement.processor_time import cpu_seconds

from .settings import PROJECT_DIR, StudioSettings

logger = logging.getLogger(__name__)

MAX_LINE = 64 * 1024
LOOK_SECONDS, LAST_LOOK_SECONDS = 0.5, 0.05
# A renderer that used the CPU for this share of the time it was waited for was at work, and not only without its turn.
AT_WORK = 0.5
# One film uses one core and a bit; libraries that start a thread per core only get in each other's way.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# None of the product's secrets is in a renderer's environment.
SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|_URL$")


def renderers_folder(settings: StudioSettings) -> Path:
    """Return the folder in which each renderer has one of its own."""
    folder = settings.folder / "renderers"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class Patience:
    """Seconds that a renderer is waited for, and whether it used the CPU meanwhile.

    Counted only while this process runs: a look counts for LOOK_SECONDS at most, however late it ends.
    """

    def __init__(self, renderer: RendererProcess, seconds: float) -> None:
        self.renderer, self.seconds = renderer, seconds
        self.renew()

    def renew(self) -> None:
        self.left, self.cpu_before = self.seconds, self.renderer.cpu_seconds()

    def count(self, seconds: float) -> None:
        self.left -= min(seconds, LOOK_SECONDS)

    @property
    def was_at_work(self) -> bool:
        return self.renderer.cpu_seconds() - self.cpu_before >= AT_WORK * self.seconds


class RendererProcess:
    """One process, the folder it writes to, and what it says. `messages` ends with None when it is gone."""

    def __init__(self, process: asyncio.subprocess.Process, writer: asyncio.StreamWriter, folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.writer = writer
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.is_gone = asyncio.Event()
        self.listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, settings: StudioSettings) -> RendererProcess:
        folder = Path(tempfile.mkdtemp(dir=renderers_folder(settings)))
        ours, theirs = socket.socketpair()
        process = None
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "providers.studio.service.worker"),
                    *(str(theirs.fileno()), str(os.getpid()), settings.renderer, ",".join(settings.looks), str(folder)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    cwd=PROJECT_DIR,
                    env=THREADS
                    | {name: value for name, value in os.environ.items() if not SECRET.search(name)}
                    | {"TMPDIR": str(folder)},
                )
            reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        except BaseException:  # a studio that stops cancels this, with the process running already
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            ours.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        made = cls(process, writer, folder)
        made.listening = asyncio.create_task(made.listen(reader))
        return made

    async def listen(self, reader: asyncio.StreamReader) -> None:
        try:
            async for line in reader:
                self.messages.put_nowait(json.loads(line))
        except (ConnectionError, ValueError) as error:
            logger.warning("renderer_not_understood pid=%d error=%s", self.process.pid, type(error).__name__)
        finally:
            self.is_gone.set()
            self.messages.put_nowait(None)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    async def next_message(self, *patiences: Patience) -> dict[str, Any] | None:
        """Return what it says next, None when it is gone. Raise TimeoutError when one of the patiences is at its end.

        What has arrived is returned also when the time is over: it was this process that did not look.
        """
        clock = asyncio.get_running_loop().time
        while True:
            began, left = clock(), min(patience.left for patience in patiences)
            try:
                async with asyncio.timeout(max(LAST_LOOK_SECONDS, min(left, LOOK_SECONDS))):
                    return await self.messages.get()
            except TimeoutError:
                if left <= 0:
                    raise
            finally:
                for patience in patiences:
                    patience.count(clock() - began)

    def say(self, *, photo: bytes = b"", **message: Any) -> None:
        if not self.writer.is_closing():
            self.writer.write(json.dumps(message).encode() + b"\n" + photo)

    def made(self, name: str) -> Path | None:
        """Return a file that it has written, None when there is none: a link would lead to somebody else's."""
        path = self.folder / name
        try:
            return path if stat.S_ISREG(path.lstat().st_mode) else None
        except OSError:
            return None

    def empty_folder(self) -> None:
        """Remove what it has written."""
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def memory_bytes(self) -> int:
        """Return how much memory it holds; 0 where the system does not say."""
        try:
            statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
            return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, ValueError, IndexError):
            return 0

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self, *, patience: float) -> int:
        """Let it go: it ends by itself when its socket closes, or is killed. Return its exit code."""
        self.writer.close()
        try:
            await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            self.kill()
            await self.process.wait()
        if self.listening is not None:
            await self.listening
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        shutil.rmtree(self.folder, ignore_errors=True)
        return self.process.returncode or 0
