"""The visor on faces that look straight ahead, and on those that do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from providers.studio.film.looks import LOOKS
from providers.studio.film.person.faceframe import FaceFrame
from providers.studio.film.person.photo import read_photo
from providers.studio.film.person.subject import analyse, place
from providers.studio.film.suit.visor import ASIDE, make_visor


@pytest.fixture(scope="module")
def face(renderer, astronaut) -> FaceFrame:
    subject = analyse(read_photo(astronaut))
    matrix = place(subject).matrix
    return FaceFrame.of(subject.mesh.points[:, :2] @ matrix[:, :2].T + matrix[:, 2])


@pytest.fixture(scope="module")
def whole(face) -> np.ndarray:
    """The alpha of a photo that shows all of the face."""
    return np.ones((face.height, face.width), np.float32)


def covered(face: FaceFrame, mask: np.ndarray) -> tuple[bool, bool]:
    """Whether the glass covers the eye on the picture's left, and the right one."""
    centres = (face.points[[159, 145]].mean(0), face.points[[386, 374]].mean(0))
    return tuple(bool(mask[tuple(np.array(face.local_point(centre)[::-1]) // 16)] > 127) for centre in centres)


@pytest.mark.parametrize("slug", ["neon-noir", "chrome-samurai"])
def test_a_face_that_looks_ahead_wears_glass_over_both_eyes(face, whole, slug):
    assert covered(face, make_visor(face, LOOKS[slug], 0.9, whole).mask) == (True, True)


@pytest.mark.parametrize("slug", [slug for slug, look in LOOKS.items() if look.visor != "none"])
@pytest.mark.parametrize(("yaw", "eyes"), [(ASIDE + 0.1, (True, False)), (-ASIDE - 0.1, (False, True))])
def test_a_face_that_looks_aside_wears_a_lens_over_its_nearer_eye(face, whole, slug, yaw, eyes):
    assert covered(face, make_visor(face, LOOKS[slug], 0.9, whole, yaw).mask) == eyes


@pytest.mark.parametrize("yaw", [0.0, 0.2, ASIDE + 0.1, -ASIDE - 0.1])
def test_a_look_without_a_visor_leaves_every_face_bare(face, whole, yaw):
    visor = make_visor(face, replace(LOOKS["netrunner"], visor="none"), 0.9, whole, yaw)
    assert visor.mask.max() == 0
    assert visor.light.max() == 0
    assert visor.keep.min() == 1


@pytest.mark.parametrize(("side", "eyes"), [(-1, (True, False)), (1, (False, True))])
def test_the_lens_sits_where_the_film_wants_it(face, whole, side, eyes):
    assert covered(face, make_visor(face, LOOKS["netrunner"], 0.9, whole, 0.0, side).mask) == eyes


def test_the_samurais_glass_lets_the_eyes_through_and_its_plate_does_not(face, whole):
    visor = make_visor(face, LOOKS["chrome-samurai"], 0.9, whole)
    x, y = (np.array(face.local_point(face.points[[386, 374]].mean(0))) // 16).tolist()
    assert visor.keep[y - 2 : y + 3, x - 2 : x + 3].min() > 0.8
    brow = face.at(0, min(face.below(105), face.below(334)) - 0.14 * face.unit)
    x, y = (np.array(face.local_point(brow)) // 16).tolist()
    assert visor.keep[y, x] < 0.1


def test_where_the_photo_cuts_the_face_there_is_no_visor(face, whole):
    half = whole.copy()
    middle = face.local_point(face.at(0, 0))[0] // 16
    half[:, middle:] = 0
    lens = make_visor(face, LOOKS["netrunner"], 0.9, half, 0.0, 1)
    assert covered(face, lens.mask) == (True, False)
    band = make_visor(face, LOOKS["neon-noir"], 0.9, half)
    beyond = middle + int(face.unit * 0.45)
    assert covered(face, band.mask) == (True, False)
    assert band.light[:, beyond:].max() < 1 < band.light[:, :middle].max()
