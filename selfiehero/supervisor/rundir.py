"""VAR_DIR/run: the lock that lets one supervisor run, its children's pids, the addresses that were chosen."""

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from common.files import replace_file

from .guard import is_alive

GUARD_PATIENCE = 10.0  # seconds that a killed supervisor's guard may need to end the rest


class AlreadyRunning(RuntimeError):
    """Another supervisor works in this VAR_DIR; the message can be shown."""


class Lock:
    """Held as long as the supervisor or its guard lives, however they end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor: int | None = None

    def acquire(self, *, url: str) -> int:
        """Take the lock and return its file descriptor; raise AlreadyRunning when another supervisor lives."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_up_at = time.monotonic() + GUARD_PATIENCE
        while not try_lock(descriptor):
            owner, owner_url = self.read_owner()
            if is_alive(owner) or time.monotonic() > give_up_at:
                os.close(descriptor)
                raise AlreadyRunning(
                    f"Selfie Hero already runs from {self.path.parent.parent} (process {owner}, {owner_url}). "
                    "Stop it with Ctrl-C in its terminal, or choose another VAR_DIR and PORT."
                )
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {url}\n".encode(), 0)
        self.descriptor = descriptor
        return descriptor

    def read_owner(self) -> tuple[int, str]:
        with contextlib.suppress(OSError, ValueError):
            process_id, url = self.path.read_text(encoding="utf-8").split()
            return int(process_id), url
        return 0, "starting"

    def release(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def running_url(path: Path) -> str | None:
    """Return the address of the supervisor that holds this lock now, None when none does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        owner, url = Lock(path).read_owner()
        # The lock, because a process id may have a new owner; the owner, because its guard keeps the lock a while.
        return url if not try_lock(descriptor) and is_alive(owner) else None
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_json(path: Path, value: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(value, indent=1) + "\n")


def choose_port(kept_url: str | None = None) -> int:
    """Return the port of an address that was chosen before when it is free, else any free one."""
    kept = urlsplit(kept_url or "").port
    if kept and is_port_free("127.0.0.1", kept):
        return kept
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_port_free(host: str, port: int) -> bool:
    try:
        bind_once(host, port)
    except OSError:
        return False
    return True


def bind_once(host: str, port: int) -> None:
    """Bind and let go; raise OSError with the system's reason when a server could not."""
    family, kind, protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1)
