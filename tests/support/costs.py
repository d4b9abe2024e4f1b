"""What each test costs: seconds of CPU and of the clock, with set-up, tear-down and every process that it starts.

    python -m pytest -p tests.support.costs …     # adds a line for each test to var/costs/
    python -m tests.support.costs                 # the dearest tests and files
    python -m tests.support.costs --write         # tests/costs.txt, by which `make check` and `make test` choose

A process that outlives a test is charged to the tests during which it works, so a product that a file shares shows in
each of its tests, and its end in the last one. With xdist each worker measures its own processes. CPU is what to
compare by: a clock on a machine that does other things as well measures those too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from selfiehero.environment import PROJECT_DIR
from tests.support.selection import COSTS, costs

LEAST = 0.1  # seconds of a case below which a test is not in the file
FOLDER = Path(os.environ.get("COSTS") or PROJECT_DIR / "var" / "costs")
TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """Adds up the CPU of this process and all that descend from it, those that have ended since included."""

    def __init__(self) -> None:
        self.total = 0
        self.known: dict[int, tuple[int, int, int]] = {}  # parent, own ticks, ticks of children that ended
        self.read()

    def read(self) -> float:
        """Return the seconds of CPU used so far."""
        now = self._descendants()
        ended: dict[int, int] = defaultdict(int)  # what is counted already of children that their parent waited for
        for process in self.known.keys() - now.keys():
            parent, own, waited = self.known[process]
            ended[parent] += own + waited
        for process, (_, own, waited) in now.items():
            _, own_before, waited_before = self.known.get(process, (0, 0, 0))
            self.total += own - own_before + max(0, waited - waited_before - ended[process])
        self.known = now
        return self.total / TICKS

    def _descendants(self) -> dict[int, tuple[int, int, int]]:
        children: dict[int, list[int]] = defaultdict(list)
        found: dict[int, tuple[int, int, int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    fields = Path(entry.path, "stat").read_text().rpartition(")")[2].split()
                except (FileNotFoundError, ProcessLookupError):
                    continue
                user, system, user_of_ended, system_of_ended = map(int, fields[11:15])
                children[int(fields[1])].append(int(entry.name))
                found[int(entry.name)] = (int(fields[1]), user + system, user_of_ended + system_of_ended)
        tree, waiting = {}, [os.getpid()]
        while waiting:
            process = waiting.pop()
            tree[process] = found[process]
            waiting += children[process]
        return tree


meter = Meter()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    began, used = time.monotonic(), meter.read()
    try:
        return (yield)
    finally:
        line = {"test": item.nodeid, "cpu": round(meter.read() - used, 2), "wall": round(time.monotonic() - began, 2)}
        FOLDER.mkdir(parents=True, exist_ok=True)
        with (FOLDER / f"{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the dearest tests and files of var/costs.")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--write", action="store_true", help="write tests/costs.txt: a case's mean of what is larger")
    chosen = parser.parse_args()
    tests: dict[str, dict[str, float]] = {}
    for path in sorted(FOLDER.glob("*.jsonl")):
        for text in path.read_text().splitlines():
            line = json.loads(text)
            tests[line["test"]] = line  # of several runs the last
    if chosen.write:
        write(tests)
        return
    count = chosen.count
    files: dict[str, list[dict[str, float]]] = defaultdict(list)
    for name, line in tests.items():
        files[name.partition("::")[0]].append(line)
    print(f"{len(tests)} tests: {total(tests.values(), 'cpu'):.0f} s of CPU, {total(tests.values(), 'wall'):.0f} s")
    print("\n   CPU   wall  tests  file")
    for name, lines in sorted(files.items(), key=lambda pair: -total(pair[1], "wall") - total(pair[1], "cpu"))[:count]:
        print(f"{total(lines, 'cpu'):6.1f} {total(lines, 'wall'):6.1f} {len(lines):6}  {name}")
    print("\n   CPU   wall  test")
    for name, line in sorted(tests.items(), key=lambda pair: -pair[1]["wall"] - pair[1]["cpu"])[:count]:
        print(f"{line['cpu']:6.1f} {line['wall']:6.1f}  {name}")


def write(tests: dict[str, dict[str, float]]) -> None:
    """Write what a case of each test costs in seconds, CPU or clock; tests that were not measured keep their figure."""
    cases: dict[str, list[float]] = defaultdict(list)
    for name, line in tests.items():
        cases[name.partition("[")[0]].append(max(line["cpu"], line["wall"]))
    means = costs() | {test: sum(seconds) / len(seconds) for test, seconds in cases.items()}
    kept = {test: seconds for test, seconds in means.items() if round(seconds, 2) >= LEAST}
    COSTS.write_text("".join(f"{seconds:.2f} {test}\n" for test, seconds in sorted(kept.items())), encoding="utf-8")


def total(lines: Iterable[dict[str, float]], key: str) -> float:
    return sum(line[key] for line in lines)


if __name__ == "__main__":
    main()
