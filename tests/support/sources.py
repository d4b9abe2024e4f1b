"""What the repository's own files say, for tests that hold words and docs to the code.

Only files that git tracks (or would: new ones that are not ignored) are looked at.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from selfiehero.environment import PROJECT_DIR

APPS = tuple(tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
# Tests that write down names which must not be found anywhere else.
NAMES_WHAT_IS_GONE = {"tests/test_references.py", "tests/test_words.py"}
_TEXT = {".py", ".md", ".js", ".css", ".html", ".txt", ".toml", ".yaml", ".c", ".json", ".svg", ".example", ""}
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Prose:
    """Words for people in one file: a docstring, a comment, or a line of a document."""

    path: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


@functools.cache
def tracked() -> frozenset[str]:
    """Return the paths of all files, from the project's folder, with / between."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True).stdout
    return frozenset(path for path in listed.splitlines() if (PROJECT_DIR / path).is_file())


@functools.cache
def folders() -> frozenset[str]:
    """Return all folders that hold such files."""
    return frozenset(str(folder) for path in tracked() for folder in PurePosixPath(path).parents) - {"."}


@functools.cache
def text_of(path: str) -> str:
    return (PROJECT_DIR / path).read_text(encoding="utf-8")


def text_files(*suffixes: str) -> list[str]:
    """Return the text files with these suffixes, all of them without any."""
    return sorted(path for path in tracked() if PurePosixPath(path).suffix in (suffixes or _TEXT))


@functools.cache
def prose() -> tuple[Prose, ...]:
    """Return every docstring and comment of the Python files, and every document."""
    found = [piece for path in text_files(".py") if "/migrations/" not in path for piece in _said_in(path)]
    documents = [*text_files(".md"), *(path for path in tracked() if path.startswith("scripts/")), "Makefile"]
    for path in documents:
        if not path.endswith(".py"):
            found += [Prose(path, at, line) for at, line in enumerate(text_of(path).splitlines(), 1)]
    return tuple(found)


def _said_in(path: str) -> Iterator[Prose]:
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            said = _docstring(node)
            if said is not None:
                yield Prose(path, said.lineno, said.value)
    for token in tokenize.generate_tokens(io.StringIO(text_of(path)).readline):
        if token.type == tokenize.COMMENT:
            yield Prose(path, token.start[0], token.string.lstrip("#! "))


def _docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Constant | None:
    first = node.body[0] if node.body else None
    is_one = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return first.value if is_one else None


@functools.cache
def words_of_code() -> frozenset[str]:
    """Return every identifier of the code, and every word of its strings: what prose may name."""
    words: set[str] = set()
    for path in set(text_files(".py")) - NAMES_WHAT_IS_GONE:
        tree = ast.parse(text_of(path))
        said = {
            id(_docstring(node))
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                words.update(_WORD.findall(node.value))
            words.update(_names_of(node))
    words.update(PurePosixPath(path).stem for path in tracked())
    for path in text_files(".js", ".html", ".css", ".toml", ".c", ".json", ".txt", ".yaml"):
        words.update(_WORD.findall(text_of(path)))
    for path in (".env.example", "Makefile", *(path for path in tracked() if path.startswith(("scripts/", ".ci/")))):
        words.update(_WORD.findall(text_of(path)))
    return frozenset(words)


def _names_of(node: ast.AST) -> Iterator[str]:
    """Yield the identifiers that a node itself writes down."""
    for name in ("id", "attr", "name", "asname", "arg", "module"):
        value = getattr(node, name, None)
        if isinstance(value, str):
            yield from value.split(".")
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield from node.names


@functools.cache
def names_in(module: str) -> frozenset[str] | None:
    """Return every name that a module or package of ours defines (`jobs.queue`), None when there is no such."""
    folder, file = module.replace(".", "/"), module.replace(".", "/") + ".py"
    path = file if file in tracked() else f"{folder}/__init__.py"
    if path not in tracked():
        return None
    names = {PurePosixPath(other).stem for other in tracked() if str(PurePosixPath(other).parent) == folder}
    names |= {PurePosixPath(other).name for other in folders() if str(PurePosixPath(other).parent) == folder}
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return frozenset(names)
