"""The child's side: a process that opens foreign bytes, and may be lost to them without anybody else noticing.

It loads everything its work needs, gives away every right it can (`confinement`), says it is ready, and then answers
one order after another until its standard input ends. From then on it opens no file: the one that an order is about
comes as an open descriptor over a socket.

    if __name__ == "__main__":
        serve(sys.argv[1], load)
"""

import io
import json
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from common.processes import die_with_parent
from confinement.confine import confine

from .wire import PREFIX, Frame, Kind, parse_header, parse_prefix

MOST_OPEN_FILES = 32

# Answers an order with a frame, DONE or REFUSED.
Work = Callable[[Frame], Frame]
# Imports and warms up what the work needs, before limits are set, so that no order waits for it or is charged for it.
Load = Callable[[dict[str, Any]], Work]


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What the parent tells a child on its command line.

    `files` is the descriptor of the socket over which files come; `work` is for the work alone.
    """

    parent: int
    cpu_seconds: int
    memory_bytes: int
    files: int
    work: dict[str, Any] = field(default_factory=dict)


def serve(command_line: str, load: Load) -> None:
    """Answer orders from standard input on standard output until it ends."""
    settings = ChildSettings(**json.loads(command_line))
    die_with_parent(settings.parent)
    # Ctrl-C is for the parent, which ends this process by closing its pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = io.FileIO(os.dup(0))
    answers = io.FileIO(os.dup(1), "wb")
    files = socket.socket(fileno=settings.files)
    silence(0, 1)  # a library that prints must not speak into the answers
    try:
        work = load(settings.work)
    except Exception as error:  # noqa: BLE001  whatever it is, the parent should be able to say it
        send(answers, Frame(Kind.BROKEN, {"detail": describe(error)}))
        return
    silence(2)
    lock_down(settings.memory_bytes)
    confined = confine()
    send(answers, Frame(Kind.READY, {"confinement": str(confined), "is_complete": confined.is_complete}))
    while (order := receive(orders, files)) is not None:
        allow_cpu(settings.cpu_seconds)
        try:
            answer = work(order)
        except MemoryError:
            answer = Frame(Kind.FAULT, {"detail": "out of memory"})
        except Exception as error:  # noqa: BLE001  a bug of ours; the parent logs it
            answer = Frame(Kind.FAULT, {"detail": describe(error), "is_bug": True})
        finally:
            if order.file is not None:
                os.close(order.file)
        send(answers, answer)
        if answer.kind is Kind.FAULT:
            return  # what a failed allocation or a bug left behind in C code is unknown


def lock_down(memory_bytes: int) -> None:
    """Set limits: no writing, no core dumps, few open files, bounded memory, lower priority."""
    os.nice(5)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_NOFILE, MOST_OPEN_FILES)
    if sys.platform == "linux":
        limit(resource.RLIMIT_AS, address_space() + memory_bytes)


def address_space() -> int:
    """Return how much address space this process has mapped now; libraries map far more than they use."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def allow_cpu(seconds: int) -> None:
    """Allow this many more seconds of CPU; the kernel ends the process when they are used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def limit(kind: int, most: int) -> None:
    resource.setrlimit(kind, (most, most))


def silence(*descriptors: int) -> None:
    """Point descriptors at nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor)
    os.close(nothing)


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:500]


def send(answers: io.RawIOBase, frame: Frame) -> None:
    for part in (frame.prefix(), frame.body):
        view = memoryview(part)
        while view:
            view = view[answers.write(view) or 0 :]


def receive(orders: io.RawIOBase, files: socket.socket) -> Frame | None:
    """Return the next order, with its file if it has one, or None when the parent has no more."""
    prefix = read_exactly(orders, PREFIX.size)
    if prefix is None:
        return None
    kind, header_length, body_length = parse_prefix(prefix)
    header = read_exactly(orders, header_length)
    body = read_exactly(orders, body_length)
    if header is None or body is None:
        return None
    parsed, file = parse_header(header), None
    if parsed.pop("has_file", False):
        _, (file,), _, _ = socket.recv_fds(files, 1, 1)
    return Frame(kind, parsed, body, file)


def read_exactly(orders: io.RawIOBase, length: int) -> bytes | None:
    buffer = bytearray(length)
    view, filled = memoryview(buffer), 0
    while filled < length:
        count = orders.readinto(view[filled:])
        if not count:
            return None
        filled += count
    return bytes(buffer)
