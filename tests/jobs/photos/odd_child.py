"""The sandbox's child with a detector that always sees a face, and with photos that do what they say.

Run by tests in place of `jobs.photos.child`: a body that starts with ODD is an order.
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import sys
import time
from types import SimpleNamespace

from jobs.photos import child, cleaning
from jobs.photos.outcomes import BadPhoto
from jobs.sandbox.child import serve
from jobs.sandbox.wire import Frame, Kind
from tests.confinement import intruder

real_clean = cleaning.clean
answers = os.dup(1)


def one_face(bgr):
    height, width = bgr.shape[:2]
    box = {"x": width / 4, "y": height / 4, "width": max(64, width / 2), "height": height / 2}
    return [SimpleNamespace(**box, score=0.9, keypoints=())]


answered = 0


def clean(data, **options):
    global answered
    if not data.startswith(b"ODD"):
        answered += 1
        return real_clean(data, **options)
    if data == b"ODD watch":
        watch()
        raise BadPhoto("no_face", "watching")
    if data == b"ODD seen":
        raise BadPhoto("no_face", f"{late}"[:400])
    _, order, *rest = data.decode().split(" ", 2)
    return ORDERS[order](*rest)


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


def die_once() -> None:
    if not answered:
        raise BadPhoto("no_face", "the second child")
    os.kill(os.getpid(), signal.SIGKILL)


def burn_without_limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    burn()


def nap(seconds: str) -> None:
    time.sleep(float(seconds))
    raise BadPhoto("no_face", "slept well")


def work(seconds: str) -> None:
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass
    raise BadPhoto("no_face", "worked well")


def fail() -> None:
    raise RuntimeError("a bug of ours")


def speak() -> None:
    print("hello" * 1000, flush=True)
    raise BadPhoto("no_face", "said hello")


def is_open(descriptor: int) -> bool:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GETFD) >= 0
    except OSError:
        return False


def tell() -> None:
    facts = {
        "environment": sorted(os.environ),
        "limits": [resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)],
        "files": [number for number in range(32) if is_open(number)],
        "nice": os.nice(0),
        "no_new_privileges": ctypes.CDLL(None).prctl(39, 0, 0, 0, 0),
        "django": "django" in sys.modules,
    }
    raise BadPhoto("photo_unreadable", json.dumps(facts))


late: list[str] = []


def watch() -> None:
    """Note from now on what this process looks for: a library that is loaded late, a file that is opened."""
    sys.addaudithook(lambda event, given: late.append(f"{event} {given[0]}") if event in ("import", "open") else None)


def intrude(words: str) -> None:
    names, _, told = words.partition("::")
    raise BadPhoto("photo_unreadable", f"successes: {intruder.successes(names.split(';'), told)}")


ORDERS = {
    "intrude": intrude,
    "abort": os.abort,
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "leave": lambda: os._exit(0),
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "die-once": die_once,
    "hang": lambda: time.sleep(60),
    "burn": burn,
    "burn-without-limit": burn_without_limit,
    "nap": nap,
    "work": work,
    "memory": take_memory,
    "fail": fail,
    "tell": tell,
    "print": speak,
    "rubbish": lambda: os.write(answers, b"\xff" * 1000) and time.sleep(60),
    "unknown-code": lambda: answer(Kind.REFUSED, {"code": "nothing"}),
    "not-an-object": lambda: answer(Kind.REFUSED, ["no_face"]),
    "wrong-kind": lambda: answer(Kind.READY, {}),
    "no-jpeg": lambda: answer(Kind.DONE, {"width": 1, "height": 1}, b"<html>"),
    "half-a-frame": lambda: os.write(answers, Frame(Kind.DONE, {}, b"x" * 99).prefix()) and os._exit(0),
}

cleaning.clean = clean
cleaning.studio_detector = lambda: one_face

if __name__ == "__main__":
    serve(sys.argv[1], child.load)
