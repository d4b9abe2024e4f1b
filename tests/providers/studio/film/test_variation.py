"""Every job its own film: what the seed decides."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import get_args

import numpy as np
import pytest

from providers.studio.film import assets
from providers.studio.film.canvas import FRAME_HEIGHT, FRAME_WIDTH, PLATE_HEIGHT, PLATE_WIDTH, apply, inverse
from providers.studio.film.city.scenery import Scenery
from providers.studio.film.looks import LOOKS, NEON_NOIR
from providers.studio.film.moves import FACE_LEVEL, hero_move, title_move
from providers.studio.film.person.photo import read_photo
from providers.studio.film.suit.details import paint_details
from providers.studio.film.variation import CloseUp, HeroShot, ShotList, TitleMove, Variation
from tests.providers.studio.film.chosen import EVERY_LOOK

pytestmark = pytest.mark.slow

FILMS = 10_000


@pytest.fixture(scope="module")
def variations() -> list[Variation]:
    return [Variation.of(f"job-{number}") for number in range(FILMS)]


def shot_lists() -> list[ShotList]:
    """One of every kind of shot, with the numbers at their ends."""
    numbers = [field.name for field in dataclasses.fields(ShotList)][4:]
    kinds = zip(get_args(HeroShot), get_args(CloseUp), get_args(TitleMove), strict=True)
    return [
        ShotList(hero, close_up, title, lean, **dict.fromkeys(numbers, value))
        for hero, close_up, title in kinds
        for lean in (-1, 1)
        for value in (0.0, 1.0)
    ]


def test_ten_thousand_films_have_ten_thousand_shot_lists_and_details(variations):
    assert len({hashlib.sha256(repr(one.shots).encode()).digest() for one in variations}) == FILMS
    assert len({repr((one.shots, one.suit, one.weather, one.wind)) for one in variations}) == FILMS


def test_every_kind_of_shot_is_filmed_about_as_often(variations):
    for name, kinds in (("hero", HeroShot), ("close_up", CloseUp), ("title", TitleMove)):
        shares = [sum(getattr(one.shots, name) == kind for one in variations) / FILMS for kind in get_args(kinds)]
        assert min(shares) > 0.22


def test_the_same_seed_decides_the_same():
    assert Variation.of("job") == Variation.of("job")
    assert Variation.of("job") != Variation.of("job ")


@pytest.mark.parametrize("shots", shot_lists(), ids=lambda shots: f"{shots.hero}{shots.lean}{shots.push}")
def test_the_camera_never_sees_beyond_the_heros_plate(shots):
    frame = np.array([[0, FRAME_HEIGHT], [FRAME_WIDTH, FRAME_HEIGHT]], np.float64)  # below the suit has to go on
    for move in (hero_move, title_move):
        for progress in np.linspace(0, 1, 13):
            for face_y in (FACE_LEVEL, FACE_LEVEL - 90):
                placed = apply(inverse(move(shots, face_y, progress).matrix()), frame)
                assert placed[:, 0].min() > -12
                assert placed[:, 0].max() < PLATE_WIDTH + 12
                assert placed[:, 1].max() < PLATE_HEIGHT + 8


def test_the_street_fills_the_frame_in_every_shot():
    scenery = Scenery(assets.load_city(NEON_NOIR), NEON_NOIR, Variation.of("street"))
    pictures = [np.full((FRAME_HEIGHT, FRAME_WIDTH, 4), value, np.uint8) for value in (0, 255)]
    for shots in shot_lists()[::2]:
        for progress in (0.0, 0.5, 1.0):
            move = hero_move(shots, FACE_LEVEL, progress)
            for picture in pictures:
                scenery.draw(1.5, move.street_zoom, move.street_x, move.street_y, picture)
            assert (pictures[0] == pictures[1]).all()


@pytest.mark.parametrize("slug", EVERY_LOOK)
def test_every_films_suit_is_painted_differently(slug):
    look = LOOKS[slug]
    armour = assets.load_armour(look)
    before = armour.base.copy()
    one, same, other = (paint_details(armour, look, Variation.of(seed)).base for seed in ("a", "a", "b"))
    assert (armour.base == before).all()
    assert (one == same).all()
    assert (np.abs(one.astype(int) - other).max(2) > 12).mean() > 0.002
    assert (one[..., 3] == before[..., 3]).all()
    assert (one[before[..., 3] == 0] == before[before[..., 3] == 0]).all()  # nothing beside the suit


def test_the_same_photo_filmed_for_two_jobs_looks_different(renderer, astronaut):
    photo = read_photo(astronaut)
    films = [renderer.direct(photo, look="chrome-samurai", hero_name="", seed=seed) for seed in ("one", "two")]
    for number in (40, 66, 90, 124):
        one, other = (film.frame(number)[..., :3].astype(int) for film in films)
        assert np.abs(one - other).mean() > 8
