"""The process in which foreign bytes are decoded: `python -m jobs.photos.child SETTINGS`.

It loads everything it will need, gives away every right it can, says it is ready, and then answers one photo after
another until its standard input ends. A photo can take down this process, and nothing else.
"""

import ctypes
import math
import os
import resource
import signal
import sys
from dataclasses import dataclass
from typing import BinaryIO

from jobs.photos.outcomes import BadPhoto
from jobs.photos.wire import PREFIX, Frame, Kind, parse_header, parse_prefix

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
MOST_OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What the parent tells a child on its command line."""

    parent: int
    long_edge: int
    pixels: int
    cpu_seconds: int
    memory_bytes: int


def main(settings: ChildSettings) -> None:
    """Answer photos from standard input on standard output until it ends."""
    die_with(settings.parent)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the parent, which ends this process by closing its pipe
    photos = os.fdopen(os.dup(0), "rb", buffering=0)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    silence(0, 1)  # a library that prints must not speak into the answers
    try:
        from jobs.photos import cleaning

        find_faces = cleaning.studio_detector()
        warm(find_faces)
    except Exception as error:  # noqa: BLE001  whatever it is, the parent should be able to say it
        send(answers, Frame(Kind.BROKEN, {"detail": f"{type(error).__name__}: {error}"[:500]}))
        return
    silence(2)
    lock_down(settings.memory_bytes)
    send(answers, Frame(Kind.READY))
    while (photo := receive(photos)) is not None:
        allow_cpu(settings.cpu_seconds)
        try:
            clean = cleaning.clean(photo, long_edge=settings.long_edge, pixels=settings.pixels, find_faces=find_faces)
        except BadPhoto as bad:
            send(answers, Frame(Kind.BAD, {"code": bad.code, "detail": bad.detail}))
        except MemoryError:
            # Leave: what a failed allocation left behind in C code is unknown.
            send(answers, Frame(Kind.BAD, {"code": "photo_unreadable", "detail": "out of memory", "leaves": True}))
            return
        except Exception as error:  # noqa: BLE001  the face finder's failure; the parent logs it
            detail = f"{type(error).__name__}: {error}"[:500]
            send(answers, Frame(Kind.BAD, {"code": "photo_unreadable", "detail": detail, "is_fault": True}))
        else:
            header = {
                "width": clean.width,
                "height": clean.height,
                "faces": clean.faces,
                "face": clean.face,
                "brightness": clean.brightness,
            }
            send(answers, Frame(Kind.CLEAN, header, clean.jpeg))


def warm(find_faces) -> None:
    """Load what is loaded on first use (model, kernels, encoder), so that no photo waits and no limit counts it."""
    import cv2
    import numpy as np
    from PIL import Image

    cv2.setNumThreads(1)
    Image.init()
    find_faces(np.full((256, 192, 3), 128, np.uint8))


def die_with(parent: int) -> None:
    """End this process when its parent ends, however that happens."""
    if sys.platform == "linux":
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit("the parent is gone")


def lock_down(memory_bytes: int) -> None:
    """Give up rights and set limits: no new privileges, no files, no core dumps, bounded memory, lower priority."""
    os.nice(5)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    limit(resource.RLIMIT_NOFILE, MOST_OPEN_FILES)
    if sys.platform == "linux":
        prctl(PR_SET_NO_NEW_PRIVS, 1)
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


def prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def silence(*descriptors: int) -> None:
    """Point descriptors at nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor)
    os.close(nothing)


def send(answers: BinaryIO, frame: Frame) -> None:
    for part in (frame.prefix(), frame.body):
        view = memoryview(part)
        while view:
            view = view[answers.write(view) :]


def receive(photos: BinaryIO) -> bytes | None:
    """Return the next photo, or None when the parent has no more."""
    prefix = read_exactly(photos, PREFIX.size)
    if prefix is None:
        return None
    _, header_length, body_length = parse_prefix(prefix)
    header = read_exactly(photos, header_length)
    body = read_exactly(photos, body_length)
    if header is None or body is None:
        return None
    parse_header(header)
    return body


def read_exactly(photos: BinaryIO, length: int) -> bytes | None:
    buffer = bytearray(length)
    view, filled = memoryview(buffer), 0
    while filled < length:
        count = photos.readinto(view[filled:])
        if not count:
            return None
        filled += count
    return bytes(buffer)


if __name__ == "__main__":
    import json

    main(ChildSettings(**json.loads(sys.argv[1])))
