"""The film of a picture without a face: it has an opening of its own, and shows the picture all the way."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from providers.studio.errors import HOLOGRAM, NoFace
from providers.studio.film.canvas import FRAMES_PER_SECOND, PLATE_HEIGHT, PLATE_WIDTH, camera
from providers.studio.film.hologram import HologramDirector
from providers.studio.film.person.photo import read_photo
from providers.studio.film.projection import CENTRE
from providers.studio.film.shots import CUES, Director
from tests.providers.studio.film.chosen import EVERY_LOOK, Made

MOMENTS = (0.10, 0.95, 1.6, 2.6, 3.9, 5.0)  # plain, scanned, built up, projected, near, title


def as_png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def teapot(background: int = 40) -> np.ndarray:
    """Something that nobody takes for a face."""
    picture = np.full((600, 500, 3), background, np.uint8)
    cv2.ellipse(picture, (250, 380), (160, 120), 0, 0, 360, (60, 120, 200), -1)
    cv2.ellipse(picture, (440, 340), (70, 20), -50, 0, 360, (60, 120, 200), -1)
    cv2.rectangle(picture, (200, 230), (300, 268), (90, 160, 230), -1)
    cv2.circle(picture, (250, 214), 20, (200, 220, 240), -1)
    return picture


def direct(renderer, pixels: np.ndarray, look: str = "neon-noir", seed: str = "pot", faceless: str = HOLOGRAM):
    return renderer.direct(read_photo(as_png(pixels)), look=look, hero_name="Pot", seed=seed, faceless=faceless)


def at(director, seconds: float) -> np.ndarray:
    return director.frame(int(seconds * FRAMES_PER_SECOND))[..., :3].copy()


@pytest.fixture(scope="module")
def films(renderer):
    return Made(lambda slug: direct(renderer, teapot(), slug))


@pytest.fixture(scope="module")
def frames(films):
    return Made(lambda slug: [at(films[slug], moment) for moment in MOMENTS])


def test_without_the_option_no_picture_becomes_a_hologram(renderer):
    with pytest.raises(NoFace):
        direct(renderer, teapot(), faceless="")


def test_a_person_stays_a_person_whatever_was_wished(renderer, astronaut):
    photo = read_photo(astronaut)
    director = renderer.direct(photo, look="neon-noir", hero_name="", seed="1", faceless=HOLOGRAM)
    assert isinstance(director, Director)


@pytest.mark.parametrize("slug", EVERY_LOOK)
def test_every_shot_shows_something_else(films, frames, slug):
    assert isinstance(films[slug], HologramDirector)
    small = [cv2.resize(frame, (72, 128), interpolation=cv2.INTER_AREA).astype(int) for frame in frames[slug]]
    for place, one in enumerate(small):
        assert one.mean() > 8
        assert one.std() > 15
        for other in small[place + 1 :]:
            assert np.abs(one - other).mean() > 6


@pytest.mark.parametrize("slug", EVERY_LOOK)
def test_the_picture_is_plain_at_first_and_lines_after_the_scan(frames, slug):
    plain, scanned = frames[slug][0][300:700, 150:570], frames[slug][1][300:700, 150:570]
    orange = np.array([60, 120, 200])
    assert np.abs(plain.astype(int) - orange).max(axis=2).min() < 25
    # Lines run across: brightness changes far more from row to row than along a row.
    gray = cv2.cvtColor(scanned, cv2.COLOR_BGR2GRAY).astype(int)
    assert np.abs(np.diff(gray, axis=0)).mean() > 2 * np.abs(np.diff(gray, axis=1)).mean()
    plain_gray = cv2.cvtColor(plain, cv2.COLOR_BGR2GRAY).astype(int)
    assert np.abs(np.diff(plain_gray, axis=0)).mean() < 0.5 * np.abs(np.diff(gray, axis=0)).mean()


@pytest.mark.parametrize("slug", EVERY_LOOK)
def test_the_hologram_shows_the_picture(films, slug):
    """What is bright and what is dark in the panel is so in the picture."""
    director, moment = films[slug], 5.0
    frame = at(director, moment)
    picture = director._image
    scale = camera(1.0, PLATE_WIDTH / 2, PLATE_HEIGHT / 2)[0, 0]
    height, width = (int(side * scale * 1.05 * 0.8) for side in picture.shape[:2])
    x, y = frame.shape[1] // 2, int((CENTRE[1] - 26) * scale * 1.05 - PLATE_HEIGHT * scale * 0.025)
    shown = cv2.cvtColor(frame[y - height // 2 : y + height // 2, x - width // 2 : x + width // 2], cv2.COLOR_BGR2GRAY)
    inner = picture[picture.shape[0] // 10 : -picture.shape[0] // 10, picture.shape[1] // 10 : -picture.shape[1] // 10]
    wanted = cv2.cvtColor(cv2.resize(inner, shown.shape[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    blurred = [cv2.GaussianBlur(side.astype(np.float32), (0, 0), 6).ravel() for side in (shown, wanted)]
    assert np.corrcoef(*blurred)[0, 1] > 0.6


def test_a_drawing_on_white_paper_is_no_lamp(renderer):
    drawing = np.full((500, 640, 3), 255, np.uint8)
    cv2.putText(drawing, "HELLO", (80, 300), cv2.FONT_HERSHEY_DUPLEX, 5, (120, 40, 20), 18)
    frame = at(direct(renderer, drawing), 2.6)
    assert (frame.min(axis=2) > 240).mean() < 0.06


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((300, 300, 3), 128, np.uint8),
        np.zeros((200, 900, 3), np.uint8),
        np.full((900, 80, 3), 255, np.uint8),
        np.dstack([teapot(), np.repeat(np.arange(600, dtype=np.int64)[:, None] % 256, 500, 1).astype(np.uint8)]),
        np.full((9, 9, 3), 90, np.uint8),
    ],
    ids=["grey", "wide and black", "narrow and white", "half transparent", "tiny"],
)
def test_odd_pictures_become_films_too(renderer, pixels):
    director = direct(renderer, pixels)
    assert all(at(director, moment).std() > 5 for moment in MOMENTS[1:])


def test_the_same_film_comes_out_again_in_any_order(renderer):
    one, other = direct(renderer, teapot()), direct(renderer, teapot())
    expected = [at(one, moment) for moment in MOMENTS]
    for moment, frame in reversed(list(zip(MOMENTS, expected, strict=True))):
        assert (at(other, moment) == frame).all()
    assert (at(direct(renderer, teapot(), seed="other"), 2.6) != expected[3]).any()


@pytest.mark.slow
def test_a_whole_film_with_poster_and_sound(renderer, tmp_path):
    film = renderer.render(
        as_png(teapot()),
        look="netrunner",
        hero_name="Pot",
        seed="pot",
        faceless=HOLOGRAM,
        folder=tmp_path,
        on_progress=lambda progress: None,
        on_poster=lambda path: None,
        should_stop=lambda: False,
    )
    assert film.seconds == pytest.approx(CUES.end)
    assert film.video.stat().st_size > 500_000
    assert cv2.imread(str(film.poster)).shape == (1280, 720, 3)
