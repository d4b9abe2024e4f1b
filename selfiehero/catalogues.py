"""The catalogues of other languages: extracted from the sources, kept in `locale/`, compiled for Django and for pages.

    Python, templates ─► locale/<language>/LC_MESSAGES/django.po   ─► django.mo beside it
    static/js         ─► locale/<language>/LC_MESSAGES/djangojs.po ─► static/js/catalogue/<language>.js

Babel extracts, merges and compiles, so that a machine without GNU gettext can translate too. Two steps are ours because
Babel has none: Django's templates, which Django itself turns into something that an extractor can read, and the
module that gives pages their catalogue. The same sources always give the same files; a test compares them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

# As GNU gettext and `static/js/gettext.js` count; CLDR, which Babel follows, has a third form in Spanish, for millions.
PLURALS = {"es": "nplurals=2; plural=(n != 1);", "ja": "nplurals=1; plural=0;"}
# Read by staff and by those who build the pages; patterns below `templates/`.
NOT_TRANSLATED = ("admin/**", "pages/styleguide.html", "docs.html")
_TEMPLATES = f"{__name__}:extract_template"
# What is read, in this order: the domain, the folder, and which extractor reads which of its files.
_SOURCES = (
    *(("django", app, [("**.py", "python")]) for app in ("selfiehero", "notifications", "jobs", "providers")),
    (
        "django",
        "templates",
        [*((pattern, "ignore") for pattern in NOT_TRANSLATED), ("**.html", _TEMPLATES), ("**.txt", _TEMPLATES)],
    ),
    ("djangojs", "static/js", [("*.js", "javascript")]),
)
# A script asks for texts inside template strings as well.
_OPTIONS = {"*.js": {"parse_template_string": True}}
_PLURAL = (1, 2)
_KEYWORDS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop", "noop")),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), _PLURAL),
}
# The header of a new catalogue. Its date is fixed: Babel would write the time of day, and two runs would differ.
_HEADER: dict[str, Any] = {
    "project": "Selfie Hero",
    "version": "1",
    "msgid_bugs_address": "Selfie Hero",
    "last_translator": "Selfie Hero",
    "language_team": "Selfie Hero",
    "creation_date": datetime(2026, 1, 1, tzinfo=UTC),
}


def po_path(root: Path, language: str, domain: str) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def extracted(root: Path) -> dict[str, Catalog]:
    """Return every message of the sources, by domain."""
    templates = {"django": Catalog(), "djangojs": Catalog()}
    for domain, folder, methods in _SOURCES:
        found = extract_from_dir(root / folder, methods, _OPTIONS, keywords=_KEYWORDS)
        for name, line, text, _comments, context in found:
            templates[domain].add(text, locations=[(f"{folder}/{name}", line)], context=context)
    return templates


def extract_template(
    file: IO[bytes], keywords: Mapping[str, Any], comment_tags: Any, options: Any
) -> Iterator[tuple[int, str | tuple[str, ...], list[str], str | None]]:
    """Extract the messages of a Django template, as Babel calls an extractor.

    What Django makes of a template reads like Python except for its indentation, which Babel's tokenizer would refuse.
    """
    lines = templatize(file.read().decode()).splitlines()
    flat = "\n".join(line.lstrip() for line in lines)
    return extract_python(BytesIO(flat.encode()), keywords, comment_tags, options)


def read(path: Path, language: str) -> Catalog:
    """Return the catalogue of a .po file; an empty one of this language when there is no such file."""
    if not path.exists():
        catalogue = Catalog(language, header_comment=f"# {Locale.parse(language).english_name}", **_HEADER)
        catalogue.mime_headers = [("Plural-Forms", PLURALS[language])]
        return catalogue
    with path.open("rb") as file:
        return read_po(file, locale=language)


def merge(catalogue: Catalog, template: Catalog) -> None:
    """Bring a catalogue up to date with the sources: translations stay, and messages that no source has are gone."""
    catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
    catalogue.fuzzy = False


def translations(message: Message) -> tuple[str, ...]:
    """Return what another language says, a text for each form; empty texts where nothing is said yet."""
    return (message.string or "",) if isinstance(message.string, str | None) else tuple(message.string)


def messages(catalogue: Catalog) -> list[Message]:
    """Return the messages of a catalogue without its header."""
    return [message for message in catalogue if message.id]


def po_bytes(catalogue: Catalog) -> bytes:
    """Return the .po file of a catalogue, a text on one line unless it has lines of its own."""
    file = BytesIO()
    write_po(file, catalogue, width=0, ignore_obsolete=True, include_lineno=False)
    return file.getvalue().rstrip(b"\n") + b"\n"


def mo_bytes(catalogue: Catalog) -> bytes:
    """Return the compiled form that gettext reads."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def script_bytes(catalogue: Catalog) -> bytes:
    """Return the module that gives the page's scripts their catalogue; what is not translated is left out."""
    said = {
        message.id[0] if message.pluralizable else message.id: message.string
        for message in messages(catalogue)
        if all(translations(message))
    }
    return f"globalThis.catalogue = {json.dumps(said, ensure_ascii=False, indent=0)};\n".encode()


def compiled(root: Path, language: str) -> dict[Path, bytes]:
    """Return what has to stand in which file for a language's catalogues."""
    po = po_path(root, language, "django")
    script = root / "static" / "js" / "catalogue" / f"{language}.js"
    return {
        po.with_suffix(".mo"): mo_bytes(read(po, language)),
        script: script_bytes(read(po_path(root, language, "djangojs"), language)),
    }
