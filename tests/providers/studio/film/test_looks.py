"""What makes the looks different from each other, and what every one of them promises."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from providers.faces.vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT
from providers.studio.film import assets
from providers.studio.film.canvas import apply
from providers.studio.film.hud import lay_hud, make_hud
from providers.studio.film.looks import LOOKS
from providers.studio.film.moves import close_up_move
from providers.studio.film.person.photo import read_photo
from providers.studio.film.render import Renderer
from providers.studio.film.variation import Variation
from providers.studio.tools import bake
from tests.providers.studio.film.chosen import EVERY_LOOK

PAGE = Path(assets.__file__).with_name("ADDING_A_LOOK.md")
EYES_SEEN = 0.65  # correlation of the film's eyes with the photo's
HERO_SECONDS = (2.6, 3.0)
AT_NIGHT, BY_DAY = (35, 120), (120, 190)  # mean brightness of a hero shot


def gray_street(slug: str) -> np.ndarray:
    """The middle of a city, small, without colour, its brightness spread evenly."""
    city = assets.load_city(LOOKS[slug])
    picture = city.far[..., :3].astype(np.float32)
    for plate in (city.mid, city.near):
        picture = picture * (1 - plate[..., 3:] / 255) + plate[..., :3]
    small = cv2.resize(np.clip(picture[150:900], 0, 255).astype(np.uint8), (96, 84), interpolation=cv2.INTER_AREA)
    return cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)).astype(np.float32)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def relief(picture: np.ndarray) -> np.ndarray:
    """What a picture shows apart from large lights and shadows, in gray."""
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = cv2.GaussianBlur(gray, (0, 0), 9)
    spread = np.sqrt(cv2.GaussianBlur((gray - mean) ** 2, (0, 0), 9)) + 4
    return cv2.GaussianBlur((gray - mean) / spread, (0, 0), 1.5)


def eye_strip(picture: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The strip around both eyes, 160 x 56, its outer corners at fixed places."""
    source = np.array([left, right, left + np.array([left[1] - right[1], right[0] - left[0]])], np.float32)
    matrix = cv2.getAffineTransform(source, np.array([[20, 28], [140, 28], [20, 148]], np.float32))
    return cv2.warpAffine(picture, matrix, (160, 56))


