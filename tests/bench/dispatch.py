"""How fast one dispatch worker is: submissions a second, CPU of each, and how soon a freed slot is used again.

    python -m tests.bench.dispatch [--postgres] [--jobs 1500]

The simulator answers a submit after 300 ms. The floor is the same POST made by the same HTTP client on as many
threads, with no product around it. CPU is user + system time of the worker process (of PostgreSQL too, if asked).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.settings")
django.setup()

from jobs.lanes.dispatch import THREADS_PER_PROVIDER  # noqa: E402 after Django is set up
from jobs.models import WebhookDelivery  # noqa: E402
from tests.support.postgres import running_postgres  # noqa: E402
from tests.support.processes import wait_for  # noqa: E402
from tests.support.rig import ALIAS, Clouds, Rig, cpu_seconds  # noqa: E402

ANSWER_SECONDS = 0.3
FLOOR = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from providers import http
url, count, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
def post(number):
    body = {"image": "https://hero.example/photo.jpg", "prompt": "a hero", "duration": 5, "seed": number}
    http.call("POST", url, connect_seconds=2, read_seconds=5, json_body=body, headers={"Authorization": "Bearer k"})
with ThreadPoolExecutor(threads) as pool:
    list(pool.map(post, range(threads)))
    started, cpu = time.monotonic(), time.process_time()
    list(pool.map(post, range(count)))
    print(time.monotonic() - started, time.process_time() - cpu)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1500)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    options = parser.parse_args()
    name = "PostgreSQL" if options.postgres else "SQLite"
    floor_rate, floor_cpu = floor(options.jobs)
    rate, cpu, burst = submissions(options)
    print(f"── dispatch, {name}, provider answers in {ANSWER_SECONDS * 1000:.0f} ms, {THREADS_PER_PROVIDER} threads")
    print(f"floor       {floor_rate:6.0f} POSTs a second        {floor_cpu * 1000:5.2f} ms CPU each")
    print(
        f"dispatch    {rate:6.0f} submissions a second  {cpu * 1000:5.2f} ms CPU each, most within one second {burst}"
    )
    print(f"ratio       {rate / floor_rate:6.2f} of the floor's rate     {cpu / floor_cpu:5.2f} x its CPU")
    gaps = slot_reuse(options)
    p90 = gaps[int(len(gaps) * 0.9)]
    print(
        f"slot reuse  median {statistics.median(gaps) * 1000:.0f} ms, p90 {p90 * 1000:.0f} ms, "
        f"max {gaps[-1] * 1000:.0f} ms from webhook to the next claim ({len(gaps)} slots)"
    )


def floor(count: int) -> tuple[float, float]:
    """Return POSTs a second and CPU seconds of each without any product around them."""
    with tempfile.TemporaryDirectory() as folder, Clouds(Path(folder)) as simulator:
        simulator.set("wavespeed", times={"answer": ANSWER_SECONDS, "duration": None})
        url = f"{simulator.base_url('wavespeed')}/wavespeed-ai/wan-2.2/i2v-720p"
        said = subprocess.run(
            [sys.executable, "-c", FLOOR, url, str(count), str(THREADS_PER_PROVIDER)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    seconds, cpu = (float(word) for word in said.split())
    return count / seconds, cpu / count


def submissions(options: argparse.Namespace) -> tuple[float, float, int]:
    """Return submissions a second, CPU seconds of each, and the most arrivals within any second."""
    with ExitStack() as exits:
        rig = exits.enter_context(new_rig(options, exits))
        rig.simulator.set("wavespeed", times={"answer": ANSWER_SECONDS, "duration": None})
        rig.add_provider("wavespeed", max_concurrent=100_000, max_per_minute=100_000)
        rig.start_all(dispatch=0, collect=0, reconcile=0)
        worker = rig.start("dispatch")
        rig.queue_jobs(options.jobs // 5)
        rig.start("reconcile")  # its nudge begins the work
        wait_for(lambda: rig.simulator.accepted() >= options.jobs // 5, "the worker to be warm", seconds=60)
        time.sleep(3)  # lingering ends
        before = cpu_seconds([worker])
        warm = rig.simulator.accepted()
        rig.queue_jobs(options.jobs)
        wait_for(lambda: rig.simulator.accepted() >= warm + options.jobs, "all submissions", seconds=120, every=0.02)
        time.sleep(1)  # the last answers are written
        cpu = cpu_seconds([worker]) - before
        arrivals = rig.simulator.arrivals("wavespeed")[warm:]
    burst = max(sum(1 for later in arrivals if 0 <= later - moment < 1) for moment in arrivals[:: options.jobs // 50])
    return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0]), cpu / options.jobs, burst


def slot_reuse(options: argparse.Namespace) -> list[float]:
    """Return, sorted, the seconds from each final webhook's arrival to the claim that used its slot."""
    limit, count = 3, 90
    with ExitStack() as exits:
        rig = exits.enter_context(new_rig(options, exits))
        rig.simulator.set(
            "wavespeed", times={"answer": 0.05, "duration": {"uniform": [0.3, 0.9]}}, limits={"concurrent": limit}
        )
        rig.add_provider("wavespeed", max_concurrent=limit)
        rig.queue_jobs(count)
        rig.start_all()
        rig.wait_until_final(seconds=120)
        freed = sorted(WebhookDelivery.objects.using(ALIAS).values_list("received_at", flat=True))
        claimed = sorted(rig.attempts().values_list("claimed_at", flat=True))
        return sorted((claim - webhook).total_seconds() for webhook, claim in zip(freed, claimed[limit:], strict=False))


def new_rig(options: argparse.Namespace, exits: ExitStack) -> Rig:
    folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
    return Rig(folder, database_url=exits.enter_context(running_postgres()) if options.postgres else "")


if __name__ == "__main__":
    main()
