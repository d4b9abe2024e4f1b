"""Of several people on a photo, the one who was meant becomes the hero, whoever is more prominent."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from jobs.photos import cleaning
from jobs.photos.choosing import turned
from jobs.photos.outcomes import read_point
from providers.faces.vision import find_faces, find_mesh

PHOTOS = Path(__file__).parents[2] / "photos"
WALL = (90, 95, 105)
HEIGHTS = {"guido": 560, "obama": 820, "biden": 640}  # from the left


def person(name: str, height: int) -> Image.Image:
    photo = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    return photo.resize((round(photo.width * height / photo.height), height))


@pytest.fixture(scope="module")
def group() -> Image.Image:
    """Three people side by side, of whom a first search sees one."""
    people = [person(name, height) for name, height in HEIGHTS.items()]
    picture = Image.new("RGB", (sum(one.width for one in people), 900), WALL)
    left = 0
    for one in people:
        picture.paste(one, (left, 900 - one.height))
        left += one.width
    return picture


def as_jpeg(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()


def shape_of_face(bgr: np.ndarray) -> np.ndarray:
    """Return the best face's mesh without its place, size and tilt, 468 x 3."""
    points = find_mesh(bgr, find_faces(bgr)[0]).points
    points = points - points.mean(0)
    points /= np.linalg.norm(points)
    left, right = points[33], points[263]
    angle = np.arctan2(right[1] - left[1], right[0] - left[0])
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return points @ turn.T


def who_is(jpeg: bytes) -> str:
    """Return whose face the studio would film, of the three."""
    shape = shape_of_face(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
    names = ("guido", "obama", "biden")
    return min(
        names, key=lambda name: float(np.linalg.norm(shape - shape_of_face(cv2.imread(str(PHOTOS / f"{name}.jpg")))))
    )


def points_of(group: Image.Image) -> list[tuple[float, float]]:
    """Return where each of the three has their face, from the left."""
    points, left = [], 0
    for name, height in HEIGHTS.items():
        one = person(name, height)
        x, y = find_faces(cv2.cvtColor(np.asarray(one), cv2.COLOR_RGB2BGR))[0].centre
        points.append(((left + x) / group.width, (group.height - one.height + y) / group.height))
        left += one.width
    return points


def test_whoever_is_pointed_at_becomes_the_hero(group: Image.Image) -> None:
    photo = as_jpeg(group)
    for point, name in zip(points_of(group), ("guido", "obama", "biden"), strict=True):
        clean = cleaning.clean(photo, at=point)
        assert who_is(clean.jpeg) == name
        assert clean.face is not None and clean.height > 400, "with room around the head"


def test_the_choice_holds_when_the_photo_is_turned_upright(group: Image.Image) -> None:
    lying = group.transpose(Image.Transpose.ROTATE_90)  # a quarter turn to the left, which no file says
    for point, name in zip(points_of(group), ("guido", "obama", "biden"), strict=True):
        assert who_is(cleaning.clean(as_jpeg(lying), at=turned(point, 1)).jpeg) == name


def test_a_photo_of_one_person_stays_whole() -> None:
    photo = as_jpeg(person("obama", 900))
    assert cleaning.clean(photo, at=(0.1, 0.9)).jpeg == cleaning.clean(photo).jpeg


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("0.25,0.5", (0.25, 0.5)),
        ("0.2,0.3,0.1,0.2", pytest.approx((0.25, 0.4))),
        *((wrong, None) for wrong in ("", "left", "1.2,0.5", "nan,0.5", "0.5", "0.1,0.2,0.3", "-0.1,0.5")),
    ],
)
def test_a_face_is_named_by_a_point_or_a_box(text: str, point: object) -> None:
    assert read_point(text) == point
