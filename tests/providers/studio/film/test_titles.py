"""The title over the film's own pictures, and the mark at its end."""

from __future__ import annotations

import random

import cv2
import numpy as np
import pytest

from providers.studio.film.canvas import FRAME_WIDTH, FRAMES_PER_SECOND
from providers.studio.film.looks import LOOKS
from providers.studio.film.person.photo import read_photo
from providers.studio.film.shots import CUES, FRAME_COUNT, SECONDS, TITLE_AT
from providers.studio.film.titles.mark import MARK_HEIGHT, MARK_TOP, make_mark
from providers.studio.film.titles.titles import (
    DEFAULT_NAME,
    MARGIN,
    STRIP_HEIGHT,
    STRIP_TOP,
    TAGLINE_Y,
    TitleCard,
    _letters,
    make_title,
    set_name,
    title_text,
)
from tests.providers.studio.film.chosen import EVERY_LOOK, Made

SERIAL = "A98A-30"
NAMES = ("NOVA-7", "さくら", "محمد علي", "श्रीकृष्ण", "สวัสดีน้ำผึ้ง", "김민수", "CAPTAIN THUNDERSTRIKE 99", "龙" * 24)
READABLE = 3.0  # the contrast WCAG asks of large letters


def luminance(pixels: np.ndarray) -> np.ndarray:
    """WCAG's relative luminance of BGR bytes."""
    linear = ((pixels[..., :3] / 255 + 0.055) / 1.055) ** 2.4
    return linear @ np.array([0.0722, 0.7152, 0.2126])


def contrast(picture: np.ndarray, letters: np.ndarray) -> float:
    """Between the letters and what lies around them, its bright parts counted in full."""
    core = cv2.erode(letters, np.ones((2, 2), np.uint8)) > 200
    near = cv2.dilate(letters, np.ones((9, 9), np.uint8)) > 0
    around = (cv2.dilate(letters, np.ones((35, 35), np.uint8)) > 0) & ~near
    light = luminance(picture)
    return float((np.median(light[core]) + 0.05) / (np.percentile(light[around], 90) + 0.05))


@pytest.fixture(scope="module")
def directors(renderer, astronaut):
    photo = read_photo(astronaut)
    return Made(lambda slug: renderer.direct(photo, look=slug, hero_name="Nova-7", seed="title"))


@pytest.mark.parametrize("slug", EVERY_LOOK)
@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_read_over_the_picture_of_every_look(directors, slug, name):
    director, look = directors[slug], LOOKS[slug]
    director.__dict__["_title"] = TitleCard(look, name, SERIAL)
    frame = director.frame(round(5.0 * FRAMES_PER_SECOND))[STRIP_TOP : STRIP_TOP + STRIP_HEIGHT]
    letters, *_ = _letters(set_name(title_text(name, SERIAL), look.title), look.title)
    assert contrast(frame, letters) > READABLE


@pytest.mark.parametrize(
    "slug", [slug if slug == "neon-noir" else pytest.param(slug, marks=pytest.mark.thorough) for slug in LOOKS]
)
def test_the_mark_can_be_read_for_long_enough_and_leaves_the_face_alone(directors, slug):
    """It is there, at full strength, for at least 0.8 of the last second; above it nothing is covered."""
    director = directors[slug]
    mark = make_mark(LOOKS[slug])
    words = ((mark[..., :3].min(axis=2) > 215) & (mark[..., 3] > 215)).astype(np.uint8) * 255
    assert (words > 0).sum() > 2500
    readable = 0
    for number in range(round(TITLE_AT * FRAMES_PER_SECOND), FRAME_COUNT):
        shown = director.frame(number)[MARK_TOP : MARK_TOP + MARK_HEIGHT]
        readable += contrast(shown, words) > 4.5
    assert readable / FRAMES_PER_SECOND >= 0.8
    chin = director._hero.points[:, 1].max()  # plate px, and the title shot shows it lower than a frame would
    assert MARK_TOP > STRIP_TOP > chin


def test_the_mark_and_title_end_with_the_film(directors):
    last = directors["neon-noir"].frame(FRAME_COUNT - 1)
    assert last[:MARK_TOP, :, :3].mean() < 25
    assert 0.8 <= SECONDS - CUES.mark < 1.2


@pytest.mark.parametrize("slug", EVERY_LOOK)
@pytest.mark.parametrize(
    "name",
    [
        *("I", "W" * 24, "Ж" * 24, "ẞ" * 24, "あ" * 24, "龙" * 24, "김" * 24, "ქ" * 24, "க்ஷ" * 8, "محمد " * 4),
        *("محمدمحمدمحمدمحمدمحمدمحمد", "a b c d e f g h i j k l", "श्रीकृष्ण क्षत्रिय", "ก้ำ" * 8, "Ǻ̂" * 8),
    ],
)
def test_every_title_fits_the_frame_and_stays_large(slug, name):
    look = LOOKS[slug]
    setting = set_name(title_text(name, SERIAL), look.title)
    assert setting.letter_height >= 22
    assert len(setting.lines) <= 2
    letters, left, right = _letters(setting, look.title)
    assert MARGIN - 6 <= left < right <= FRAME_WIDTH - MARGIN + 6
    assert letters[:2].max() == 0
    assert letters[TAGLINE_Y:].max() == 0
    assert letters.max() > 250
    ink = sum(line.width for line in setting.lines) * setting.size * setting.squeeze
    assert (letters.max(axis=0) > 128).sum() > 0.2 * min(ink, FRAME_WIDTH)


def test_long_names_are_broken_between_words():
    style = LOOKS["neon-noir"].title
    setting = set_name("CAPTAIN THUNDERSTRIKE 99", style)
    assert [len(line.glyphs) for line in setting.lines] == [len("CAPTAIN"), len("THUNDERSTRIKE 99")]
    assert len(set_name("NOVA-7", style).lines) == 1


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("Nova-7", "NOVA-7"),
        ("", DEFAULT_NAME),
        ("   ", DEFAULT_NAME),
        ("🔥🔥🔥", f"UNIT {SERIAL}"),
        ("ᐃᓄᒃ", f"UNIT {SERIAL}"),
    ],
)
def test_who_has_no_name_that_can_be_shown_gets_a_serial(name, title):
    assert title_text(name, SERIAL) == title


def test_every_look_writes_the_name_its_own_way():
    strips = [make_title(look, "Nova-7", SERIAL).astype(int) for look in LOOKS.values()]
    for place, strip in enumerate(strips):
        for other in strips[place + 1 :]:
            covered = (strip[..., 3] > 200) | (other[..., 3] > 200)
            assert np.abs(strip - other)[covered].mean() > 40


@pytest.mark.parametrize("slug", EVERY_LOOK)
def test_the_title_arrives_and_then_stands_still(slug):
    card = TitleCard(LOOKS[slug], "Nova-7", SERIAL)

    def laid(since: float) -> np.ndarray:
        picture = np.full((1280, FRAME_WIDTH, 4), 60, np.uint8)
        card.lay(picture, since, random.Random(1))
        return picture.astype(int)

    untouched = np.full((1280, FRAME_WIDTH, 4), 60)
    assert (laid(0.05) == untouched).all()
    assert (laid(0.2)[: STRIP_TOP - 200] == untouched[: STRIP_TOP - 200]).all()
    arriving, standing = laid(0.24), laid(0.6)
    assert np.abs(arriving - standing)[STRIP_TOP : STRIP_TOP + STRIP_HEIGHT].mean() > 2
    assert (laid(0.9) == standing).all()
