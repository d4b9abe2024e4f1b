"""Names in the scripts of the world, drawn without an operating system's help, and the films' fixed texts."""

from __future__ import annotations

import numpy as np
import pytest

from providers.studio.film.looks import LOOKS
from providers.studio.film.titles.lettering import showable
from providers.studio.film.titles.mark import NOTE, WORDMARK
from providers.studio.film.titles.shaping import Line, clusters, covers, draw_line, set_line, visual_runs
from providers.studio.film.typefaces import FALLBACKS, FONTS, HEAVY, HUD, LINE, SIGNS, TITLE

MORE_SCRIPTS = (
    *("李小龙", "鑫淼", "蔡英文", "김민수", "龍之介 薔薇", "齋藤 鷹之丞", "李 Nova", "ქართული", "Հայկ", "রবীন্দ্রনাথ"),
    *("ਗੁਰਪ੍ਰੀਤ", "ગુજરાતી", "தமிழரசி", "తెలుగు", "ಕನ್ನಡ", "മലയാളം"),
)


@pytest.mark.parametrize(
    "name",
    [
        "Nova-7",
        "Łukasz Žáček",
        "Наташа",
        "Ωμέγα",
        "さくら",
        "محمد علي",
        "שלום",
        "สวัสดี",
        "नमस्ते",
        "Nguyễn",
        "O'Neil & Co",
        *MORE_SCRIPTS,
    ],
)
def test_names_in_many_scripts_are_shown_in_full(name):
    assert showable(name) == name
    for face in {look.title.face for look in LOOKS.values()}:
        line = set_line(name, face)
        assert all(glyph.number for glyph in line.glyphs)  # 0 is the box for what is missing
        mask, above = draw_line(line, 50)
        assert mask.max() > 250
        assert 0 < above < mask.shape[0]


def shape(name: str, **changes) -> np.ndarray:
    return draw_line(set_line(name, TITLE, **changes), 60)[0]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """How much of two masks' ink lies at the same places, 0..1, the taller one cut to the other's height."""
    height, width = (max(sizes) for sizes in zip(one.shape, other.shape, strict=True))
    laid = [np.pad(mask, ((height - mask.shape[0], 0), (0, width - mask.shape[1]))) > 128 for mask in (one, other)]
    return float((laid[0] & laid[1]).sum() / max(1, (laid[0] | laid[1]).sum()))


@pytest.mark.parametrize("name", ["محمد", "سلام", "شیرین"])
def test_arabic_letters_are_joined(name):
    # Most letters take another form than they have on their own, and the ink hangs together.
    alone = {glyph.number for letter in name for glyph in set_line(letter, TITLE).glyphs}
    assert len({glyph.number for glyph in set_line(name, TITLE).glyphs} - alone) >= 2
    ink = shape("سسس").max(axis=0) > 0
    assert np.diff(np.flatnonzero(ink)).max() == 1


@pytest.mark.parametrize(("name", "glyphs"), [("क्ष", 1), ("श्री", 2), ("க்ஷ", 1), ("ক্ষ", 1)])
def test_conjuncts_become_one_shape(name, glyphs):
    assert len(set_line(name, TITLE).glyphs) <= glyphs < len(name)


def test_a_vowel_that_is_written_before_its_consonant_stands_before_it():
    consonant, both = set_line("क", TITLE).glyphs[0], set_line("कि", TITLE).glyphs
    assert [glyph.number for glyph in both].index(consonant.number) == 1


def test_thai_marks_are_stacked_above_their_letter():
    bare, toned = set_line("น", TITLE), set_line("น้", TITLE)
    assert toned.top > bare.top + 0.1
    assert toned.width == pytest.approx(bare.width, abs=0.02)


def test_accents_stay_on_letters_that_no_font_has_whole():
    assert len(clusters("z\u0308")) == 1
    assert set_line("Z\u0308", HEAVY).top > set_line("Z", HEAVY).top


@pytest.mark.parametrize(
    ("name", "from_left_to_right"),
    [
        ("שלום", ["שלום"]),
        ("Kim שלום", ["Kim ", "שלום"]),
        ("שלום Kim", ["Kim", "שלום "]),
        ("שלום 7", ["7", "שלום "]),
        ("Kim שלום 7", ["Kim ", "7", "שלום "]),
        ("Nova-7", ["Nova-7"]),
    ],
)
def test_names_from_the_right_are_read_from_the_right(name, from_left_to_right):
    assert [run for _, run, _ in visual_runs(name, TITLE)] == from_left_to_right
    assert set_line(name, TITLE).from_right == (name[0] == "ש")


