"""One child process and its pipes: start it, exchange frames within a deadline, see it end."""

import fcntl
import json
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from .wire import PREFIX, Frame, parse_header, parse_prefix

PROJECT_ROOT = Path(__file__).resolve().parent.parent.parent
PIPE_BYTES = 1024 * 1024  # a whole ordinary photo or poster at once
MOST_ERROR_BYTES = 64 * 1024

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

    def __init__(self, returncode: int | None) -> None:
        super().__init__(f"the child ended with {returncode}")
        self.returncode = returncode


class ChildSilent(Exception):
    """The child did not answer in time."""


class ChildProcess:
    """A running child. Not for several threads at once: its owner holds a lock."""

    def __init__(self, module: str, settings: dict[str, Any]) -> None:
        """Start `python -m module SETTINGS`; raise OSError when the machine does not let us."""
        self._command = [sys.executable, "-m", module, json.dumps({**settings, "parent": os.getpid()})]
        self._started, self._released = threading.Event(), threading.Event()
        self._failure: OSError | None = None
        # The kernel ends the child when the *thread* that started it ends (PR_SET_PDEATHSIG), so a thread of our own
        # starts it and stays for as long as the child is wanted.
        threading.Thread(target=self._keep, name="sandbox", daemon=True).start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(pipe.fileno(), False)
            _enlarge(pipe.fileno())

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

    def exchange(self, frame: Frame | None, *, seconds: float) -> Frame:
        """Send a frame (or none) and return the answer; raise ChildGone, ChildSilent or BadFrame."""
        deadline = time.monotonic() + seconds
        if frame is not None:
            for part in (frame.prefix(), frame.body):
                self._write(part, deadline)
        kind, header_length, body_length = parse_prefix(self._read(PREFIX.size, deadline))
        header = self._read(header_length, deadline) if header_length else b"{}"
        body = self._read(body_length, deadline) if body_length else b""
        return Frame(kind, parse_header(header), body)

    def last_words(self) -> str:
        """Return the last line of what the child wrote to its standard error before it was ready."""
        try:
            text = os.read(self._process.stderr.fileno(), MOST_ERROR_BYTES).decode(errors="replace")
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
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            pipe.close()

    def _write(self, data: bytes, deadline: float) -> None:
        descriptor, view = self._process.stdin.fileno(), memoryview(data)
        while view:
            self._await(descriptor, select.POLLOUT, deadline)
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise self._gone(deadline) from error

    def _read(self, length: int, deadline: float) -> bytes:
        descriptor, parts, missing = self._process.stdout.fileno(), [], length
        while missing:
            self._await(descriptor, select.POLLIN, deadline)
            try:
                part = os.read(descriptor, min(missing, PIPE_BYTES))
            except BlockingIOError:
                continue
            if not part:
                raise self._gone(deadline)
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _await(self, descriptor: int, event: int, deadline: float) -> None:
        poller = select.poll()
        poller.register(descriptor, event)
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not poller.poll(remaining * 1000):
            raise ChildSilent

    def _gone(self, deadline: float) -> ChildGone:
        """Return how the child ended; it has closed its pipes, so that is a matter of moments."""
        try:
            return ChildGone(self._process.wait(timeout=max(0.1, min(1.0, deadline - time.monotonic()))))
        except subprocess.TimeoutExpired:
            return ChildGone(None)


def _enlarge(descriptor: int) -> None:
    """Make a pipe hold a whole order where the system allows it, so that it is handed over in one go."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            return
