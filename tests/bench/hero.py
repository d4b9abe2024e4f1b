"""What a hero costs: CPU milliseconds of every process of the product, for each film that was made.

    python -m tests.bench.hero [--heroes 400] [--rate 15] [--sockets 0.3] [--honest] [--database-url …] [--no-gradio]

It starts the whole product with simulated clouds, lets forty people come to warm it up, and then so many at a steady
rate; some wait with a socket, the others poll. User and system time of each process and of all that it starts are
counted, without the simulator, which plays other people's machines, and without this program, which plays the people.
What the product uses while nobody comes is measured before, and printed by itself: it is part of each figure.

Time on the clock hangs on what else the machine does, CPU much less: batches become larger on a busy machine, and
caches colder. Gradio's queue is measured in the same run, for the ratio.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from selfiehero.surge import staging
from selfiehero.surge.plan import Plan
from selfiehero.surge.staging import NOT_COUNTED, Staging
from selfiehero.surge.visitors import Choices, Crowd

WARM_UP, WARM_UP_RATE = 40, 8.0
QUIET_SECONDS = 10.0
GRADIO_JOBS, GRADIO_RUNS = 200, 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--heroes", type=int, default=400)
    parser.add_argument("--rate", type=float, default=15.0, help="people a second (15)")
    parser.add_argument("--sockets", type=float, default=0.3, help="share that waits with a socket (0.3)")
    parser.add_argument("--honest", action="store_true", help="photos of 1152x1536 and films of 3 MB")
    parser.add_argument("--database-url", default="", help="PostgreSQL instead of SQLite; it must be empty")
    parser.add_argument("--no-gradio", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    choices = parser.parse_args()
    found = measure(choices)
    sys.stdout.write(table(found))
    if choices.json:
        choices.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def measure(choices: argparse.Namespace) -> dict[str, Any]:
    """Return CPU by process in milliseconds for each film, and what the figures depend on."""
    gradio = None
    if not choices.no_gradio:
        from . import gradio_queue

        with gradio_queue.running() as queue:
            gradio = round(statistics.median(queue.cpu_ms(GRADIO_JOBS) for _ in range(GRADIO_RUNS)), 2)
    found = asyncio.run(_heroes(choices))
    commit = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True).stdout.strip()
    return {"commit": commit, "load": round(os.getloadavg()[0], 1), "gradio_ms": gradio} | found


async def _heroes(choices: argparse.Namespace) -> dict[str, Any]:
    more = {"DATABASE_URL": choices.database_url} if choices.database_url else {}
    with tempfile.TemporaryDirectory(prefix="hero-", ignore_cleanup_errors=True) as folder:
        product = Staging(Path(folder), **more)
        async with aiohttp.ClientSession() as session:
            await product.start(session)
            try:
                if choices.honest:
                    await product.honest_films(session)
                people = Choices(photo=staging.photo(is_small=not choices.honest), sockets=choices.sockets, watchers=0)
                await _come(product, people, WARM_UP, WARM_UP_RATE)
                quiet = await _cpu_of(product, asyncio.sleep(QUIET_SECONDS))
                crowd = _crowd(product, people, choices.heroes, choices.rate)
                busy = await _cpu_of(product, crowd.run(give_up_after=300.0))
                seconds = crowd.now()
            finally:
                await asyncio.to_thread(product.stop)
    films = sum(visit.status == "succeeded" for visit in crowd.visits)
    if not films:
        raise SystemExit(f"No film was made: {dict(crowd.answers)}, {dict(crowd.errors)}")
    each = {name: round(1000 * cpu / films, 2) for name, cpu in busy.items()}
    return {
        "heroes": len(crowd.visits),
        "films": films,
        "seconds": round(seconds, 1),
        "answers": dict(crowd.answers),
        "errors": dict(crowd.errors),
        "cpu_ms_a_hero": each,
        "all": round(sum(_ours(each).values()), 2),
        "quiet_ms_a_second": {name: round(1000 * cpu / QUIET_SECONDS, 2) for name, cpu in quiet.items()},
    }


async def _come(product: Staging, people: Choices, count: int, rate: float) -> None:
    await _crowd(product, people, count, rate).run(give_up_after=120.0)


def _crowd(product: Staging, people: Choices, count: int, rate: float) -> Crowd:
    return Crowd(
        product.url,
        Plan(peak=rate, calm_seconds=0, ramp_seconds=0, hold_seconds=(count + 0.5) / rate, back_seconds=0),
        people,
    )


async def _cpu_of(product: Staging, work: Any) -> dict[str, float]:
    """Return the CPU seconds by process that are used while the work is done."""
    before = product.usage()
    await work
    after = product.usage()
    return {name: seconds - before.get(name, (0.0, 0))[0] for name, (seconds, _) in sorted(after.items())}


def _ours(figures: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if name not in NOT_COUNTED}


def table(found: dict[str, Any]) -> str:
    """Return the figures as lines of text."""
    lines = [
        f"── {found['films']} of {found['heroes']} heroes in {found['seconds']} s at {found['commit']}, "
        f"load {found['load']}, answers {found['answers']}, errors {found['errors'] or 'none'}",
        f"{'process':28} ms a hero   ms a second while nobody comes",
    ]
    lines += [
        f"{name:28} {ms:9.2f}   {found['quiet_ms_a_second'].get(name, 0.0):9.2f}"
        for name, ms in _ours(found["cpu_ms_a_hero"]).items()
    ]
    lines.append(f"{'all':28} {found['all']:9.2f}   {sum(_ours(found['quiet_ms_a_second']).values()):9.2f}")
    if found["gradio_ms"]:
        ratio = found["all"] / found["gradio_ms"]
        lines.append(f"{'gradio queue':28} {found['gradio_ms']:9.2f}   a hero costs {ratio:.1f} times as much")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
