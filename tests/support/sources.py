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
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from selfiehero.environment import PROJECT_DIR

APPS = tuple(tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
# Tests that write down names which must not be found anywhere else.
NAMES_WHAT_IS_GONE = {"tests/test_references.py", "tests/test_words.py"}
_TEXT = {".py", ".md", ".js", ".css", ".html", ".txt", ".toml", ".yaml", ".c", ".json", ".svg", ".example", ""}
_WORD = re.compile(r"[A-Za-z_]\w*")
_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


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


@dataclass(frozen=True)
class Named:
    """An import, a variable or an attribute in the code of one file."""

    kind: type[ast.AST]
    name: str
    line: int


@dataclass(frozen=True)
class Read:
    """What one Python file says: found in a single pass, because every test here asks for a part of it."""

    prose: tuple[Prose, ...]
    words: frozenset[str]  # identifiers, and words of strings
    named: tuple[Named, ...]
    defined: frozenset[str]


@functools.cache
def read(path: str) -> Read:
    """Return what a Python file says."""
    docstrings: dict[int, ast.Constant] = {}
    strings: list[ast.expr] = []
    words: set[str] = set()
    named: list[Named] = []
    defined: set[str] = set()
    for node in ast.walk(ast.parse(text_of(path))):
        kind = type(node)
        if kind in _SCOPES:
            said = _docstring(node)
            if said is not None:
                docstrings[id(said)] = said
            if kind is not ast.Module:
                defined.add(node.name)
        elif kind is ast.Constant or kind is ast.JoinedStr:
            value = getattr(node, "value", "")
            if isinstance(value, str | bytes):
                strings.append(node)
            if isinstance(value, str) and id(node) not in docstrings:  # they are met after what they describe
                words.update(_WORD.findall(value))
        elif kind is ast.alias:
            named.append(Named(kind, node.asname or node.name, node.lineno))
            defined.add((node.asname or node.name).split(".")[0])
        elif kind is ast.Name or kind is ast.Attribute:
            name = node.id if kind is ast.Name else node.attr
            named.append(Named(kind, name, node.lineno))
            if type(node.ctx) is ast.Store:
                defined.add(name)
        elif kind is ast.Global or kind is ast.Nonlocal:
            words.update(node.names)
        for field in _naming_fields(kind):
            value = getattr(node, field)
            if isinstance(value, str):
                words.update(value.split("."))
    found = [Prose(path, said.lineno, said.value) for said in docstrings.values()]
    found += _comments(path, strings, docstrings)
    return Read(tuple(found), frozenset(words), tuple(named), frozenset(defined))


def _comments(path: str, strings: list[ast.expr], docstrings: dict[int, ast.Constant]) -> list[Prose]:
    """Return the comments of a file: what follows the first # of a line that is in no string.

    Between the parts of a string that goes over several lines only the tokenizer tells, which takes far longer.
    """
    spans: dict[int, list[tuple[int, int]]] = {}
    for string in strings:
        last = string.end_lineno or string.lineno
        for line in range(string.lineno, last + 1):
            begin = string.col_offset if line == string.lineno else 0
            end = (string.end_col_offset or 0) if line == last else 1 << 30
            spans.setdefault(line, []).append((begin, end))
    unsure = {
        line
        for string in strings
        if id(string) not in docstrings
        for line in range(string.lineno, (string.end_lineno or string.lineno) + 1)
        if string.end_lineno != string.lineno
    }
    lines = text_of(path).split("\n")
    if any("#" in lines[line - 1] for line in unsure):
        return [
            Prose(path, token.start[0], token.string.lstrip("#! "))
            for token in tokenize.generate_tokens(io.StringIO(text_of(path)).readline)
            if token.type == tokenize.COMMENT
        ]
    found = []
    for number, line in enumerate(lines, 1):
        if "#" in line:
            code = line.encode()  # the parser counts bytes
            for hash_ in (at for at, byte in enumerate(code) if byte == ord("#")):
                if not any(begin <= hash_ < end for begin, end in spans.get(number, ())):
                    found.append(Prose(path, number, code[hash_:].decode().lstrip("#! ")))
                    break
    return found


@functools.cache
def prose() -> tuple[Prose, ...]:
    """Return every docstring and comment of the Python files, and every document."""
    found = [piece for path in text_files(".py") if "/migrations/" not in path for piece in read(path).prose]
    documents = [*text_files(".md"), *(path for path in tracked() if path.startswith("scripts/")), "Makefile"]
    for path in documents:
        if not path.endswith(".py"):
            found += [Prose(path, at, line) for at, line in enumerate(text_of(path).splitlines(), 1)]
    return tuple(found)


@functools.cache
def _naming_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """Return the fields in which a node of this kind writes down identifiers."""
    return tuple(field for field in ("id", "attr", "name", "asname", "arg", "module") if field in kind._fields)


def _docstring(node: Any) -> ast.Constant | None:
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
        words |= read(path).words
    words.update(PurePosixPath(path).stem for path in tracked())
    for path in text_files(".js", ".html", ".css", ".toml", ".c", ".json", ".txt", ".yaml"):
        words.update(_WORD.findall(text_of(path)))
    for path in (".env.example", "Makefile", *(path for path in tracked() if path.startswith(("scripts/", ".ci/")))):
        words.update(_WORD.findall(text_of(path)))
    return frozenset(words)


@functools.cache
def names_in(module: str) -> frozenset[str] | None:
    """Return every name that a module or package of ours defines (`jobs.queue`), None when there is no such."""
    folder, file = module.replace(".", "/"), module.replace(".", "/") + ".py"
    path = file if file in tracked() else f"{folder}/__init__.py"
    if path not in tracked():
        return None
    names = {PurePosixPath(other).stem for other in tracked() if str(PurePosixPath(other).parent) == folder}
    names |= {PurePosixPath(other).name for other in folders() if str(PurePosixPath(other).parent) == folder}
    return read(path).defined | names
