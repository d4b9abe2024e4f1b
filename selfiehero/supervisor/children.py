"""One child process: starts it as the leader of a session, reads its output, restarts it when it dies, stops it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path

from common.processes import die_with_parent

from .guard import Guard, kill_session
from .logs import LineSplitter

LAST_WORDS = 1.0  # seconds that a dead child's last lines may take


class Starts(IntEnum):
    """In which order children start; all of one kind start together."""

    FIRST = 0
    NEXT = 1
    LAST = 2


class Stops(IntEnum):
    """In which order children stop."""

    FIRST = 0
    NEXT = 1
    LAST = 2


@dataclass(frozen=True)
class Signs:
    """How a child shows that it is at work: a file it touches or an address that answers. See `liveness`."""

    beat: Path | None = None
    url: str | None = None
    every: float = 5.0  # seconds between checks; an address has as long to answer
    patience: int = 12  # checks in a row without a sign until it counts as hung


@dataclass(frozen=True)
class ChildSpec:
    """What to run, and when."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    starts: Starts = Starts.NEXT
    stops: Stops = Stops.NEXT
    patience: float = 20.0  # seconds between SIGTERM and SIGKILL
    is_up: Callable[[], Awaitable[bool]] | None = None  # asked before children that start later
    before_start: Callable[[int], None] | None = None  # called with the number of early deaths in a row
    signs: Signs | None = None  # None: only its exit is noticed
    is_shown: bool = True  # False: its output goes to its log only
    is_logged: bool = True  # False: its output goes to the terminal only


class Backoff:
    """How long to wait before a child starts again: 0.5 s, doubled up to 15 s, anew after 30 healthy seconds."""

    def __init__(self, *, first: float = 0.5, longest: float = 15.0, healthy_after: float = 30.0) -> None:
        self.first = first
        self.longest = longest
        self.healthy_after = healthy_after
        self.early_deaths = 0

    def next_delay(self, *, ran_for: float) -> float:
        if ran_for >= self.healthy_after:
            self.early_deaths = 0
        self.early_deaths += 1
        return min(self.longest, self.first * 2 ** (self.early_deaths - 1))


@dataclass(frozen=True)
class Ending:
    """How a process ended; it has no code when it could not begin."""

    code: int | None
    reason: str


def describe_exit(code: int) -> str:
    """Return in words how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"signal {-code}"


class Output(asyncio.Protocol):
    """Splits a child's output into lines."""

    def __init__(self, on_line: Callable[[bytes], None]) -> None:
        self.on_line = on_line
        self.splitter = LineSplitter()
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        for line in self.splitter.feed(data):
            self.on_line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        for line in self.splitter.flush():
            self.on_line(line)
        self.closed.set()


class Child:
    """A child and its present process, if any. Lives in one event loop; `reap` is called on every SIGCHLD."""

    def __init__(
        self,
        spec: ChildSpec,
        *,
        guard: Guard,
        on_line: Callable[[str, bytes], None],
        on_news: Callable[[str, str], None],
        on_change: Callable[[], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.spec = spec
        self.guard = guard
        self.on_line = on_line
        self.on_news = on_news
        self.on_change = on_change
        self.backoff = backoff or Backoff()
        self.process: subprocess.Popen[bytes] | None = None
        self.output: Output | None = None
        self.exited = asyncio.Event()
        self.stop_requested = asyncio.Event()
        self.started_at = 0.0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None

    async def keep_running(self) -> None:
        """Run the child, again and again, until `stop`."""
        while not self.stop_requested.is_set():
            ending = await self.run_once()
            if self.stop_requested.is_set():
                return
            ran_for = time.monotonic() - self.started_at
            delay = self.backoff.next_delay(ran_for=ran_for)
            self.on_news(
                self.spec.name, f"stopped with {ending.reason} after {ran_for:.1f} s; starting again in {delay:g} s"
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop_requested.wait(), delay)

    async def run_once(self) -> Ending:
        """Run the child to its end, and end what it leaves behind. Return how it ended."""
        self.started_at = time.monotonic()
        try:
            await self.start()
        except OSError as error:
            return Ending(None, f"“{error.strerror}” before it began")
        await self.exited.wait()
        process, self.process = self.process, None
        assert process is not None and self.output is not None  # `start` made both
        kill_session(process.pid)
        self.guard.forget(process.pid)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.output.closed.wait(), LAST_WORDS)
        self.on_change()
        return Ending(process.returncode, describe_exit(process.returncode))

    async def start(self) -> None:
        if self.spec.before_start is not None:
            self.spec.before_start(self.backoff.early_deaths)
        self.exited.clear()
        self.process = subprocess.Popen(  # noqa: S603 our own commands
            self.spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.spec.env},
            start_new_session=True,
            # The supervisor has no threads, so what runs between fork and exec is safe.
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
        self.guard.watch(self.process.pid)
        self.on_change()
        loop = asyncio.get_running_loop()
        self.output = output = Output(lambda line: self.on_line(self.spec.name, line))
        await loop.connect_read_pipe(lambda: output, self.process.stdout)
        self.reap()

    def reap(self) -> None:
        """Collect the exit status of the process if it has ended."""
        if self.process is not None and self.process.poll() is not None:
            self.exited.set()

    def signal(self, number: int) -> None:
        """Send a signal to the child itself; it decides what its own children get."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    def restart(self, reason: str) -> None:
        """End the process and all that it started; `keep_running` starts it again unless `stop` was called."""
        if self.process is not None and not self.stop_requested.is_set():
            self.on_news(self.spec.name, reason)
            kill_session(self.process.pid)

    def kill(self) -> None:
        """End the child and all that it started, now."""
        self.stop_requested.set()
        if self.process is not None:
            kill_session(self.process.pid)

    async def stop(self) -> None:
        """Ask the child to end, wait as long as its patience, then end it. It does not start again."""
        self.stop_requested.set()
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.exited.wait(), self.spec.patience)
        except TimeoutError:
            self.on_news(self.spec.name, f"still running after {self.spec.patience:g} s, so it is killed")
            self.kill()
            await self.exited.wait()
