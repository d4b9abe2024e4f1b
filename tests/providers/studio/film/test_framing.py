"""What is in the frame: the selfie fills the opening, and the suit's opening shows skin, hair and beard, no shirt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from providers.faces.vision import CHIN, JAW_LEFT, JAW_RIGHT
from providers.studio.film import shots
from providers.studio.film.canvas import FRAME_WIDTH, FRAMES_PER_SECOND, PLATE_HEIGHT, PLATE_WIDTH
from providers.studio.film.looks import LOOKS
from providers.studio.film.person import relight as lighting
from providers.studio.film.person.cutout import Cutout, cut_out
from providers.studio.film.person.photo import Photo, read_photo
from providers.studio.film.person.relight import relight
from providers.studio.film.person.subject import analyse, place
from providers.studio.film.scan import MOST_FACE, Scan
from tests.support import wardrobe

pytestmark = pytest.mark.slow

LOOK = LOOKS["neon-noir"]
GUIDO = wardrobe.PHOTOS / "guido.jpg"
# The same face in photos of other shapes.
SHAPES = {
    "3:2": np.s_[:, :],
    "square": np.s_[:, 200:733],
    "5:2": np.s_[100:420, :],
    "4:5": np.s_[:, 220:646],
    "narrow": np.s_[:, 215:515],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_opening_has_no_edge_of_the_photo_in_it(shape):
    pixels = np.ascontiguousarray(cv2.imread(str(GUIDO))[SHAPES[shape]])
    subject = analyse(Photo(pixels, None))
    plate, scale, x, y = Scan._framed(subject)
    height, width = pixels.shape[0] * scale, pixels.shape[1] * scale
    if (
        subject.face_height * max(PLATE_WIDTH / pixels.shape[1], PLATE_HEIGHT / pixels.shape[0])
        < MOST_FACE * PLATE_HEIGHT
    ):
        assert x <= 0.5 and y <= 0.5 and x + width >= PLATE_WIDTH - 0.5 and y + height >= PLATE_HEIGHT - 0.5
    steps = np.abs(np.diff(plate.astype(np.float32).mean(2), axis=0)).mean(1)
    for edge in (int(y), int(y + height)):
        if 20 < edge < PLATE_HEIGHT - 20:
            assert steps[edge - 3 : edge + 3].max() < 2.5 * steps[edge - 20 : edge + 20].mean()
    face = (subject.mesh.points[:, 0] * scale + x).mean() * FRAME_WIDTH / PLATE_WIDTH
    assert 0.3 * FRAME_WIDTH < face < 0.7 * FRAME_WIDTH


def on_plate(photo: Photo) -> Cutout:
    subject = analyse(photo)
    return cut_out(subject, place(subject))


def test_a_white_collar_becomes_dark_and_the_neck_stays_skin():
    cutout = on_plate(Photo(cv2.imread(str(wardrobe.PHOTOS / "obama.jpg")), None))
    base = relight(cutout, LOOK).base[..., :3]
    chin = cutout.points[CHIN, :2]
    x, y = (chin + np.array([-0.36, 0.17]) * cutout.face_width).astype(int)
    collar, film = cutout.colours[y - 4 : y + 5, x - 4 : x + 5].mean(), base[y - 4 : y + 5, x - 4 : x + 5].mean()
    assert collar > 180 and film < 50
    jaw = (cutout.points[[JAW_LEFT, JAW_RIGHT], :2] + chin) / 2
    for x, y in jaw.astype(int):
        assert base[y - 12 : y - 4, x - 4 : x + 5].mean() > 25


@pytest.mark.parametrize(("who", "wearing"), [("obama", "beard"), ("biden", "dark-headscarf")])
def test_a_beard_and_a_headscarf_are_no_collar(monkeypatch, who, wearing):
    person = wardrobe.WARDROBE[wearing](wardrobe.portrait(who))
    cutout = on_plate(Photo(wardrobe.compose(person, wardrobe.BACKDROPS["street"]), None))
    changed = relight(cutout, LOOK).base
    monkeypatch.setattr(lighting, "_undress", lambda *layers: None)
    plain = relight(cutout, LOOK).base
    x, y = cutout.points[CHIN, :2].astype(int)
    below = np.s_[y - 30 : y + 40, x - 60 : x + 60]
    assert np.abs(changed[below].astype(int) - plain[below]).mean() < 2


def test_the_picture_breaks_up_once_between_the_scan_and_the_hero(renderer, astronaut, monkeypatch):
    director = renderer.direct(read_photo(astronaut), look=LOOK.slug, hero_name="", seed="cut")
    broken = []
    monkeypatch.setattr(shots, "glitch", lambda picture, gain, dice, lights: broken.append(gain) or picture)
    timeline = LOOK.timeline
    for moment in (timeline.visor_at, timeline.close_up_at, timeline.title_at):
        for number in (round(moment * FRAMES_PER_SECOND) - 1, round(moment * FRAMES_PER_SECOND) + 1):
            director.frame(number)
    assert broken == []
    director.frame(int(timeline.hero_at * FRAMES_PER_SECOND) + 1)
    assert len(broken) == 1
