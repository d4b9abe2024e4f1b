"""The processes of a storm: each is started again when it dies, as the product's supervisor does, unless it is held.

One thread starts them all and lives as long as they: the kernel kills a child with the thread that started it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfiehero.supervisor.guard import is_alive, kill_session
from tests.support.processes import start_process, wait_for

RESTART_SECONDS = 0.5
# As the product's supervisor: who does not end by then is ended.
PATIENCE_SECONDS = 20.0
# A child notices its parent's death by the kernel's signal; it has this long to be gone.
ORPHAN_SECONDS = 5.0


@dataclass
class Member:
    """One process of the cast, whoever plays it at the moment."""

    name: str
    argv: list[str]
    env: dict[str, str | None] = field(default_factory=dict)
    choices: dict[str, Any] = field(default_factory=dict)
    before_start: Callable[[], None] = lambda: None
    stop_signal: int = signal.SIGTERM
    is_held: bool = False  # stays dead until it is let go
    process: subprocess.Popen | None = None
    starts: int = 0
    ended_at: float = float("-inf")
    asked_at: float | None = None  # to end, by SIGTERM

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass(frozen=True)
class Orphan:
    """A process that went on although its parent was dead."""

    parent: str
    process_id: int
    command: str


class Cast:
    """`with Cast(folder) as cast: cast.add(Member(...))`; whatever was added runs until the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.members: dict[str, Member] = {}
        self.orphans: list[Orphan] = []
        self.stubborn: Counter[str] = Counter()  # who had to be killed after being asked to end
        self._widowed: list[tuple[float, str, dict[int, str]]] = []
        self._kin: dict[str, dict[int, str]] = {}
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cast")

    def __enter__(self) -> Cast:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Ask all processes to end, kill those that do not, and note those that outlived a parent."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def add(self, member: Member) -> Member:
        with self._lock:
            self.members[member.name] = member
        return member

    def wait_until_up(self, name: str, *, after: int = 0, seconds: float = 30) -> Member:
        """Return a member once it was started more than so many times and runs."""
        member = self.members[name]
        wait_for(lambda: member.starts > after and member.is_up, f"{name} to be started", seconds=seconds)
        return member

    # --- Blows ------------------------------------------------------------------------------------

    def kill(self, name: str, *, alone: bool = False) -> int:
        """End a member at once, with everything it started or by itself; return how often it had been started."""
        member = self.wait_until_up(name)
        with self._lock:
            process_id, kin = member.process.pid, descendants(member.process.pid)
            self._kin[name] = kin if alone else {}
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
            for relative in () if alone else kin:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(relative, signal.SIGKILL)
            return member.starts

    def terminate(self, name: str) -> int:
        """Ask a member to end; return how often it had been started."""
        member = self.wait_until_up(name)
        with self._lock:
            self._kin[name] = descendants(member.process.pid)
            member.process.send_signal(member.stop_signal)
            member.asked_at = time.monotonic()
            return member.starts

    def signal(self, name: str, number: int) -> None:
        member = self.wait_until_up(name)
        member.process.send_signal(number)

    # --- The thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.wait(0.05):
            with self._lock:
                for member in self.members.values():
                    self._look_after(member)
                self._look_for_orphans()
        with self._lock:
            self._end_all()

    def _look_after(self, member: Member) -> None:
        if member.is_up:
            if member.asked_at is not None and time.monotonic() - member.asked_at > PATIENCE_SECONDS:
                self.stubborn[member.name] += 1
                member.asked_at = None
                kill_session(member.process.pid)
            return
        member.asked_at = None
        if member.process is not None:
            member.process.wait()
            member.process, member.ended_at = None, time.monotonic()
            self._widowed.append((time.monotonic(), member.name, self._kin.pop(member.name, {})))
        if not member.is_held and time.monotonic() - member.ended_at > RESTART_SECONDS:
            member.before_start()
            member.process = start_process(
                member.argv, log_path=self.folder / f"{member.name}.log", env=member.env, **member.choices
            )
            member.starts += 1

    def _look_for_orphans(self, *, patience: float = ORPHAN_SECONDS) -> None:
        now = time.monotonic()
        for entry in list(self._widowed):
            died_at, parent, kin = entry
            if now - died_at < patience:
                continue
            self._widowed.remove(entry)
            for process_id, command in kin.items():
                if is_alive(process_id) and command_of(process_id) == command:
                    self.orphans.append(Orphan(parent, process_id, command))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process_id, signal.SIGKILL)

    def _end_all(self) -> None:
        """All but the servers first, then those: a process that drains may still need them."""
        servers = [member for member in self.members.values() if member.stop_signal == signal.SIGINT]
        others = [member for member in self.members.values() if member not in servers]
        for group in (others, servers):
            for member in group:
                if member.is_up:
                    self._kin[member.name] = descendants(member.process.pid)
                    member.process.send_signal(signal.SIGCONT)
                    member.process.send_signal(member.stop_signal)
            deadline = time.monotonic() + 20
            for member in group:
                if member.process is None:
                    continue
                with contextlib.suppress(subprocess.TimeoutExpired):
                    member.process.wait(max(0.1, deadline - time.monotonic()))
                kill_session(member.process.pid)
                member.process.wait()
                member.process = None
                self._widowed.append((time.monotonic(), member.name, self._kin.pop(member.name, {})))
        if any(kin for _, _, kin in self._widowed):
            time.sleep(1.0)
        self._look_for_orphans(patience=0.0)


def descendants(process_id: int) -> dict[int, str]:
    """Return id and command line of everything a process has started, and that those have started."""
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (parent := parent_of(int(entry))):
            parents.setdefault(parent, []).append(int(entry))
    found: dict[int, str] = {}
    waiting = [process_id]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            found[child] = command_of(child)
            waiting.append(child)
    return found


def parent_of(process_id: int) -> int | None:
    try:
        return int(Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def command_of(process_id: int) -> str:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""
