"""`make test` keeps every promise: what it leaves to `make test-rest` is shown there by another case or test."""

from __future__ import annotations

import ast
import itertools
import re
from collections import Counter

import pytest

from tests.support import selection
from tests.support.sources import text_of, tracked

MARKS = ("slow", "costly", "repeat", "thorough", "deploy", "database")


def functions_of(path: str) -> set[str]:
    """Return the names of the test functions of a file, as pytest writes them."""
    return {
        f"{path}::{node.name}"
        for node in ast.parse(text_of(path)).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_test_has_a_case_in_make_test_or_names_the_test_that_holds_its_promise(
    request: pytest.FixtureRequest,
) -> None:
    assert list(selection.without_a_case(request.config.stash[selection.CASES])) == []


def test_a_test_without_a_case_is_found() -> None:
    held = next(iter(selection.held_by()))
    cases = {"lost": Counter(repeat=2), "kept": Counter(once=1, repeat=2), held: Counter(repeat=1), "far": Counter()}
    assert list(selection.without_a_case(cases)) == ["lost"]


def test_what_holds_a_promise_exists_and_is_no_repeat_itself() -> None:
    repeats, holders = set(selection.held_by()), set(selection.held_by().values())
    named = repeats | holders | set(selection.KEPT)
    paths = {name.partition("::")[0] for name in named} & tracked()
    assert named - set().union(*map(functions_of, paths)) == set()
    assert repeats & holders == set()
    assert all(count > 0 for count in selection.KEPT.values())


def test_each_test_runs_in_make_test_or_in_make_test_rest_and_in_make_test_all() -> None:
    def chosen(expression: str, marks: tuple[str, ...]) -> bool:
        return eval(expression, {name: name in marks for name in MARKS})  # the language of -m is Python's here

    script = text_of("scripts/run-tests")
    modes = dict(re.findall(r'^(\w+)\)\n    which=\(-m "([^"]+)"', script, re.MULTILINE))
    on_postgres = dict(re.findall(r'^(\w+)\)\n    which=.*\n    decided=\(-m "([^"]+)"', script, re.MULTILINE))
    assert set(modes) == set(on_postgres) == {"once", "rest", "all"}
    for count in range(len(MARKS) + 1):
        for marks in itertools.combinations(MARKS, count):
            everyday = not {"thorough", "deploy"}.intersection(marks)
            for found, expected in ((modes, True), (on_postgres, "database" in marks)):
                halves = [chosen(found[name], marks) for name in ("once", "rest")]
                assert sum(halves) == (everyday and expected), (marks, halves)
                assert chosen(found["all"], marks) == ("deploy" not in marks and expected), marks
