"""Photos that lie on their side or hang upside down without a word about it in their EXIF."""

import io

import numpy as np
import pytest
from PIL import Image

from jobs.photos import cleaning
from jobs.photos.outcomes import BadPhoto
from jobs.photos.sandbox import Sandbox
from jobs.photos.upright import find_upright
from providers.faces.vision import Face, find_faces
from tests.jobs.photos import pictures

TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


def portrait(size: tuple[int, int] = (448, 512)) -> Image.Image:
    """The astronaut in a picture that is not square, so that a turn shows in its size."""
    with Image.open(pictures.ASTRONAUT) as image:
        return image.convert("RGB").crop((0, 0, 448, 512)).resize(size)


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"), int)


def face(score: float, *, down: float = 0) -> Face:
    return Face(100, 100, 100, 100, score, ((120.0, 130.0), (180.0, 130.0 + down)))


@pytest.mark.parametrize("degrees", TURNS)
@pytest.mark.parametrize("size", [(448, 512), (1344, 1536)])
def test_a_turned_photo_comes_out_upright(degrees, size):
    upright = portrait(size)
    photo = cleaning.clean(pictures.encoded(upright.transpose(TURNS[degrees]), "JPEG", quality=95))
    assert (photo.width, photo.height) == size
    assert np.abs(pixels(photo.jpeg) - np.asarray(upright, int)).mean() < 6
    expected = cleaning.clean(pictures.encoded(upright, "JPEG", quality=95))
    assert photo.faces == 1
    assert photo.face == pytest.approx(expected.face, abs=0.03)


def test_the_sandbox_turns_photos_too():
    upright = portrait()
    with Sandbox() as sandbox:
        photo = sandbox.clean(pictures.encoded(upright.transpose(Image.Transpose.ROTATE_180), "JPEG", quality=95))
    assert np.abs(pixels(photo.jpeg) - np.asarray(upright, int)).mean() < 6


def test_an_upright_photo_is_searched_once_and_kept():
    looks = []

    def count(bgr):
        looks.append(bgr.shape)
        return find_faces(bgr)

    upright = portrait()
    photo = cleaning.clean(pictures.encoded(upright, "JPEG", quality=95), find_faces=count)
    assert looks == [(512, 448, 3)]
    assert np.abs(pixels(photo.jpeg) - np.asarray(upright, int)).mean() < 6


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_a_head_held_askew_is_no_reason_to_turn_the_photo(degrees):
    photo = cleaning.clean(pictures.encoded(pictures.person().rotate(degrees), "JPEG"))
    assert np.abs(pixels(photo.jpeg) - np.asarray(pictures.person().rotate(degrees), int)).mean() < 6


def looking(first, *turned):
    """A finder whose answers are given: to the picture as it came, upside down, to the left, to the right."""
    answers = iter([first, *turned])
    return lambda bgr: next(answers)


PICTURE = np.zeros((300, 300, 3), np.uint8)


@pytest.mark.parametrize(
    ("answers", "turn"),
    [
        (([face(0.7)], [face(0.75)], [], []), 0),
        (([face(0.7)], [face(0.9)], [], []), 2),
        (([face(0.9, down=150)], [], [], [face(0.9)]), 0),
        (([face(0.7, down=150)], [], [], [face(0.9)]), 3),
        (([], [], [face(0.7)], []), 1),
        (([], [], [face(0.9, down=150)], [face(0.7)]), 3),
        (([], [], [], []), 0),
    ],
)
def test_a_photo_is_turned_only_for_a_clearly_better_face(answers, turn):
    assert find_upright(PICTURE, looking(*answers), lambda bgr, face: True)[0] == turn


def test_what_the_second_check_does_not_take_for_a_face_turns_no_photo():
    seen = [face(0.69)]
    answers = looking(seen, [], [face(0.95)], [])
    assert find_upright(PICTURE, answers, lambda bgr, face: face.score < 0.9) == (0, seen)


def test_a_picture_without_a_face_has_none_in_any_turn():
    slope = np.tile(np.linspace(20, 230, 600).astype(np.uint8), (600, 1))
    with pytest.raises(BadPhoto, match="no_face"):
        cleaning.clean(pictures.encoded(Image.fromarray(slope), "JPEG"))
