"""Start processes that cannot outlive the test run, find ports, wait for what must become true."""

import os
import socket
import subprocess
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from common.processes import die_with_parent
from selfiehero.supervisor.guard import kill_session

Answer = TypeVar("Answer")


def start_process(
    argv: list[str], *, log_path: Path, env: dict[str, str | None] | None = None, **choices
) -> subprocess.Popen:
    """Start a program in its own session, its output in a file; it is killed when this process dies.

    `env` is added to the environment; None takes a variable away.
    """
    with log_path.open("ab") as log:
        return start_attached(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, **choices)


def start_attached(argv: list[str], *, env: dict[str, str | None] | None = None, **choices) -> subprocess.Popen:
    """Start a program as `start_process` does, on the streams given."""
    whole_env = {name: value for name, value in {**os.environ, **(env or {})}.items() if value is not None}
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; what runs before this exec is one system call.
        warnings.simplefilter("ignore", DeprecationWarning)
        return subprocess.Popen(
            argv, env=whole_env, start_new_session=True, preexec_fn=partial(die_with_parent, os.getpid()), **choices
        )


def stop_process(process: subprocess.Popen, number: int, *, patience: float = 20.0) -> int:
    """Ask a program to end by this signal, end it after its patience, and return its exit code."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        kill_session(process.pid)
        process.wait()
    kill_session(process.pid)
    return process.returncode


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(
    question: Callable[[], Answer], what: str | Callable[[], str], *, seconds: float = 20.0, every: float = 0.05
) -> Answer:
    """Return the first true answer; fail with what was waited for when there is none in time.

    `what` may be a function, so that what it tells is how things are at the end.
    """
    give_up_at = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {seconds:g} s for {what() if callable(what) else what}")
        time.sleep(every)
    return answer
