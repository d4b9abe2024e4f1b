"""Ends whole sessions of processes, even after the supervisor itself was killed.

The guard is a small process that reads "+SID" and "-SID" lines from the supervisor. When the pipe closes without
"bye", the supervisor is gone: the guard kills every session that is still listed. It inherits the supervisor's lock,
so that the next `up` waits until it is done. This file runs alone (`python -I -S guard.py`): standard library only.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO

HAS_PROC = os.path.exists("/proc/self/stat")
ENDED = (b"Z", b"X")


def state_and_session(process_id: int) -> tuple[bytes, int] | None:
    """Return a process's state letter and session as /proc says, or None when it is gone."""
    try:
        with open(f"/proc/{process_id}/stat", "rb") as stream:
            # "pid (name) state parent group session …"; the name may hold spaces and brackets
            state, _parent, _group, session = stream.read().rpartition(b")")[2].split()[:4]
    except (OSError, ValueError):
        return None
    return state, int(session)


def is_alive(process_id: int) -> bool:
    """Return whether the process runs; one that has ended and was not waited for does not."""
    if process_id <= 0:
        return False
    if HAS_PROC:
        found = state_and_session(process_id)
        return found is not None and found[0] not in ENDED
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def session_members(session_id: int) -> list[int]:
    """Return the ids of the running processes of a session; none on systems without /proc."""
    if not HAS_PROC:
        return []
    found = ((int(entry), state_and_session(int(entry))) for entry in os.listdir("/proc") if entry.isdigit())
    return [process_id for process_id, known in found if known and known[1] == session_id and known[0] not in ENDED]


def kill_session(session_id: int) -> None:
    """Kill every process of a session at once, also those that left its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session_id, signal.SIGKILL)
    for _round in range(10):  # a member may fork between listing and killing
        members = session_members(session_id)
        if not members:
            return
        for process_id in members:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process_id, signal.SIGKILL)


def pipe_to(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None  # it was started with one
    return process.stdin


class Guard:
    """The supervisor's handle on its guard process."""

    def __init__(self, *, inherited: Iterable[int] = ()) -> None:
        self.inherited = tuple(inherited)
        self.watched: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 this file itself
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            pass_fds=self.inherited,
            start_new_session=True,
        )
        for session_id in self.watched:
            self.send(f"+{session_id}")

    def watch(self, session_id: int) -> None:
        self.watched.add(session_id)
        self.send(f"+{session_id}")

    def forget(self, session_id: int) -> None:
        self.watched.discard(session_id)
        self.send(f"-{session_id}")

    def revive(self) -> None:
        """Start the guard again when something killed it."""
        if self.process is not None and self.process.poll() is not None:
            pipe_to(self.process).close()
            self.start()

    def dismiss(self) -> None:
        """End the guard and nothing else."""
        if self.process is None:
            return
        self.send("bye")
        with contextlib.suppress(BrokenPipeError):
            pipe_to(self.process).close()
        self.process.wait()
        self.process = None

    def send(self, line: str) -> None:
        if self.process is None:
            return
        with contextlib.suppress(BrokenPipeError):  # it died; `revive` sends everything to the next one
            pipe_to(self.process).write(line.encode("ascii") + b"\n")
            pipe_to(self.process).flush()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    for line in sys.stdin:
        word = line.strip()
        if word == "bye":
            return
        if word.startswith("+"):
            sessions.add(int(word[1:]))
        elif word.startswith("-"):
            sessions.discard(int(word[1:]))
    for session_id in sessions:
        kill_session(session_id)


if __name__ == "__main__":
    main()
