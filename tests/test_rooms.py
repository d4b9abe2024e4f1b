"""The code stays one in which a stranger finds the way: small packages, files that fit into a head, a short README."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from tests.support.sources import APPS, text_files, text_of

MOST_MODULES = 25
MOST_LINES = 400
MOST_README_LINES = 150
# Files that may be longer, each with its reason.
LONGER: dict[str, str] = {}


def sources() -> list[str]:
    return [
        path
        for path in text_files(".py")
        if path.startswith(tuple(f"{app}/" for app in APPS)) and "/migrations/" not in path
    ]


def test_no_package_has_too_many_modules():
    modules = Counter(str(PurePosixPath(path).parent) for path in sources() if not path.endswith("__init__.py"))
    assert {package: count for package, count in modules.items() if count > MOST_MODULES} == {}


def test_no_file_of_source_or_tests_is_too_long():
    tests = [path for path in text_files(".py") if path.startswith("tests/")]
    lengths = {path: text_of(path).count("\n") for path in sources() + tests}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES and path not in LONGER} == {}
    assert [path for path in LONGER if lengths.get(path, 0) <= MOST_LINES] == []


def test_the_readme_is_short():
    assert text_of("README.md").count("\n") <= MOST_README_LINES
