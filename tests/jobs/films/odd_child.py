"""The child in which films are opened, with films that do what they say.

Run by tests in place of `jobs.films.child`: rubbish behind a film that starts with ODD is an order.
"""

import os
import resource
import signal
import sys
import time
from pathlib import Path

from jobs.films import child, probe
from jobs.sandbox.child import serve
from jobs.sandbox.wire import Frame, Kind
from tests.confinement import intruder

real_probe = probe.probe_open
answers = os.dup(1)


def odd_probe(film, **options):
    _, found, order = os.pread(film, 2**24, 0).rpartition(b"ODD ")
    order, _, argument = order.decode("latin-1").partition(" ")
    if found and order == "leak-once":
        leak_once(film)
    if found and order == "die-midway":
        if os.lseek(film, 0, os.SEEK_CUR) == 0:
            os.lseek(film, 1000, os.SEEK_SET)
            os.kill(os.getpid(), signal.SIGKILL)
        return real_probe(film, **options)
    return ORDERS[order](*filter(None, [argument])) if found else real_probe(film, **options)


def answer(kind: Kind, header: object, body: bytes = b"") -> None:
    os.write(answers, Frame(kind, header, body).prefix() + body)
    time.sleep(60)


def burn() -> None:
    while True:
        pass


def take_memory() -> None:
    taken = []
    while True:
        taken.append(bytearray(16 * 2**20))


def write(path: str) -> None:
    Path(path).write_bytes(b"x")


def leak_once(film: int) -> None:
    """Use up what this process may open, the first time. The place in the file is shared: the second child sees it."""
    if os.lseek(film, 0, os.SEEK_CUR):
        raise probe.BadFilm("the second child")
    os.lseek(film, 1, os.SEEK_SET)
    while True:
        os.dup(film)


def tell() -> None:
    limits = [resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE]
    loaded = [name for name in ("django", "cv2", "requests") if name in sys.modules]
    raise probe.BadFilm(f"{[resource.getrlimit(kind)[1] for kind in limits]} {loaded} {'SECRET_KEY' in os.environ}")


FACTS = {"width": 64, "height": 48, "seconds": 1.0, "codec": "h264"}


late: list[str] = []


def watch() -> None:
    """Note from now on what this process looks for: a library that is loaded late, a file that is opened."""
    sys.addaudithook(lambda event, given: late.append(f"{event} {given[0]}") if event in ("import", "open") else None)
    raise probe.BadFilm("watching")


def seen() -> None:
    raise probe.BadFilm(f"seen: {late}"[:400])


def intrude(words: str) -> None:
    names, _, told = words.partition("::")
    raise probe.BadFilm(f"successes: {intruder.successes(names.split(';'), told)}")


ORDERS = {
    "intrude": intrude,
    "watch": watch,
    "seen": seen,
    "abort": os.abort,
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "leave": lambda: os._exit(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(60),
    "burn": burn,
    "memory": take_memory,
    "write": write,
    "tell": tell,
    "rubbish": lambda: os.write(answers, b"\xff" * 1000) and time.sleep(60),
    "no-facts": lambda: answer(Kind.DONE, {}),
    "no-poster": lambda: answer(Kind.DONE, FACTS),
    "odd-poster": lambda: answer(Kind.DONE, FACTS, b"<html>"),
    "endless-film": lambda: answer(Kind.DONE, FACTS | {"seconds": float("inf")}, b"x"),
    "huge-film": lambda: answer(Kind.DONE, FACTS | {"width": 10**9}, b"x"),
    "odd-codec": lambda: answer(Kind.DONE, FACTS | {"codec": ["h264"]}, b"x"),
    "wrong-kind": lambda: answer(Kind.READY, {}),
    "not-an-object": lambda: answer(Kind.REFUSED, ["no"]),
}

probe.probe_open = odd_probe

if __name__ == "__main__":
    serve(sys.argv[1], child.load)
