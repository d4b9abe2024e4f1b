"""Which tests `make check` and `make test` leave to `make test-rest`: decided here alone, by what each test costs.

    make check      what costs little and starts nothing, a few cases of each test
    make test       every promise once
    make test-rest  the repeats: the same promises with other parameters and with whole processes; CI runs it too
    make test-all   all of it, and what is marked `thorough`

A case is a repeat when its test has shown the promise with cases before it and is costly, or when another test holds
the promise for less (`tests/repeats.txt`). `tests/costs.txt` says what a case costs, and
`python -m tests.support.costs --write` writes it. A test that is not in it is new, and runs everywhere.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
COSTS, REPEATS = TESTS / "costs.txt", TESTS / "repeats.txt"
# How many cases of a test are in `make test`, where it is not what their cost says.
KEPT = {
    "tests/jobs/web/test_naughty_strings.py::test_a_naughty_string_breaks_no_door": 2,
    "tests/journeys/test_degraded_redis.py::"
    "test_an_upload_is_answered_while_redis_is_away_and_counts_again_when_it_is_back": 1,
}
# What starts a process, opens a browser or draws a film: a test that uses one of these is slow.
SLOW_FIXTURES = frozenset({"browser", "product", "renderer", "rig", "serve", "web"})
# Seconds above which a case is not in `make check`, and above which one case of a test is enough for `make test`.
COSTLY = 0.1
# How many cases of a test are in `make check`: those after them were a third of its cases and a quarter of its CPU.
FEW = 5

Cases = dict[str, Counter[str]]
CASES: pytest.StashKey[Cases] = pytest.StashKey()  # of each test, how many cases were collected under which name below


@functools.cache
def costs() -> dict[str, float]:
    """Return the seconds that a case of each test took when they were written, of those that are not cheap."""
    pairs = (line.split(" ", 1) for line in COSTS.read_text(encoding="utf-8").splitlines())
    return {test: float(seconds) for seconds, test in pairs}


@functools.cache
def held_by() -> dict[str, str]:
    """Return of each test that is a repeat as a whole the test that holds its promise."""
    found, holder = {}, ""
    for line in REPEATS.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            found[line.strip()] = holder
        elif not line.startswith("#"):
            holder = line
    return found


def is_costly(test: str) -> bool:
    return costs().get(test, 0) > COSTLY


def test_of(item: pytest.Item) -> str:
    """Return the name of a test without the parameters of the case."""
    return item.nodeid.partition("[")[0]


def mark(items: Iterable[pytest.Item]) -> Cases:
    """Mark what is slow, costly, a repeat or one of many; return how many cases of each test run when."""
    cases: Cases = {}
    for item in items:
        test = test_of(item)
        found = cases.setdefault(test, Counter())
        if found.total() >= FEW:
            item.add_marker(pytest.mark.further)
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if is_costly(test):
            item.add_marker(pytest.mark.costly)
        if item.get_closest_marker("thorough") or item.get_closest_marker("deploy"):
            found["elsewhere"] += 1
            continue
        if test in held_by() or found["once"] >= most_of(test):
            item.add_marker(pytest.mark.repeat)
        found["repeat" if item.get_closest_marker("repeat") else "once"] += 1
    return cases


def place(item: pytest.Item) -> tuple[bool, bool, float]:
    """Return what to sort by, so that workers are busy until the end.

    Journeys come first: they wait most, so other tests fill their pauses. Then pages, which share a browser and a web
    process, the longest first: a minute that begins last is a minute in which the other workers have nothing to do.
    """
    folders = item.path.parts
    is_page = "pages" in folders
    return "journeys" not in folders, not is_page, -costs().get(test_of(item), 0.0) if is_page else 0.0


def most_of(test: str) -> float:
    """Return how many cases of a test `make test` runs."""
    return KEPT.get(test, 1 if is_costly(test) else float("inf"))


def without_a_case(cases: Cases) -> Iterator[str]:
    """Yield the tests that are repeats as a whole although no other test is named that holds their promise."""
    for test, found in cases.items():
        if found["repeat"] and not found["once"] and test not in held_by():
            yield test
