"""What code that took over a decoder would try: at a product laid out for it, from inside a confined process."""

import ctypes
import mmap
import os
import socket
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from confinement.confine import Confinement, known_machine
from confinement.syscalls import number

libc = ctypes.CDLL(None, use_errno=True)


class Target:
    """A pretended product: keys, a database, photos, a Valkey socket, a port, and the process that is told of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "photos").mkdir()
        (folder / "secrets.key").write_text("a key")
        (folder / "photos" / "someone.jpg").write_bytes(b"someone")
        with sqlite3.connect(folder / "db.sqlite3") as database:
            database.execute("create table jobs (id)")
        database.close()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.valkey = socket.socket(socket.AF_UNIX)
        self.valkey.bind(str(folder / "valkey.sock"))
        self.valkey.listen()
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind(f"\0intruder-{os.getpid()}")
        self.abstract.listen()

    def close(self) -> None:
        for server in (self.tcp, self.valkey, self.abstract):
            server.close()

    @property
    def told(self) -> str:
        """What the intruder knows, in one word."""
        return f"{self.folder}|{os.getpid()}|{self.tcp.getsockname()[1]}"


class Known:
    """The same from inside."""

    def __init__(self, told: str) -> None:
        folder, pid, port = told.split("|")
        self.folder, self.parent, self.port = Path(folder), int(pid), int(port)
        self.key, self.database = self.folder / "secrets.key", self.folder / "db.sqlite3"
        self.photo = self.folder / "photos" / "someone.jpg"


def call(name: str, *arguments: object) -> int:
    result = libc.syscall(number(name, known_machine()), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def connect(family: int, address: object) -> None:
    with socket.socket(family) as connection:
        connection.connect(address)


def fork() -> None:
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def start_a_thread() -> None:
    seen: list[int] = []
    thread = threading.Thread(target=seen.append, args=(1,))
    thread.start()
    thread.join()
    assert seen


def read_memory(known: Known) -> None:
    span = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    call("process_vm_readv", ctypes.c_int(known.parent), ctypes.byref(span), one, ctypes.byref(span), one, none)


def read_database(known: Known) -> None:
    with sqlite3.connect(f"file:{known.database}?immutable=1", uri=True) as database:
        database.execute("select * from jobs")


# Refused: whoever tries them lives on.
FILES: dict[str, Callable[[Known], object]] = {
    "read the keys": lambda known: known.key.read_text(),
    "read the database": read_database,
    "list the photos": lambda known: os.listdir(known.folder / "photos"),
    "write a new file": lambda known: (known.folder / "new").write_text(""),
    "empty a file": lambda known: os.close(os.open(known.database, os.O_WRONLY | os.O_TRUNC)),
    "remove a photo": lambda known: known.photo.unlink(),
    "move a photo": lambda known: known.photo.rename(known.folder / "moved.jpg"),
    "signal the parent": lambda known: os.kill(known.parent, 0),
    "read the parent's environment": lambda known: Path(f"/proc/{known.parent}/environ").read_bytes(),
}
CALLS: dict[str, Callable[[Known], object]] = {
    "open a photo to all (chmod)": lambda known: known.photo.chmod(0o777),
    "start a program from memory": lambda known: os.memfd_create("x"),
}
# What only a process without folders is refused: a renderer reads its libraries.
CLOSED: dict[str, Callable[[Known], object]] = {
    "ask whether a file exists": lambda known: known.key.stat(),
    "the same by fstatat": lambda known: call("newfstatat", -100, bytes(known.key), bytes(256), 0x1000),
    "map new machine code": lambda known: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC),
}
# The kernel ends whoever tries them.
DEADLY: dict[str, Callable[[Known], object]] = {
    "connect to a TCP port": lambda known: connect(socket.AF_INET, ("127.0.0.1", known.port)),
    "connect to the Valkey socket": lambda known: connect(socket.AF_UNIX, str(known.folder / "valkey.sock")),
    "connect to an abstract socket": lambda known: connect(socket.AF_UNIX, f"\0intruder-{known.parent}"),
    "send a datagram": lambda known: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
    "start another program": lambda known: os.execv("/bin/true", ["true"]),
    "fork": lambda known: fork(),
    "read the parent's memory": read_memory,
    "trace the parent": lambda known: call("ptrace", 0x4206, known.parent, 0, 0),
    "become root of a namespace": lambda known: call("unshare", 0x10000000),
    "set up an io_uring": lambda known: call("io_uring_setup", 4, bytes(120)),
    "read kernel keys": lambda known: call("keyctl", 0, -3, 0),
}
NEEDED: dict[str, Callable[[Known], object]] = {
    "start a thread": lambda known: start_a_thread(),
    "signal itself": lambda known: os.kill(os.getpid(), 0),
}
ATTEMPTS = FILES | CALLS | CLOSED | DEADLY | NEEDED


def succeeds(name: str, told: str) -> bool:
    """Try one thing; return whether it worked. May end the process."""
    try:
        ATTEMPTS[name](Known(told))
    except (OSError, sqlite3.Error, ValueError):
        return False
    return True


def successes(names: list[str], told: str) -> list[str]:
    return [name for name in names if succeeds(name, told)]


def held(confinement: Confinement) -> tuple[set[str], set[str]]:
    """Return what a process that is confined by so much is refused, and what ends it."""
    refused, ends = set(), set()
    if confinement.landlock:
        refused |= {*FILES} - {"signal the parent"} | {"start another program"}
    if confinement.landlock >= 6:
        refused |= {"signal the parent"}
    if confinement.is_filtered:
        refused |= {*FILES, *CALLS, *CLOSED}
        ends = {*DEADLY}
    return refused, ends
