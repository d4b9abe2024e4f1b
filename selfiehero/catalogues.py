"""The catalogues of other languages: found in the sources, kept in `locale/`, compiled into what Django and pages read.

    Python, templates ─► locale/<language>/LC_MESSAGES/django.po   ─► django.mo beside it
    static/js         ─► locale/<language>/LC_MESSAGES/djangojs.po ─► static/js/catalogue/<language>.js

All of it in Python: a machine without GNU gettext can translate too, and a test compares what is compiled with its
source. Messages without contexts, at most one plural; .po files as translators' tools write them are read.
"""

from __future__ import annotations

import ast
import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.utils.translation.template import templatize

PLURALS = {"es": "nplurals=2; plural=(n != 1);", "ja": "nplurals=1; plural=0;"}
_SOURCES = ("selfiehero", "notifications", "jobs", "providers")
# Read by staff and by those who build the pages.
NOT_TRANSLATED = ("templates/admin/", "templates/pages/styleguide.html", "templates/docs.html")
_CALLS = {"_", "gettext", "gettext_lazy", "gettext_noop", "noop", "ngettext", "ngettext_lazy"}
_STRING = r"""(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
_CALL = re.compile(rf"\b(?:_|gettext|ngettext)\(\s*u?({_STRING})(?:,\s*u?({_STRING}))?", re.DOTALL)
_FIELD = re.compile(r'(msgid|msgid_plural|msgstr(?:\[\d+\])?|)\s*(".*")')


@dataclass(frozen=True)
class Message:
    """One message: its English, its plural if it has one, and what another language says (one text for each form)."""

    text: str
    plural: str = ""
    said: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    is_fuzzy: bool = field(default=False, compare=False)


Catalogue = dict[str, Message]


def po_path(root: Path, language: str, domain: str) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def found_in_sources(root: Path) -> dict[str, Catalogue]:
    """Return every message of the sources, by domain."""
    django: Catalogue = {}
    scripts: Catalogue = {}
    for app in _SOURCES:
        for path in sorted((root / app).rglob("*.py")):
            _note(django, _in_python(path.read_text()), path.relative_to(root))
    for path in sorted((root / "templates").rglob("*.*")):
        place = path.relative_to(root)
        if path.suffix in (".html", ".txt") and not place.as_posix().startswith(NOT_TRANSLATED):
            _note(django, _in_text(templatize(path.read_text())), place)
    for path in sorted((root / "static" / "js").glob("*.js")):
        _note(scripts, _in_text(path.read_text()), path.relative_to(root))
    return {"django": django, "djangojs": scripts}


def _note(catalogue: Catalogue, found: Iterator[tuple[str, str]], place: Path) -> None:
    for text, plural in found:
        known = catalogue.get(text, Message(text))
        places = known.places if place.as_posix() in known.places else (*known.places, place.as_posix())
        catalogue[text] = replace(known, plural=known.plural or plural, places=places)


def _in_python(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in _CALLS:
            continue
        words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if words and words[0]:
            yield words[0], words[1] if "ngettext" in node.func.id else ""


def _in_text(source: str) -> Iterator[tuple[str, str]]:
    for found in _CALL.finditer(source):
        text, plural = (ast.literal_eval(part) if part else "" for part in found.groups())
        if text:
            yield text, plural


def merged(known: Catalogue, found: Catalogue) -> Catalogue:
    """Return the messages of the sources with what is said for them already; what nobody says any more is gone."""
    return {text: replace(message, said=known[text].said if text in known else ()) for text, message in found.items()}


def read_po(path: Path) -> Catalogue:
    """Return the messages of a .po file; its header is left out."""
    catalogue: Catalogue = {}
    for block in re.split(r"\n\s*\n", path.read_text() if path.exists() else ""):
        parts: dict[str, str] = {}
        name, is_fuzzy = "", False
        for line in block.splitlines():
            is_fuzzy = is_fuzzy or (line.startswith("#,") and "fuzzy" in line)
            if (match := _FIELD.fullmatch(line.strip())) is not None:
                name = match[1] or name
                parts[name] = parts.get(name, "") + json.loads(match[2])
        if parts.get("msgid"):
            said = tuple(parts[key] for key in sorted(parts) if key.startswith("msgstr"))
            catalogue[parts["msgid"]] = Message(parts["msgid"], parts.get("msgid_plural", ""), said, is_fuzzy=is_fuzzy)
    return catalogue


def po_text(catalogue: Catalogue, language: str) -> str:
    """Return the .po file of these messages."""
    lines = ['msgid ""', 'msgstr ""', *(_quoted(f"{line}\n") for line in _header(language).splitlines())]
    for message in catalogue.values():
        lines += ["", *(f"#: {place}" for place in message.places), f"msgid {_quoted(message.text)}"]
        if message.plural:
            said = message.said or ("",) * (int(PLURALS[language][9]))
            lines.append(f"msgid_plural {_quoted(message.plural)}")
            lines += [f"msgstr[{number}] {_quoted(text)}" for number, text in enumerate(said)]
        else:
            lines.append(f"msgstr {_quoted(message.said[0] if message.said else '')}")
    return "\n".join(lines) + "\n"


def _header(language: str) -> str:
    return f"Language: {language}\nContent-Type: text/plain; charset=UTF-8\nPlural-Forms: {PLURALS[language]}\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def mo_bytes(catalogue: Catalogue, language: str) -> bytes:
    """Return the compiled form that gettext reads."""
    pairs = {b"": _header(language).encode()}
    for message in catalogue.values():
        if all(message.said) and message.said:
            key = f"{message.text}\0{message.plural}" if message.plural else message.text
            pairs[key.encode()] = "\0".join(message.said).encode()
    keys = sorted(pairs)
    start = 28 + 16 * len(keys)
    texts = b"\0".join([*keys, *(pairs[key] for key in keys), b""])
    tables, at = [], start
    for text in (*keys, *(pairs[key] for key in keys)):
        tables.append(struct.pack("<II", len(text), at))
        at += len(text) + 1
    head = struct.pack("<7I", 0x950412DE, 0, len(keys), 28, 28 + 8 * len(keys), 0, start)
    return head + b"".join(tables) + texts


def script_text(catalogue: Catalogue) -> str:
    """Return the module that gives the page's scripts their catalogue."""
    said = {text: list(message.said) if message.plural else message.said[0] for text, message in catalogue.items()}
    return f"globalThis.catalogue = {json.dumps(said, ensure_ascii=False, indent=0)};\n"


def compiled(root: Path, language: str) -> dict[Path, bytes]:
    """Return what has to stand in which file for a language's catalogues."""
    mo = po_path(root, language, "django").with_suffix(".mo")
    script = root / "static" / "js" / "catalogue" / f"{language}.js"
    return {
        mo: mo_bytes(read_po(po_path(root, language, "django")), language),
        script: script_text(read_po(po_path(root, language, "djangojs"))).encode(),
    }