def test_a_bracket_opens_towards_what_it_holds():
    # The same sign, mirrored where the text runs from the right.
    assert overlap(shape("(א")[:, -30:], shape("א)")[:, -30:]) < 0.9


def test_joiners_are_kept_where_they_mean_something():
    assert showable("میان\u200cرود") == "میان\u200cرود"
    assert set_line("میان\u200cرود", TITLE).width != set_line("میانرود", TITLE).width
    assert showable("A\u200dB") == "AB"


def test_tracking_sets_letters_apart_but_never_tears_joined_ones():
    assert set_line("NOVA", TITLE, 0.2).width == pytest.approx(set_line("NOVA", TITLE).width + 0.6)
    assert set_line("محمد", TITLE, 0.2).width == pytest.approx(set_line("محمد", TITLE).width, abs=0.21)


def test_squeezed_lines_are_narrower_and_as_tall():
    line = set_line("NOVA", TITLE)
    wide, narrow = draw_line(line, 60)[0], draw_line(line, 60, 0.8)[0]
    assert narrow.shape[1] == pytest.approx(0.8 * wide.shape[1], abs=3)
    assert narrow.shape[0] == wide.shape[0]


def test_a_tower_of_marks_is_cut_to_what_people_can_read():
    line = set_line("a" + "\u0301" * 40, TITLE)
    assert isinstance(line, Line)
    assert line.top < 2.2


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("NOVA 🙂 7", "NOVA 7"),
        ("A\x00B\u202eC\u200b", "ABC"),
        ("  Neo\t\n Ghost ", "Neo Ghost"),
        ("ᐃᓄᒃ Kim", "Kim"),
        ("ᐃᓄᒃ", ""),
        ("李🔥小龙", "李小龙"),
        ("🙂🙂", ""),
        ("", ""),
    ],
)
def test_what_no_font_has_is_left_out_by_whole_words(name, shown):
    assert showable(name) == shown


@pytest.mark.parametrize("name", MORE_SCRIPTS)
def test_capitals_of_a_name_can_be_drawn_too(name):
    assert showable(name.upper()) == name.upper()


@pytest.mark.parametrize("letters", ["李小龙鑫", "김민수", "薔薇齋鷹"])
def test_letters_of_the_large_font_differ_from_each_other(letters):
    assert len({shape(letter).tobytes() for letter in letters}) == len(letters)


@pytest.mark.parametrize(
    ("codec", "rows"), [("gb2312", range(0xB0, 0xF8)), ("euc_jp", range(0xB0, 0xF5)), ("euc_kr", range(0xB0, 0xC9))]
)
def test_the_large_font_has_every_common_character(codec, rows):
    table = [bytes([row, cell]).decode(codec, "ignore") for row in rows for cell in range(0xA1, 0xFF)]
    letters = [letter for letter in table if len(letter) == 1][::7]  # a sample: each costs a drawing
    assert len(letters) > 330
    assert [letter for letter in letters if not covers("noto-sans-cjk-700", letter)] == []


def test_a_missing_glyph_is_recognised():
    assert covers(TITLE, "A")
    assert not covers(TITLE, "あ")
    assert covers(SIGNS, "あ")


def test_every_sign_can_be_written():
    words = {letter for look in LOOKS.values() for word in look.signs for letter in word}
    assert [letter for letter in sorted(words) if not covers(SIGNS, letter)] == []


def test_the_fixed_texts_can_be_written():
    assert all(covers(TITLE, letter) for letter in WORDMARK)
    assert all(covers(LINE, letter) for letter in NOTE)
    for look in LOOKS.values():
        style = look.title
        assert all(covers(style.tagline_face, letter) for letter in style.tagline)
        assert all(covers(style.face, letter) for letter in style.before)
        assert all(covers(SIGNS, letter) for letter in style.seal)
        assert all(covers(HUD, letter) for letter in look.tag + "0123456789ABCDEF:%.-/")


def test_every_fallback_is_shipped():
    assert {path.stem for path in FONTS.glob("*.[ot]tf")} >= set(FALLBACKS)


def test_every_font_has_its_licence_beside_it():
    for path in FONTS.glob("*.[ot]tf"):
        assert any(path.name.startswith(licence.stem.removeprefix("LICENSE-")) for licence in FONTS.glob("LICENSE-*"))
