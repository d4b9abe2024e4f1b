"""Whatever code and docs name is there: commands, files, modules, variables, links.

A name that leads nowhere costs a reader more than none. Prose is docstrings, comments, Markdown, the Makefile and its
scripts; what is in backticks is taken at its word.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import PurePosixPath

from django.core.management import get_commands

from tests.support.sources import APPS, Prose, folders, names_in, prose, text_files, text_of, tracked, words_of_code

QUOTED = re.compile(r"`+([^`\n]+)`+")
FILE = re.compile(r"(?<![\w./<>{}*:@-])([\w-][\w.-]*(?:/[\w.-]+)*\.(?:md|py|js|css|html|toml|c))(?![\w/-])")
FOLDER = re.compile(r"^([\w.-]+(?:/[\w.-]+)*)/$")
MODULE = re.compile(rf"(?<![\w./@<-])((?:{'|'.join((*APPS, 'tests'))})(?:\.[A-Za-z_]\w*)+)(?![\w/(-])")
IDENTIFIER = re.compile(r"(?<![\w.-])(_*[A-Za-z]\w*)(?![\w-])")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
# Names of other people's things that our prose explains.
OTHERS = {"async_to_sync", "group_send", "JavaScriptCatalog", "LocaleMiddleware", "SameSite"}
THEIR_FILES = {"mediapipe/modules/"}


def missing(found: list[tuple[Prose, str]]) -> list[str]:
    return sorted({f"{piece.place}: {what}" for piece, what in found})


def test_every_command_of_manage_py_exists():
    commands = get_commands()
    named = [
        (piece, name)
        for piece in (*prose(), *(Prose(path, 0, text_of(path)) for path in text_files(".py", ".html", ".toml")))
        for name in re.findall(r"manage\.py ([a-z][a-z_]*)", piece.text)
    ]
    assert len(named) > 50
    assert missing([(piece, name) for piece, name in named if name not in commands]) == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))
    named = [
        (piece, name)
        for piece in prose()
        for name in re.findall(r"(?:`|^    |^\t@?)make ([a-z][a-z-]*)", piece.text, re.MULTILINE)
    ]
    assert len(named) > 20
    assert missing([(piece, name) for piece, name in named if name not in targets]) == []


def test_every_module_that_python_is_told_to_run_exists():
    named = [
        (piece, name.rstrip("."))
        for piece in (*prose(), *(Prose(path, 0, text_of(path)) for path in ("Makefile", *text_files(".py"))))
        for name in re.findall(r"(?:python\"?|\$\(PYTHON\)) -m ([a-z][\w.]*)", piece.text)
    ]
    assert len(named) > 20
    assert missing([(piece, name) for piece, name in named if importlib.util.find_spec(name) is None]) == []


def test_every_file_and_folder_that_is_named_exists():
    gone = []
    for piece in prose():
        here = PurePosixPath(piece.path).parent
        names = [*FILE.findall(piece.text), *(name for name in QUOTED.findall(piece.text) if FOLDER.match(name))]
        gone += [(piece, name) for name in names if name not in THEIR_FILES and not is_there(name.rstrip("/"), here)]
    assert missing(gone) == []


def is_there(name: str, here: PurePosixPath) -> bool:
    """Tell whether a file or folder exists: from the top, or from a folder in or above which it is named."""
    places = tracked() | folders()
    if name in places or name.startswith("var"):
        return True
    if any(str(parent / name) in places for parent in (here, *here.parents)):
        return True
    # A bare name may mean a file of a package below, or of the package that a test mirrors.
    app = here.parts[1] if here.parts[:1] == ("tests",) and len(here.parts) > 1 else here.parts[0] if here.parts else ""
    return any(place.startswith((f"{app}/", f"tests/{app}/")) and place.endswith("/" + name) for place in places)


def test_every_module_that_is_named_exists_and_holds_what_is_said():
    gone = [(piece, name) for piece in prose() for name in MODULE.findall(piece.text) if not resolves(name)]
    assert missing(gone) == []


def resolves(name: str) -> bool:
    """Tell whether this is a module or package, or begins with one and a name at its top level."""
    parts = name.split(".")
    for known in range(len(parts), 0, -1):
        names = names_in(".".join(parts[:known]))
        if names is not None:
            return known == len(parts) or parts[known] in names
    return False


def test_every_quoted_name_is_one_of_the_code():
    gone = [
        (piece, name)
        for piece in prose()
        if piece.path not in ("docs/glossary.md", "CHANGELOG.md")  # they explain names that are gone
        for quoted in QUOTED.findall(piece.text)
        for name in names_of(quoted)
        if name not in words_of_code() and name not in OTHERS
    ]
    assert missing(gone) == []


def names_of(quoted: str) -> list[str]:
    """Return what in a quotation is a name of code: with an underscore, in capitals, in camel case, or dotted."""
    if FILE.fullmatch(quoted):
        return []
    if re.search(r"[ /$<>*]", quoted):
        quoted = quoted.split("=")[0] if re.fullmatch(r"[A-Z][A-Z0-9_]+=\S*", quoted) else ""
    is_dotted = re.fullmatch(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?:\(\))?", quoted) and not FILE.fullmatch(quoted)
    return [
        name
        for name in (re.split(r"\W+", quoted.rstrip("()")) if is_dotted else IDENTIFIER.findall(quoted))
        if is_dotted or "_" in name.strip("_") or (name.isupper() and len(name) > 3) or re.search(r"[a-z][A-Z]", name)
    ]


def test_every_quoted_name_of_a_module_is_in_a_module_of_that_name():
    gone = []
    for piece in prose():
        for quoted in QUOTED.findall(piece.text):
            dotted = re.fullmatch(r"([a-z_]+)\.([A-Za-z_]\w*)(?:\(\))?", quoted)
            if not dotted or dotted[1] in APPS or FILE.fullmatch(quoted) or quoted.endswith(".mp4"):
                continue
            modules = [names for names in map(names_in, modules_called(dotted[1])) if names is not None]
            if modules and not any(dotted[2] in names for names in modules):
                gone.append((piece, quoted))
    assert missing(gone) == []


def modules_called(name: str) -> list[str]:
    paths = [path for path in tracked() if path.endswith((f"/{name}.py", f"/{name}/__init__.py"))]
    return [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in paths]


def test_every_variable_that_is_set_in_prose_is_read():
    named = [(piece, name) for piece in prose() for name in re.findall(r"(?<![\w$-])([A-Z][A-Z0-9_]{2,})=", piece.text)]
    assert len(named) > 10
    assert missing([(piece, name) for piece, name in named if name not in words_of_code()]) == []


def test_every_variable_of_the_example_is_read_by_the_product():
    explained = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", text_of(".env.example"), re.MULTILINE))
    product = "\n".join(text_of(path) for path in text_files(".py") if path.startswith(APPS))
    assert {name for name in explained if not re.search(rf"[\"']{name}[\"']", product)} == set()


def test_every_variable_that_the_product_reads_is_in_the_example():
    product = "\n".join(text_of(path) for path in text_files(".py") if path.startswith(APPS) and "/tools/" not in path)
    read = set(re.findall(r"(?:env|environ|_values)\.get\(\s*[\"']([A-Z][A-Z0-9_]*)[\"']", product))
    explained = set(re.findall(r"^#([A-Z][A-Z0-9_]*)=", text_of(".env.example"), re.MULTILINE))
    assert "WEB_THREADS" in read
    assert read - explained - {"PATH", "SUDO_USER", "TERM"} == set()  # the system's


def test_every_link_between_documents_leads_somewhere():
    broken = []
    for path in text_files(".md"):
        for target in LINK.findall(text_of(path)):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            place = str(normal(PurePosixPath(path).parent / file)) if file else path
            if place not in tracked() | folders():
                broken.append(f"{path}: {target}")
            elif anchor and anchor not in anchors(place):
                broken.append(f"{path}: {target} (no such heading)")
    assert broken == []


def normal(path: PurePosixPath) -> PurePosixPath:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return PurePosixPath(*parts)


def anchors(path: str) -> set[str]:
    """Return the anchors that a document's headings get on the usual hosts."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_names_that_lead_nowhere_are_found():
    here = PurePosixPath("jobs/queue")
    assert not is_there("pitfalls.md", here)
    assert not is_there("film/skyline.py", PurePosixPath("providers/studio/film"))
    assert is_there("claims.py", here) and is_there("jobs/queue/claims.py", PurePosixPath("docs"))
    assert not resolves("jobs.strays") and not resolves("jobs.queue.claims.take_all")
    assert resolves("jobs.queue.claims") and resolves("jobs.lifecycle.mark_erased")
    assert names_of("is_readable") == ["is_readable"]
    assert names_of("SIMULATOR=1") == ["SIMULATOR"] and names_of("a word or two") == []


def test_decisions_are_numbered_without_a_gap_and_listed():
    names = sorted(path for path in tracked() if re.fullmatch(r"docs/decisions/\d{4}-[\w-]+\.md", path))
    assert [int(name.split("/")[-1][:4]) for name in names] == list(range(1, len(names) + 1))
    listed = text_of("docs/decisions/README.md")
    for name in names:
        number, title = text_of(name).splitlines()[0].removeprefix("# ").split(". ", 1)
        assert f"| [{number}]({name.split('/')[-1]}) | {title} |" in listed
    numbers = {name.split("/")[-1][:4] for name in names}
    named = [(piece, n) for piece in prose() for n in re.findall(r"decisions?(?:/| )(\d{4})\b", piece.text)]
    assert missing([(piece, number) for piece, number in named if number not in numbers]) == []
