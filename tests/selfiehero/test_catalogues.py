"""Catalogues are complete and the sources use them, so that no English is shown in another language."""

from __future__ import annotations

import gettext
import io
import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.util import pathmatch
from django.conf import settings
from django.core.management import call_command
from django.template.base import Lexer, TokenType

from selfiehero import catalogues

ROOT = Path(settings.ROOT)
LANGUAGES = [code for code, _name in settings.LANGUAGES if code != "en"]
# Names, units and what every language writes alike.
SAME = re.compile(r"Selfie Hero|NOVA-7|KAIRO ZERO|VESPER|eyJ…|Selfie|UTC|SHA-256|\bs\b|\bh\b|\bmin\b")
HOLES = re.compile(r"%\(\w+\)s|%%|\{\w*\}|</?\w+[^>]*>|\n")


@cache
def found() -> dict[str, Catalog]:
    """Return what the sources ask catalogues for, by domain."""
    return catalogues.extracted(ROOT)


def templates() -> list[Path]:
    paths = sorted((ROOT / "templates").rglob("*.html")) + sorted((ROOT / "templates").rglob("*.txt"))
    return [path for path in paths if not is_left_out(path)]


def is_left_out(path: Path) -> bool:
    place = path.relative_to(ROOT / "templates").as_posix()
    return any(pathmatch(pattern, place) for pattern in catalogues.NOT_TRANSLATED)


def _place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts(message: Message) -> tuple[str, str]:
    """Return the English of a message and its plural, empty when it has none."""
    return message.id if message.pluralizable else (message.id, "")


def bare_words(source: str) -> list[str]:
    """Return the words that a template says without asking a catalogue."""
    told, is_inside = [], False
    for token in Lexer(source).tokenize():
        if token.token_type == TokenType.BLOCK:
            name, *rest = token.split_contents()
            if name in ("blocktranslate", "endblocktranslate"):
                is_inside = name == "blocktranslate"
            elif name in ("block", "endblock"):
                # These are parts of a tag of the page around them.
                is_inside = bool(rest) and rest[0].endswith(("_class", "_current", "look"))
        told.append("" if is_inside else token.contents if token.token_type == TokenType.TEXT else "\x00")
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", "".join(told), flags=re.DOTALL)
    said = re.findall(
        r'(?:alt|aria-label|aria-valuetext|title|placeholder|label|name="description" content)="([^"]*)"', text
    )
    said += re.sub(r"<[^>]*>", "\n", text).split("\n")
    return [words.strip() for words in said if re.search(r"[^\W\d_]", SAME.sub("", words.replace("\x00", "")))]


@pytest.mark.parametrize("path", templates(), ids=_place)
def test_a_template_has_no_words_of_its_own(path: Path) -> None:
    assert bare_words(path.read_text()) == []


def test_words_of_its_own_would_be_found() -> None:
    assert bare_words('<p>Hello {% translate "you" %}</p>') == ["Hello \x00"]
    assert bare_words('<img alt="A face"><svg><path d="M0"/></svg>{% blocktranslate %}fine{% endblocktranslate %}') == [
        "A face"
    ]


