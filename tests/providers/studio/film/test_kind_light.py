"""Light that is kind: white teeth and eyes, no shadow beside the nose, and colour for photos that have none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from providers.faces.vision import CHIN, FOREHEAD, LIT_CENTRE, NOSE_TIP
from providers.studio.film.hero import Hero
from providers.studio.film.looks import LOOKS
from providers.studio.film.person.cutout import Cutout, cut_out
from providers.studio.film.person.photo import Photo
from providers.studio.film.person.relight import relight
from providers.studio.film.person.skin import LUMA, strangeness
from providers.studio.film.person.subject import Subject, analyse, place
from providers.studio.film.person.tint import LIPS
from providers.studio.film.person.whites import inner_lips
from providers.studio.tools.face_light import face_light, unkind
from providers.studio.tools.measure import bare_close_up, photo_to_close_up
from tests.support import wardrobe

pytestmark = pytest.mark.slow

LOOK = LOOKS["neon-noir"]


def photo_of(who: str) -> np.ndarray:
    return cv2.imread(str(wardrobe.PHOTOS / f"{who}.jpg"))


@pytest.fixture(scope="module")
def smiling() -> Subject:
    return analyse(Photo(photo_of("obama"), None))


@pytest.fixture(scope="module")
def bare(smiling, renderer) -> np.ndarray:
    return bare_close_up(smiling, Hero(smiling, LOOK, renderer.armour(LOOK.slug)))


def lit(pixels: np.ndarray) -> tuple[Cutout, np.ndarray]:
    """A photo on the plate, and its base layer as floats 0..1."""
    subject = analyse(Photo(pixels, None))
    cutout = cut_out(subject, place(subject))
    return cutout, relight(cutout, LOOK).base[..., :3].astype(np.float32) / 255


def mean_inside(picture: np.ndarray, ring: np.ndarray) -> np.ndarray:
    mask = cv2.fillPoly(np.zeros(picture.shape[:2], np.uint8), [np.round(ring).astype(np.int32)], 1)
    return picture[mask > 0].mean(0)


def hue(colour: np.ndarray) -> float:
    return float(cv2.cvtColor(colour[None, None].astype(np.float32), cv2.COLOR_BGR2HSV)[0, 0, 0] + 180) % 360 - 180


def saturation(colour: np.ndarray) -> float:
    return 1 - float(colour.min() / colour.max())


def test_teeth_and_eyes_stay_white_and_nothing_in_the_face_burns(smiling, bare):
    light = face_light(smiling, photo_to_close_up(smiling), bare)
    assert light.teeth and light.eyes
    assert unkind(light) == []
    for photo, film in (light.teeth, light.eyes):
        assert photo.lightness - 0.02 < film.lightness < photo.lightness + 0.25
        assert film.chroma < photo.chroma


def test_dull_or_coloured_teeth_and_burnt_cheeks_are_seen(smiling, bare):
    to_frame, changed = photo_to_close_up(smiling), bare.copy()
    lips = inner_lips(smiling.mesh.points) @ to_frame[:, :2].T + to_frame[:, 2]
    cv2.fillPoly(changed, [np.round(lips).astype(np.int32)], (40, 70, 90))
    nose = smiling.mesh.points[NOSE_TIP, :2] @ to_frame[:, :2].T + to_frame[:, 2]
    cv2.circle(changed, np.round(nose).astype(int).tolist(), 25, (255, 255, 255), -1)
    broken = " ".join(unkind(face_light(smiling, to_frame, changed)))
    assert "teeth lost light" in broken and "teeth took colour" in broken and "of the face clips" in broken
    assert "eyes" not in broken


def unevenness(cutout: Cutout) -> float:
    """How unevenly the film lights the middle of a face, beside the photo."""
    base = relight(cutout, LOOK).base[..., :3].astype(np.float32) @ LUMA
    photo = cutout.colours.astype(np.float32) @ LUMA
    ring = cutout.points[list(LIT_CENTRE), :2]
    mask = cv2.fillPoly(np.zeros(photo.shape, np.uint8), [np.round(ring).astype(np.int32)], 1) > 0
    gain = cv2.GaussianBlur(base, (0, 0), 6) / np.maximum(cv2.GaussianBlur(photo, (0, 0), 6), 1)
    return float(gain[mask].std() / gain[mask].mean())


def test_the_film_adds_no_second_shadow_beside_the_nose(smiling, monkeypatch):
    cutout = cut_out(smiling, place(smiling))
    kind = unevenness(cutout)
    monkeypatch.setattr("providers.studio.film.person.relight.SOFTENED", 0.0)
    assert kind < 0.2
    assert kind < 0.8 * unevenness(cutout)


def test_a_black_and_white_photo_gets_skin_lips_and_hair_in_tones_of_their_own():
    cutout, base = lit(wardrobe.grayscale(photo_of("astronaut")))
    points = cutout.points[:, :2]
    skin, lips = mean_inside(base, points[list(LIT_CENTRE)]), mean_inside(base, points[list(LIPS)])
    above = points[FOREHEAD] - (points[CHIN] - points[FOREHEAD]) * 0.2
    hair = mean_inside(base, above + np.array([[-30, -20], [30, -20], [30, 20], [-30, 20]]))
    assert 10 < hue(skin) < 32 and saturation(skin) > 0.2
    assert hue(lips) < hue(skin) - 4
    assert saturation(hair) < 0.75 * saturation(skin)


def test_a_blue_photo_becomes_warm():
    cold = np.clip(photo_of("biden") * np.array([1.25, 0.95, 0.62]), 0, 255).astype(np.uint8)
    cutout, base = lit(cold)
    skin = mean_inside(base, cutout.points[list(LIT_CENTRE), :2])
    assert 0 < hue(skin) < 40 and saturation(skin) > 0.2


@pytest.mark.parametrize(
    ("skin", "strange"),
    [((90, 120, 190), 0), ((150, 175, 215), 0), ((40, 52, 70), 0), ((128, 128, 128), 1), ((190, 150, 120), 1)],
    ids=["tan", "pale", "dark", "gray", "blue"],
)
def test_what_skin_looks_strange(skin, strange):
    assert strangeness(np.array(skin, np.float64)) == pytest.approx(strange, abs=0.1)
