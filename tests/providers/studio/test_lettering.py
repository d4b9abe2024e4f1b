from __future__ import annotations

import pytest

from providers.studio import titles
from providers.studio.canvas import FRAME_WIDTH
from providers.studio.lettering import FONTS, HUD, LINE, SIGNS, TITLE, covers, name_mask, showable
from providers.studio.looks import LOOKS, NEON_NOIR


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
        ("김철수 Kim", "Kim"),
        ("김철수", ""),
        ("🙂🙂", ""),
        ("", ""),
    ],
)
def test_what_no_font_has_is_left_out_by_whole_words(name, shown):
    assert showable(name) == shown


def test_a_missing_glyph_is_recognised():
    assert covers(TITLE, "A")
    assert not covers(TITLE, "あ")
    assert covers(SIGNS, "あ")


@pytest.mark.parametrize("name", ["I", "W" * 24, "Ж" * 24, "ẞ" * 24, "あ" * 24, "محمد " * 4, "a b c d e f g h i j k l"])
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
    assert (titles.make_title(NEON_NOIR, "김") == expected).all()
    assert (titles.make_title(NEON_NOIR, "Nova") != expected).any()


def test_every_sign_can_be_written():
    words = {letter for look in LOOKS.values() for word in look.signs for letter in word}
    assert [letter for letter in sorted(words) if not covers(SIGNS, letter)] == []


def test_the_fixed_texts_can_be_written():
    assert all(covers(TITLE, letter) for letter in "SELFIE HERO/")
    assert all(covers(LINE, letter) for letter in "A CYBERPUNK STORY // STARRING YOU")
    assert all(covers(HUD, letter) for look in LOOKS.values() for letter in look.tag + "0123456789ABCDEF:%.-/")


def test_every_font_has_its_licence_beside_it():
    for path in FONTS.glob("*.ttf"):
        assert any(path.name.startswith(licence.stem.removeprefix("LICENSE-")) for licence in FONTS.glob("LICENSE-*"))
