"""Words that the field has better ones for stay retired: docs/glossary.md says what replaced each of them.

Migrations and their test keep the words of their time; so does the changelog.
"""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from tests.support.sources import APPS, read, text_files, text_of

GLOSSARY = "docs/glossary.md"
MAY_NAME_THEM = {
    GLOSSARY,
    "CHANGELOG.md",
    "tests/test_words.py",
    "tests/test_references.py",
    "tests/jobs/test_migrations.py",
}
# Whole words, in any text file.
WORDS = (
    r"strays?",
    r"inquir(?:y|ies)",
    r"errands?(?:_at|_tries|_done)?",
    r"leftovers?",
    r"logbook",
    r"warmth",
    r"upkeep",
    r"rereading",
    r"shut_(?:until|at)",
    r"parked_(?:until|reason)",
    r"parks_in_row",
    r"is_parked",
    r"look_again_at",
    r"(?<!_)refused_by(?!_)",
    r"submitted_all",
    r"attempt_news",
    r"owe_deletion",
    r"return_to_line",
    r"seems_to_warm_up",
    r"clock_steps",
    r"redis_gate",
    r"provider[_ ]outcomes",
)
# Names of Python modules, and of what they are imported as.
MODULES = {
    *(
        "strays",
        "inquiries",
        "errand",
        "errands",
        "leftovers",
        "pace",
        "figures",
        "report",
        "findings",
        "logbook",
        "telling",
    ),
    *(
        "warmth",
        "upkeep",
        "strangers",
        "bounds",
        "reading",
        "refusals",
        "rereading",
        "sentences",
        "letters",
        "tickets",
        "line",
    ),
    *("clock_steps", "redis_gate", "provider_outcomes"),
}
# Attributes and variables; as words of a sentence they are fine.
IDENTIFIERS = {"telling", "pace", "strays", "refused_by"}
# Between letters, so that parts of identifiers are found and longer words are not.
RETIRED = re.compile(rf"(?<![a-z])(?:{'|'.join(WORDS)})(?![a-z])", re.IGNORECASE)


def places() -> list[str]:
    return [path for path in text_files() if path not in MAY_NAME_THEM and "/migrations/" not in path]


def test_no_text_says_a_retired_word():
    found = [
        f"{path}:{number}: {said[0]}"
        for path in places()
        for number, line in enumerate(text_of(path).splitlines(), 1)
        for said in RETIRED.finditer(line)
    ]
    assert found == []


def test_no_module_has_a_retired_name():
    product = [path for path in text_files(".py") if path.split("/")[0] in APPS]
    assert [path for path in product if PurePosixPath(path).stem in MODULES] == []


def test_no_import_and_no_identifier_has_one():
    found = []
    for path in places():
        if not path.endswith(".py"):
            continue
        for named in read(path).named:
            if named.kind is ast.alias:
                is_retired = path.split("/")[0] in APPS and named.name.split(".")[-1] in MODULES
            else:
                is_retired = named.name in IDENTIFIERS
            if is_retired:
                found.append(f"{path}:{named.line}")
    assert found == []


def test_the_glossary_leads_from_every_retired_word_to_a_new_one():
    old = text_of(GLOSSARY).partition("## Old words")[2].replace(" ", "_")
    assert [name for name in sorted(MODULES | IDENTIFIERS) if name.removesuffix("s") not in old] == []


def test_a_retired_word_is_found():
    assert RETIRED.search("every Stray is put back") and RETIRED.search("inquiries_failed")
    assert not RETIRED.search("straying inquirers estrays")
