"""How fast one prepare worker is: photos a second, and the CPU of each in the worker and in its sandboxes.

    python -m tests.bench.prepare [--photos 400] [--photo tests/photos/astronaut.jpg]

A worker's pump in this process, on SQLite and files in a folder of its own; the photos are there before it starts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 after Django is set up

from confinement.processor_time import cpu_seconds  # noqa: E402
from jobs.lanes.prepare import PrepareLane  # noqa: E402
from jobs.models import Job, Lane  # noqa: E402
from jobs.queue.engine import Pump  # noqa: E402
from tests import factories  # noqa: E402

PHOTO = Path(__file__).resolve().parents[1] / "photos" / "astronaut.jpg"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--photo", type=Path, default=PHOTO)
    parser.add_argument("--runs", type=int, default=3)
    choices = parser.parse_args()
    call_command("migrate", verbosity=0)
    lane = PrepareLane()
    lane.warm_up()
    pump = Pump(lane, listens=False)
    prepare(pump, choices.photo, 20)  # warms what the first photos would pay for
    runs = [prepare(pump, choices.photo, choices.photos) for _ in range(choices.runs)]
    rate, worker, sandboxes = (statistics.median(column) for column in zip(*runs, strict=True))
    sys.stdout.write(
        f"prepare     {rate:6.0f} photos a second with {len(children(lane))} sandboxes   "
        f"{worker * 1000:5.2f} ms CPU each in the worker, {sandboxes * 1000:5.2f} in the sandbox\n"
    )
    return 0


def prepare(pump: Pump, photo: Path, count: int) -> tuple[float, float, float]:
    """Return photos a second, and the CPU seconds of each in the worker and in its sandboxes."""
    data = photo.read_bytes()
    for _ in range(count):
        factories.make_job(photo=data)
    pids = children(pump.work)
    cpu_before = sum(map(cpu_seconds, pids))
    began, began_cpu = time.monotonic(), time.process_time()
    pump.run(linger=0.0, budget=600.0)
    seconds, cpu = time.monotonic() - began, time.process_time() - began_cpu
    if Job.objects.filter(lane=Lane.PREPARE).exists() or children(pump.work) != pids:
        raise SystemExit("Not all photos were prepared by the sandboxes that were there: nothing was measured.")
    return count / seconds, cpu / count, (sum(map(cpu_seconds, pids)) - cpu_before) / count


def children(lane: PrepareLane) -> list[int]:
    """Return the process ids of the sandboxes, of which each takes 200 photos."""
    return sorted(pid for pid in lane.sandbox.child_pids if pid)


if __name__ == "__main__":
    sys.exit(main())
