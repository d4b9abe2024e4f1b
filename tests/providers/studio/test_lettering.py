from __future__ import annotations

import pytest

from providers.studio import titles
from providers.studio.canvas import FRAME_WIDTH
from providers.studio.lettering import (
    FONTS,
    HUD,
    LINE,
    NOT_A_CHARACTER,
    SIGNS,
    TITLE,
    covers,
    font,
    name_mask,
    showable,
)
from providers.studio.looks import LOOKS, NEON_NOIR

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
    assert name_mask(name, 50, spacing=8).max() > 200


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
    strip = titles.make_title(NEON_NOIR, name)
    assert (strip != titles.make_title(NEON_NOIR, titles.DEFAULT_NAME)).any()


@pytest.mark.parametrize("letters", ["李小龙鑫", "김민수", "薔薇齋鷹"])
def test_letters_of_the_large_font_differ_from_each_other_and_from_the_box(letters):
    face = font("noto-sans-cjk-700", 32)
    drawn = {bytes(face.getmask(letter)) for letter in [*letters, NOT_A_CHARACTER]}
    assert len(drawn) == len(letters) + 1


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


@pytest.mark.parametrize(
    "name",
    [
        "I",
        "W" * 24,
        "Ж" * 24,
        "ẞ" * 24,
        "あ" * 24,
        "龙" * 24,
        "김" * 24,
        "ქ" * 24,
        "க்ஷ" * 8,
        "محمد " * 4,
        "a b c d e f g h i j k l",
    ],
)
def test_every_title_fits_the_frame(name):
    strip = titles.make_title(NEON_NOIR, name)
    assert strip.shape == (titles.STRIP_HEIGHT, FRAME_WIDTH, 4)
    letters = strip[..., 3] > 200
    assert letters[:, : titles.MARGIN - 2].sum() == 0
    assert letters[:, -titles.MARGIN + 2 :].sum() == 0
    assert letters[150:215].any(1).sum() > 10


def test_without_a_name_the_hero_is_the_hero():
    expected = titles.make_title(NEON_NOIR, titles.DEFAULT_NAME)
    assert (titles.make_title(NEON_NOIR, "") == expected).all()
    assert (titles.make_title(NEON_NOIR, "🔥🔥🔥") == expected).all()
    assert (titles.make_title(NEON_NOIR, "Nova") != expected).any()


def test_every_sign_can_be_written():
    words = {letter for look in LOOKS.values() for word in look.signs for letter in word}
    assert [letter for letter in sorted(words) if not covers(SIGNS, letter)] == []


def test_the_fixed_texts_can_be_written():
    assert all(covers(TITLE, letter) for letter in "SELFIE HERO/")
    assert all(covers(LINE, letter) for letter in "A CYBERPUNK STORY // STARRING YOU")
    assert all(covers(HUD, letter) for look in LOOKS.values() for letter in look.tag + "0123456789ABCDEF:%.-/")


def test_every_font_has_its_licence_beside_it():
    for path in FONTS.glob("*.[ot]tf"):
        assert any(path.name.startswith(licence.stem.removeprefix("LICENSE-")) for licence in FONTS.glob("LICENSE-*"))
