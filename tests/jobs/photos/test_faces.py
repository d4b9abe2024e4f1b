"""What is said at once about photos whose face no film can be made of, and about those that only look difficult."""

import cv2
import numpy as np
import pytest

from jobs.photos import cleaning
from jobs.photos.outcomes import BadPhoto
from tests.support import wardrobe


def code_of(pixels: np.ndarray) -> str | None:
    """The reason why a BGR picture is refused, None when it is not."""
    try:
        cleaning.clean(cv2.imencode(".jpg", pixels)[1].tobytes())
    except BadPhoto as bad:
        return bad.code
    return None


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return cv2.imread(str(wardrobe.PHOTOS / "obama.jpg"))


@pytest.mark.parametrize("take", ["dim", "harsh", "gray", "tilted", "lying", "small", "cut-top", "cut-side", "three"])
def test_an_awkward_photo_is_good_enough(portrait, take):
    assert code_of(wardrobe.CAMERA[take](portrait)) is None


def test_a_photo_cut_at_the_cheek_is_good_enough_and_one_cut_through_an_eye_is_not():
    assert code_of(cv2.imread(str(wardrobe.PHOTOS / "obama_cut.jpg"))) is None
    portrait = cv2.imread(str(wardrobe.PHOTOS / "obama.jpg"))
    assert code_of(portrait[:, 365:]) == "face_cut_off"


def test_a_photo_that_ends_above_the_mouth_is_cut_off(portrait):
    assert code_of(portrait[:264]) == "face_cut_off"


def test_a_silhouette_before_a_bright_window_lies_in_the_dark(portrait):
    alpha = cv2.imread(str(wardrobe.PHOTOS / "obama-alpha.png"), cv2.IMREAD_GRAYSCALE)[..., None] / 255
    backlit = portrait * 0.06 * alpha + np.minimum(portrait * 0.3 + 180, 255) * (1 - alpha)
    assert code_of(backlit.astype(np.uint8)) == "face_too_dark"


@pytest.mark.parametrize("skin", ["dark-skin", "dark-afro", "dark-headscarf"])
@pytest.mark.parametrize("backdrop", wardrobe.BACKDROPS.values())
def test_dark_skin_is_never_taken_for_a_dark_photo(skin, backdrop):
    person = wardrobe.WARDROBE[skin](wardrobe.portrait("obama"))
    assert code_of(wardrobe.compose(person, backdrop)) is None


def test_a_whole_face_is_chosen_before_a_larger_one_that_is_cut_off(portrait):
    large = cv2.resize(portrait[100:420, 240:560], None, fx=1.4, fy=1.4)[:, 160:]  # through the eye
    other = cv2.imread(str(wardrobe.PHOTOS / "biden.jpg"))[100:548]
    photo = cleaning.clean(cv2.imencode(".png", np.hstack([large, other]))[1].tobytes())
    left = photo.face[0] * photo.width
    assert left > large.shape[1]