@pytest.mark.parametrize("domain", ["django", "djangojs"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_translated(language: str, domain: str) -> None:
    catalogue = catalogues.read(catalogues.po_path(ROOT, language, domain), language)
    messages = catalogues.messages(catalogue)
    # With their plurals.
    assert {texts(message) for message in messages} == {
        texts(message) for message in catalogues.messages(found()[domain])
    }, "run manage.py messages"
    for message in messages:
        text, plural = texts(message)
        assert not message.fuzzy, text
        assert len(catalogues.translations(message)) == (catalogue.num_plurals if plural else 1), text
        for said in catalogues.translations(message):
            assert said.strip(), text
            # The one of a plural may do without its number.
            wanted = sorted(HOLES.findall(plural or text))
            assert sorted(HOLES.findall(said)) in (wanted, sorted(HOLES.findall(text))), (text, said)
            assert said != text or not re.search(r"[a-z]{3}", SAME.sub("", HOLES.sub("", text))) or text in ALIKE, text


# What Spanish says as English does.
ALIKE = {"No", "Final"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(language: str) -> None:
    for path, content in catalogues.compiled(ROOT, language).items():
        assert path.read_bytes() == content, f"{path}: run manage.py messages"


@pytest.mark.parametrize("language", LANGUAGES)
def test_gettext_reads_what_was_compiled(language: str) -> None:
    catalogue = catalogues.read(catalogues.po_path(ROOT, language, "django"), language)
    read = gettext.GNUTranslations(io.BytesIO(catalogues.mo_bytes(catalogue)))
    for message in catalogues.messages(catalogue):
        (text, plural), said = texts(message), catalogues.translations(message)
        if plural:
            assert read.ngettext(text, plural, 1) == said[0]
            assert read.ngettext(text, plural, 5) == said[-1]
        else:
            assert read.gettext(text) == said[0]


def test_every_language_has_its_catalogue() -> None:
    assert set(LANGUAGES) == set(catalogues.PLURALS)


@pytest.mark.parametrize("domain", ["django", "djangojs"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_counts_as_its_language_does(language: str, domain: str) -> None:
    catalogue = catalogues.read(catalogues.po_path(ROOT, language, domain), language)
    assert (catalogue.locale_identifier, catalogue.plural_forms) == (language, catalogues.PLURALS[language])


def test_catalogues_come_through_writing_and_reading(tmp_path: Path) -> None:
    written = catalogues.read(tmp_path / "new.po", "es")
    written.add('Say "hi"\n%(name)s', 'Di "hola"\n%(name)s', locations=[("templates/a.html", 1)])
    written.add(("{count} film", "{count} films"), ("{count} corto", "{count} cortos"))
    path = tmp_path / "django.po"
    path.write_bytes(catalogues.po_bytes(written))
    read = catalogues.messages(catalogues.read(path, "es"))
    assert [(message.id, message.string) for message in read] == [
        ('Say "hi"\n%(name)s', 'Di "hola"\n%(name)s'),
        (("{count} film", "{count} films"), ("{count} corto", "{count} cortos")),
    ]
    path.write_text('#, fuzzy\nmsgid "a"\n"b"\nmsgstr "c"\n"d"\n\nmsgid "empty"\nmsgstr ""\n')
    read = catalogues.messages(catalogues.read(path, "es"))
    assert [(message.id, catalogues.translations(message), message.fuzzy) for message in read] == [
        ("ab", ("cd",), True),
        ("empty", ("",), False),
    ]


def test_a_new_message_is_found_and_an_old_one_leaves(tmp_path: Path, settings) -> None:
    settings.ROOT = tmp_path
    for folder in ("jobs", "templates", "static/js"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "jobs" / "one.py").write_text('_("Hello")\nngettext("{n} day", "{n} days", 2)\n_(variable)\n')
    (tmp_path / "templates" / "a.html").write_text(
        '{% load i18n %}{% translate "100 %" %}{% blocktranslate trimmed count n=n %}one\n <b>film</b>{% plural %}'
        '{{ n }} films{% endblocktranslate %}\n  <p>\n {{ x|default:_("nobody") }}'
    )
    (tmp_path / "static" / "js" / "words.js").write_text('export const A = `${_("It\\u2019s you")} `;')
    call_command("messages", stdout=io.StringIO())
    path = catalogues.po_path(tmp_path, "es", "django")
    assert english(path) == ["Hello", "{n} day", "100 %%", "one <b>film</b>", "nobody"]
    assert english(path.with_name("djangojs.po")) == ["It’s you"]
    # What nobody translated yet is said in English, not left empty.
    assert (tmp_path / "static" / "js" / "catalogue" / "es.js").read_text() == "globalThis.catalogue = {};\n"
    path.write_text(path.read_text().replace('msgid "Hello"\nmsgstr ""', 'msgid "Hello"\nmsgstr "Hola"'))
    (tmp_path / "templates" / "a.html").unlink()
    told = io.StringIO()
    call_command("messages", stdout=told)
    assert [catalogues.translations(message) for message in catalogues.messages(catalogues.read(path, "es"))] == [
        ("Hola",),
        ("", ""),
    ]
    assert "2 messages, 1 missing\n  {n} day" in told.getvalue()


def english(path: Path) -> list[str]:
    return [texts(message)[0] for message in catalogues.messages(catalogues.read(path, "es"))]


def test_the_same_sources_give_the_same_files(tmp_path: Path, settings) -> None:
    """So that a change of the catalogues shows what was changed, and neither a date nor the number of a line."""
    settings.ROOT = tmp_path
    (tmp_path / "jobs").mkdir()
    source = tmp_path / "jobs" / "one.py"

    def written() -> dict[str, bytes]:
        call_command("messages", stdout=io.StringIO())
        return {str(path): path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file() and path != source}

    source.write_text('_("Hello")\n')
    first = written()
    source.write_text('import this\n\n_("Hello")\n')
    assert written() == first
    for path in first:
        Path(path).unlink()
    assert written() == first
