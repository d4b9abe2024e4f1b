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

real_probe = probe.probe
answers = os.dup(1)


def odd_probe(path, **options):
    _, found, order = Path(path).read_bytes().rpartition(b"ODD ")
    order, _, argument = order.decode("latin-1").partition(" ")
    return ORDERS[order](*filter(None, [argument])) if found else real_probe(path, **options)


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


def leak_once(path: str) -> None:
    """Use up what this process may open, the first time; a child of its own sees a film."""
    if os.path.exists(path):
        raise probe.BadFilm("the second child")
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    while True:
        os.open("/dev/null", os.O_RDONLY)


def tell() -> None:
    limits = [resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE]
    loaded = [name for name in ("django", "cv2", "requests") if name in sys.modules]
    raise probe.BadFilm(f"{[resource.getrlimit(kind)[1] for kind in limits]} {loaded} {'SECRET_KEY' in os.environ}")


FACTS = {"width": 64, "height": 48, "seconds": 1.0, "codec": "h264"}
ORDERS = {
    "abort": os.abort,
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "leave": lambda: os._exit(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(60),
    "burn": burn,
    "memory": take_memory,
    "write": write,
    "leak-once": leak_once,
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

probe.probe = odd_probe

if __name__ == "__main__":
    serve(sys.argv[1], child.load)
