"""What confinement costs: CPU of one photo and one film with it and without it, by turns, in the same run.

    python -m tests.bench.confinement [--orders 8] [--rounds 15]

Ends with 1 when one of them costs more than 15 % more.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

from confinement.processor_time import cpu_seconds
from jobs.films.sandbox import FilmSandbox
from jobs.photos.sandbox import Sandbox
from jobs.sandbox import parent
from tests.jobs.films import reels
from tests.jobs.photos import pictures

PHOTOS = Path(__file__).resolve().parents[1] / "photos"
MOST = 1.15
WITHOUT = {"module": "tests.bench.unconfined_child"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    choices = parser.parse_args()
    jpeg = (PHOTOS / "astronaut.jpg").read_bytes()
    heic = pictures.encoded(Image.open(io.BytesIO(jpeg)), "HEIF")
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        film.write_bytes(reels.film(size=(720, 1280)))
        works: dict[str, tuple[type, Callable[[parent.Sandbox], object]]] = {
            "photo, JPEG": (Sandbox, lambda sandbox: sandbox.clean(jpeg, allow_no_face=True)),
            "photo, HEIC": (Sandbox, lambda sandbox: sandbox.clean(heic, allow_no_face=True)),
            "film and poster": (FilmSandbox, lambda sandbox: sandbox.probe(film)),
        }
        ratios = [compare(name, *work, choices.orders, choices.rounds) for name, work in works.items()]
    return int(max(ratios) > MOST)


def compare(name: str, kind: type, work: Callable, orders: int, rounds: int) -> float:
    """Print and return the ratio of CPU with confinement to CPU without: the median of rounds by turns."""
    with ExitStack() as exits:
        confined, free = exits.enter_context(kind()), exits.enter_context(kind(**WITHOUT))
        costs: dict[parent.Sandbox, list[float]] = {confined: [], free: []}
        for sandbox in (confined, free):
            measure(sandbox, work, 5)  # what the first orders pay for
        for _ in range(rounds):
            for sandbox, found in costs.items():
                found.append(measure(sandbox, work, orders))
        by, without = confined.confinement, free.confinement
    with_it, without_it = (statistics.median(found) for found in costs.values())
    # Of each round, because what else the machine does changes from one to the next.
    ratio = statistics.median(one / other for one, other in zip(costs[confined], costs[free], strict=True))
    sys.stdout.write(
        f"{name:16} {without_it * 1000:7.2f} ms CPU free, {with_it * 1000:7.2f} confined: {ratio:.3f} of at most {MOST}"
        f"   ({by}; {without})\n"
    )
    return ratio


def measure(sandbox: parent.Sandbox, work: Callable, orders: int) -> float:
    """Return the CPU seconds of one order in the child."""
    sandbox.start()
    pid, before = sandbox.child_pid, cpu_seconds(sandbox.child_pid)
    for _ in range(orders):
        work(sandbox)
    if sandbox.child_pid != pid:
        raise SystemExit("Another child did some of the orders: nothing was measured.")
    return (cpu_seconds(pid) - before) / orders


if __name__ == "__main__":
    sys.exit(main())