def eyes_of_close_up(director, points: np.ndarray, face_height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The close-up's middle frame, where the head looks ahead, and the outer corners of the eyes in it."""
    timeline = director.look.timeline
    number = round((timeline.close_up_at + timeline.title_at) / 2 * 24)
    progress = (number / 24 - timeline.close_up_at) / (timeline.title_at - timeline.close_up_at)
    corners = points[[EYE_OUTER_LEFT, EYE_OUTER_RIGHT]]
    matrix, _ = close_up_move(director._variation.shots, corners.mean(0), face_height, progress)
    left, right = apply(matrix, corners)
    return director.frame(number)[..., :3].copy(), left, right


def seen(renderer: Renderer, photo: bytes, look: str) -> tuple[float, float, float]:
    """How well the eyes can be seen through a look's visor: the left, the right, and both under a slit of light."""
    director = renderer.direct(read_photo(photo), look=look, hero_name="", seed="eyes")
    picture, left, right = eyes_of_close_up(director, director._hero.points, director._hero.face_height)
    points, pixels = director._subject.mesh.points[:, :2], director._subject.photo.pixels
    plain = relief(eye_strip(pixels, points[EYE_OUTER_LEFT], points[EYE_OUTER_RIGHT]))
    film = relief(eye_strip(picture, left, right))
    slit = picture.copy()
    middle = [tuple(np.round(point).astype(int).tolist()) for point in (left, right)]
    dark = slit.copy()
    cv2.line(dark, *middle, (20, 10, 30), 48)
    slit = cv2.addWeighted(dark, 0.62, slit, 0.38, 0)
    cv2.line(slit, *middle, (150, 190, 255), 8)
    covered = relief(eye_strip(slit, left, right))
    return likeness(plain, film, 22), likeness(plain, film, 94), max(likeness(plain, covered, x) for x in (22, 94))


def likeness(plain: np.ndarray, film: np.ndarray, x: int) -> float:
    """How well one eye of the photo is found in the film, a few pixels of the head's turn allowed."""
    eye, around = plain[14:44, x : x + 44], film[8:50, x - 6 : x + 50]
    return float(cv2.matchTemplate(around, np.ascontiguousarray(eye), cv2.TM_CCOEFF_NORMED).max())


def test_the_samurais_visor_shows_both_eyes_and_a_slit_would_not(renderer, astronaut):
    left, right, under_slit = seen(renderer, astronaut, "chrome-samurai")
    assert min(left, right) > EYES_SEEN > under_slit


def test_the_band_of_glass_shows_both_eyes(renderer, astronaut):
    left, right, _ = seen(renderer, astronaut, "neon-noir")
    assert min(left, right) > EYES_SEEN


def test_the_netrunners_lens_leaves_one_eye_free(renderer, astronaut):
    left, right, _ = seen(renderer, astronaut, "netrunner")
    assert max(left, right) > EYES_SEEN + 0.1
    assert min(left, right) > 0.5  # the other one can be made out


@pytest.mark.parametrize("slug", ["daybreak", "dust-nomad", "frost-warden"])
def test_both_eyes_can_be_seen_in_the_other_looks(renderer, astronaut, slug):
    left, right, _ = seen(renderer, astronaut, slug)
    assert min(left, right) > EYES_SEEN


def test_one_look_is_light_and_one_has_no_visor():
    assert [look.slug for look in LOOKS.values() if look.daylight] == ["daybreak"]
    assert [look.slug for look in LOOKS.values() if look.visor == "none"] == ["dust-nomad"]


def test_by_day_the_hud_is_ink_that_a_bright_sky_shows_and_light_over_the_selfie(renderer, astronaut):
    look = LOOKS["daybreak"]
    marks, lit = make_hud(look, Variation.of("hud")), make_hud(look.as_light, Variation.of("hud"))
    sky, dark = np.full_like(marks, 225), np.full_like(marks, 30)
    lay_hud(sky, marks, look)
    lay_hud(dark, lit, look.as_light)
    strong = marks[..., :3].max(2) > 150
    assert sky[strong][:, :3].mean() < 90
    assert dark[strong][:, :3].mean() > 110


def test_cities_can_be_told_apart_without_colour():
    streets = {slug: gray_street(slug) for slug in LOOKS}
    for one, other in itertools.combinations(streets, 2):
        assert correlation(streets[one], streets[other]) < 0.75, (one, other)


def test_suits_can_be_told_apart_by_their_outline_and_relief():
    suits = {slug: assets.load_armour(look).base for slug, look in LOOKS.items()}
    for one, other in itertools.combinations(suits, 2):
        alphas = suits[one][:620, :, 3] > 127, suits[other][:620, :, 3] > 127
        assert (alphas[0] & alphas[1]).sum() / (alphas[0] | alphas[1]).sum() < 0.96, (one, other)
        chests = (relief(np.ascontiguousarray(suits[slug][300:900, 150:714, :3])) for slug in (one, other))
        assert correlation(*chests) < 0.4, (one, other)


@pytest.mark.parametrize("slug", EVERY_LOOK)
def test_nothing_in_the_hero_shot_is_burnt_out(renderer, astronaut, slug):
    director = renderer.direct(read_photo(astronaut), look=slug, hero_name="", seed="light")
    for seconds in HERO_SECONDS:
        frame = director.frame(round(seconds * 24))[..., :3]
        assert (frame.min(2) >= 245).mean() < 0.03  # white
        assert (np.sort(frame, axis=2)[..., 1] >= 252).mean() < 0.07  # neon: two of three channels at their end
        face = frame[430:700, 260:460]
        assert (face.min(2) >= 245).mean() < 0.03
        assert face.std() > 25
        darkest, brightest = BY_DAY if LOOKS[slug].daylight else AT_NIGHT
        assert darkest < frame.mean() < brightest


@pytest.mark.parametrize("slug", LOOKS)
def test_a_timeline_is_five_to_six_seconds_of_four_shots_and_a_poster_of_the_title(slug):
    timeline = LOOKS[slug].timeline
    times = (0, *timeline.cuts, timeline.poster_at, timeline.seconds)
    assert all(later - earlier > 0.5 for earlier, later in itertools.pairwise(times))
    assert 5 <= timeline.seconds <= 6
    progress = (timeline.poster_frame / 24 - timeline.title_at) / (timeline.seconds - timeline.title_at)
    assert 0.56 < progress < 0.88  # between the title's last fault and the fade


def test_looks_are_cut_in_their_own_times():
    assert len({look.timeline for look in LOOKS.values()}) == len(LOOKS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "slug", [slug if slug == "netrunner" else pytest.param(slug, marks=pytest.mark.thorough) for slug in LOOKS]
)
def test_the_plates_that_are_stored_are_what_baking_writes_and_what_is_loaded(slug, tmp_path, monkeypatch):
    assert 100_000 < bake.bake([slug], tmp_path)[slug] < 550_000
    fresh = {path.name: path.read_bytes() for path in (tmp_path / slug).iterdir()}
    if slug == "netrunner":
        bake.bake([slug], tmp_path)
        assert fresh == {path.name: path.read_bytes() for path in (tmp_path / slug).iterdir()}, "not the same again"
    # On another machine rounding may differ: there the stored plates must look the same.
    for name, data in fresh.items():
        stored = cv2.imread(str(assets.BAKED / slug / name), cv2.IMREAD_UNCHANGED)
        drawn = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.abs(stored.astype(int) - drawn).mean() < 0.5, name
    monkeypatch.setattr(assets, "BAKED", tmp_path)
    assert assets.load_city(LOOKS[slug]).near.shape == (1536, 864, 4)


@pytest.mark.slow
def test_the_page_on_adding_a_look_works(monkeypatch, tmp_path, astronaut):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(example, names)  # the page's own example
    look = names["FROST_RONIN"]
    monkeypatch.setitem(LOOKS, look.slug, look)
    monkeypatch.setattr(assets, "BAKED", tmp_path)
    bake.bake([look.slug], tmp_path)
    monkeypatch.setattr(assets, "build_city", None)  # from the plates, or not at all
    monkeypatch.setattr(assets, "forge", None)
    threads = cv2.getNumThreads()
    director = Renderer().direct(read_photo(astronaut), look=look.slug, hero_name="Yuki", seed="frost")
    cv2.setNumThreads(threads)
    frames = [director.frame(number)[..., :3].copy() for number in (8, 66, 92, look.timeline.poster_frame)]
    assert all(frame.mean() > 25 and frame.std() > 20 for frame in frames)
    assert frames[1][:200].mean(axis=(0, 1))[0] > frames[1][:200].mean(axis=(0, 1))[2]  # its sky is blue, as described


def test_every_look_has_a_hud_of_its_own():
    shapes = {look.slug: make_hud(look, Variation.of("hud")).max(2) > 60 for look in LOOKS.values()}
    for one, other in itertools.combinations(shapes, 2):
        assert (shapes[one] & shapes[other]).sum() / (shapes[one] | shapes[other]).sum() < 0.6, (one, other)
