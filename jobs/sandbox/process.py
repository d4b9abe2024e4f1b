"""One child process and its pipes: start it, exchange frames with it, see it end."""

import fcntl
import json
import math
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from confinement.processor_time import cpu_seconds

from .wire import PREFIX, Frame, parse_header, parse_prefix

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
PIPE_BYTES = 1024 * 1024  # a whole ordinary photo or poster at once
MOST_ERROR_BYTES = 64 * 1024
LOOK_SECONDS = 0.25
LEAST_WORK = 0.02  # of a core: a child that gets less is taken for one that stands still
END_SECONDS = (
    5.0  # between a child's pipes and the child itself; giving back a gigabyte takes a while on a busy machine
)

# Nothing of the parent's environment but what Python needs: a child that is taken over finds no keys.
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PYTHONPATH": str(PROJECT_ROOT),
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Keep freed pixels instead of returning them after each step: 6 of 22 ms a photo went into page faults.
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}


class ChildGone(Exception):
    """The child ended before it answered. `returncode` is negative for the signal that ended it."""

    def __init__(self, returncode: int) -> None:
        super().__init__(f"the child ended with {returncode}")
        self.returncode = returncode


class ChildSilent(Exception):
    """The child did not answer in time."""


class Patience:
    """How long to wait for a child, counted only while this process runs.

    A process that was stopped, or did not get the processor, has not waited: each look counts for LOOK_SECONDS at
    most, however late it ends.
    """

    def __init__(
        self, seconds: float, *, cpu_seconds: Callable[[], float] = lambda: 0.0, most_cpu_seconds: float = math.inf
    ) -> None:
        """`cpu_seconds` tells how much CPU the child has used; with `most_cpu_seconds` more, waiting on is in vain.

        A child that works is waited for again, as long: a busy machine gives it little CPU, and a new child would begin
        anew. So it is silent when it neither answers nor works for `seconds`.
        """
        self._seconds = self._left = seconds
        self._cpu_seconds = cpu_seconds
        self._seen = cpu_seconds()
        self._spent_at = self._seen + most_cpu_seconds

    def wait_for(self, descriptor: int, event: int) -> None:
        """Return when a descriptor is ready for an event of `select.poll`. Raise ChildSilent when it never is.

        Looks at least once, however little time is left: what is waited for may be there already.
        """
        poller = select.poll()
        poller.register(descriptor, event)
        while True:
            began = time.monotonic()
            if poller.poll(max(0.0, min(self._left, LOOK_SECONDS)) * 1000):
                self._count(began)
                return
            self._count(began)
            used = self._cpu_seconds()
            if self._left <= 0 and used - self._seen >= self._seconds * LEAST_WORK:
                self._seen, self._left = used, self._seconds
            if self._left <= 0 or used >= self._spent_at:
                raise ChildSilent

    def _count(self, began: float) -> None:
        self._left -= min(time.monotonic() - began, LOOK_SECONDS)


class ChildProcess:
    """A running child. Not for several threads at once: its owner holds a lock."""

    def __init__(self, module: str, settings: dict[str, Any]) -> None:
        """Start `python -m MODULE SETTINGS`; raise OSError when the machine does not let us."""
        # Files reach the child through this socket, opened for reading: it may open none itself.
        self._files, self._childs_files = socket.socketpair()
        settings = {**settings, "parent": os.getpid(), "files": self._childs_files.fileno()}
        self._command = [sys.executable, "-m", module, json.dumps(settings)]
        self._started, self._released = threading.Event(), threading.Event()
        self._failure: OSError | None = None
        # The kernel ends the child when the *thread* that started it ends (PR_SET_PDEATHSIG), so a thread of our own
        # starts it and stays for as long as the child is wanted.
        threading.Thread(target=self._keep, name="sandbox", daemon=True).start()
        self._started.wait()
        self._childs_files.close()
        if self._failure is not None:
            self._files.close()
            raise self._failure
        for pipe in self._pipes():
            os.set_blocking(pipe.fileno(), False)
            _enlarge(pipe.fileno())

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        """Return the child's standard input, output and error; it was started with all three."""
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None and stdout is not None and stderr is not None
        return stdin, stdout, stderr

    def _keep(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=PROJECT_ROOT,
                env={"PATH": os.environ.get("PATH", os.defpath), **ENVIRONMENT},
                close_fds=True,
                pass_fds=(self._childs_files.fileno(),),
                start_new_session=True,  # Ctrl-C at the terminal is for the parent, which drains
            )
        except OSError as error:
            self._failure = error
        finally:
            self._started.set()
        if self._failure is None:
            self._released.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def cpu_seconds(self) -> float:
        """Return how much CPU the child has used; 0 where the system does not say."""
        return cpu_seconds(self.pid)

    def exchange(self, frame: Frame | None, *, seconds: float, most_cpu_seconds: float = math.inf) -> Frame:
        """Send a frame (or none) and return the answer; raise ChildGone, ChildSilent or BadFrame.

        ChildSilent when the child has neither answered nor worked for `seconds`, or has used more CPU than it may.
        """
        patience = Patience(seconds, cpu_seconds=self.cpu_seconds, most_cpu_seconds=most_cpu_seconds)
        if frame is not None:
            if frame.file is not None:
                self._hand_over(frame.file)
            for part in (frame.prefix(), frame.body):
                self._write(part, patience)
        kind, header_length, body_length = parse_prefix(self._read(PREFIX.size, patience))
        header = self._read(header_length, patience) if header_length else b"{}"
        body = self._read(body_length, patience) if body_length else b""
        return Frame(kind, parse_header(header), body)

    def last_words(self) -> str:
        """Return the last line of what the child wrote to its standard error before it was ready."""
        try:
            text = os.read(self._pipes()[2].fileno(), MOST_ERROR_BYTES).decode(errors="replace")
        except (BlockingIOError, OSError):
            return ""
        lines = text.strip().splitlines()
        return lines[-1][:500] if lines else ""

    def end(self) -> None:
        """Kill the child if it still runs, and leave nothing of it behind."""
        self._process.kill()
        self._process.wait()
        self._close()

    def abandon(self) -> None:
        """Forget a child that belongs to the process this one was forked from: close our copies of its pipes."""
        self._process.returncode = 0  # so that it is neither waited for nor warned about here
        self._close()

    def _close(self) -> None:
        self._released.set()
        for end in (*self._pipes(), self._files):
            end.close()

    def _hand_over(self, file: int) -> None:
        try:
            socket.send_fds(self._files, [b"F"], [file])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise self._gone() from error

    def _write(self, data: bytes, patience: Patience) -> None:
        descriptor, view = self._pipes()[0].fileno(), memoryview(data)
        while view:
            patience.wait_for(descriptor, select.POLLOUT)
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise self._gone() from error

    def _read(self, length: int, patience: Patience) -> bytes:
        descriptor, missing = self._pipes()[1].fileno(), length
        parts: list[bytes] = []
        while missing:
            patience.wait_for(descriptor, select.POLLIN)
            try:
                part = os.read(descriptor, min(missing, PIPE_BYTES))
            except BlockingIOError:
                continue
            if not part:
                raise self._gone()
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _gone(self) -> ChildGone:
        """Return how the child ended. Raise ChildSilent when it has closed its pipes and lives on."""
        try:
            return ChildGone(self._process.wait(timeout=END_SECONDS))
        except subprocess.TimeoutExpired:
            raise ChildSilent from None


def _enlarge(descriptor: int) -> None:
    """Make a pipe hold a whole order where the system allows it, so that it is handed over in one go."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            return
