"""The supervisor's main loop: starts a plan in order, reports readiness, restarts what dies, and drains."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .children import Child, ChildSpec, Starts, Stops
from .guard import Guard
from .liveness import Watch, ask
from .logs import LogFile, Terminal
from .rundir import write_json

OWN_NAME = "up"
FOUNDATION_PATIENCE = 30.0  # seconds that a server which others need may take to answer
READY_HINT_AFTER = 60.0


@dataclass(frozen=True)
class Plan:
    """What to run, and the folder for its logs and state."""

    children: tuple[ChildSpec, ...]
    run_dir: Path
    log_dir: Path
    set_up: ChildSpec | None = None  # runs once to its end, after Starts.FIRST and before the others
    ready_url: str | None = None
    banner: Callable[[list[str]], Iterable[str]] = lambda kept: ()  # gets the lines of set-up kept for it
    is_for_banner: Callable[[str], bool] = lambda line: False  # which lines of set-up are kept, and not shown before


class Supervisor:
    """Runs a plan until a signal stops it."""

    def __init__(self, plan: Plan, *, terminal: Terminal, lock_descriptor: int | None = None) -> None:
        self.plan = plan
        self.terminal = terminal
        self.guard = Guard(inherited=() if lock_descriptor is None else (lock_descriptor,))
        self.logs: dict[str, LogFile] = {}
        self.children: dict[str, Child] = {}
        self.tasks: list[asyncio.Task] = []
        self.watches: list[asyncio.Task] = []
        self.kept_lines: list[str] = []
        self.exit_code = 0

    async def run(self) -> int:
        """Run until a signal or until starting fails. Return the exit code; nothing is left running."""
        self.stopping = asyncio.Event()
        self.watch_signals()
        self.guard.start()
        ticking = asyncio.create_task(self.tick())
        starting = asyncio.create_task(self.start_everything())
        starting.add_done_callback(self.on_started)
        try:
            await self.stopping.wait()
        finally:
            starting.cancel()
            await asyncio.wait([starting])
            for watch in self.watches:  # a child that drains may stop beating
                watch.cancel()
            await asyncio.gather(*self.watches, return_exceptions=True)
            await self.drain()
            ticking.cancel()
            self.guard.dismiss()
            self.write_children()
            self.terminal.flush()
        return self.exit_code

    def watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.on_stop_signal)
        loop.add_signal_handler(signal.SIGCHLD, self.reap)

    def on_started(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(f"starting failed: {type(error).__name__}: {error}")

    def on_stop_signal(self) -> None:
        if not self.stopping.is_set():
            self.say("stopping; once more to stop at once")
            self.stopping.set()
            return
        self.say("stopping at once")
        for child in self.children.values():
            child.kill()

    def reap(self) -> None:
        for child in self.children.values():
            child.reap()

    async def tick(self) -> None:
        """Do every second what no event triggers."""
        while True:
            await asyncio.sleep(1)
            self.terminal.flush()
            self.guard.revive()
            self.reap()

    async def start_everything(self) -> None:
        began = time.monotonic()
        for kind in Starts:
            if kind == Starts.NEXT and self.plan.set_up is not None and not await self.run_set_up(self.plan.set_up):
                return
            specs = [spec for spec in self.plan.children if spec.starts == kind]
            for spec in specs:
                child = self.add_child(spec)
                self.tasks.append(asyncio.create_task(child.keep_running()))
                if spec.signs is not None:
                    self.watches.append(asyncio.create_task(Watch(child, spec.signs).keep_checking()))
            for spec in specs:
                if not await self.wait_until_up(spec):
                    return
        if self.plan.ready_url is not None:
            await self.wait_until_ready(self.plan.ready_url)
        self.say(f"ready after {time.monotonic() - began:.1f} s")
        kept, self.kept_lines = self.kept_lines, []
        for line in self.plan.banner(kept):
            self.say(line, bold=True)

    def add_child(self, spec: ChildSpec) -> Child:
        child = Child(
            spec,
            guard=self.guard,
            on_line=self.on_line,
            on_news=lambda name, text: self.say(f"{name} {text}", bold=True),
            on_change=self.write_children,
        )
        self.children[spec.name] = child
        return child

    async def run_set_up(self, spec: ChildSpec) -> bool:
        """Run set-up to its end; a failure stops everything with exit code 1."""
        running = asyncio.create_task(self.add_child(spec).run_once())
        self.tasks.append(running)
        ending = await asyncio.shield(running)
        if ending.code != 0:
            self.fail(f"{spec.name} failed with {ending.reason}; its last lines above say why.")
        return ending.code == 0

    async def wait_until_up(self, spec: ChildSpec) -> bool:
        give_up_at = time.monotonic() + FOUNDATION_PATIENCE
        while spec.is_up is not None and not await spec.is_up():
            if time.monotonic() > give_up_at:
                self.fail(f"{spec.name} did not answer for {FOUNDATION_PATIENCE:g} s; see {self.plan.log_dir}.")
                return False
            await asyncio.sleep(0.05)
        return True

    async def wait_until_ready(self, url: str) -> None:
        began, has_hinted = time.monotonic(), False
        while True:
            answer = await ask(url)
            if answer.is_ready:
                return
            if not has_hinted and time.monotonic() - began > READY_HINT_AFTER:
                has_hinted = True
                self.say(f"still not ready: {url} says {answer.status or ''} {answer.body}; see {self.plan.log_dir}")
            await asyncio.sleep(0.2)

    def fail(self, message: str) -> None:
        if not self.stopping.is_set():
            self.say(message, bold=True)
            self.exit_code = 1
            self.stopping.set()

    async def drain(self) -> None:
        """Stop the children in their order; those of one kind together."""
        for kind in Stops:
            await asyncio.gather(*(child.stop() for child in self.children.values() if child.spec.stops == kind))
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, Exception):
                self.say(f"{type(result).__name__}: {result}")
                self.exit_code = 1
        for line in self.kept_lines:  # there was no banner, and these lines are shown once
            self.say(line.strip(), bold=True)
        self.say("stopped")

    def on_line(self, name: str, line: bytes) -> None:
        spec = self.children[name].spec
        text = line.decode(errors="replace")
        if spec is self.plan.set_up and self.plan.is_for_banner(text):
            self.kept_lines.append(text)
        elif spec.is_shown:
            self.terminal.line(name, line)
        if spec.is_logged:
            self.log_of(name).write(line)

    def say(self, text: str, *, bold: bool = False) -> None:
        self.terminal.line(OWN_NAME, text, bold=bold)

    def log_of(self, name: str) -> LogFile:
        if name not in self.logs:
            self.logs[name] = LogFile(self.plan.log_dir / f"{name}.log")
        return self.logs[name]

    def write_children(self) -> None:
        """Write VAR_DIR/run/children.json: name and process id of every running child."""
        running = {name: child.pid for name, child in self.children.items() if child.pid is not None}
        with contextlib.suppress(OSError):  # a full disk is no reason to stop
            write_json(self.plan.run_dir / "children.json", {OWN_NAME: os.getpid(), **running})
