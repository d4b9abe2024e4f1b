"""Eyes in pictures: where they are, and when they are not to be believed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from providers.faces.eyes import LOWER_RIM, RIM, find_eyes
from providers.faces.vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, find_faces, find_mesh

PHOTOS = Path(__file__).parents[2] / "photos"


@pytest.fixture(scope="module", params=["astronaut", "guido"])
def face(request):
    picture = cv2.imread(str(PHOTOS / f"{request.param}.jpg"))
    return picture, find_mesh(picture, find_faces(picture)[0])


def test_the_lids_enclose_the_iris_which_is_the_darkest_part_of_the_eye(face):
    picture, mesh = face
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    eyes = find_eyes(picture, mesh)
    assert [eye.shape for eye in eyes] == [(21, 2), (21, 2)]
    assert eyes[0][:, 0].max() < eyes[1][:, 0].min()
    for eye, corner in zip(eyes, (EYE_OUTER_LEFT, EYE_OUTER_RIGHT), strict=True):
        ring = np.vstack([eye[:LOWER_RIM], eye[LOWER_RIM:RIM][::-1]])
        assert cv2.pointPolygonTest(ring.astype(np.float32), eye[RIM].tolist(), measureDist=False) > 0
        width = np.hypot(*(eye[0] - eye[LOWER_RIM - 1]))
        outer, inner = (np.hypot(*(eye[end] - mesh.points[corner, :2])) for end in (0, LOWER_RIM - 1))
        assert outer < 0.5 * width < inner
        inside = np.zeros(gray.shape, np.uint8)
        cv2.fillPoly(inside, [np.round(ring).astype(np.int32)], 1)
        radius = np.hypot(*(eye[RIM + 1] - eye[RIM + 3])) / 2
        iris = cv2.circle(np.zeros_like(inside), np.round(eye[RIM]).astype(int).tolist(), round(radius), 1, -1) * inside
        assert gray[iris > 0].mean() < gray[(inside > 0) & (iris == 0)].mean()


def test_eyes_turn_with_the_face(face):
    picture, mesh = face
    middle = mesh.points[:, :2].mean(0)
    matrix = cv2.getRotationMatrix2D(middle.tolist(), 20, 1.0)
    turned = cv2.warpAffine(picture, matrix, picture.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    expected = [eye @ matrix[:, :2].T + matrix[:, 2] for eye in find_eyes(picture, mesh)]
    found = find_eyes(turned, find_mesh(turned, find_faces(turned)[0]))
    for eye, other in zip(found, expected, strict=True):
        width = np.hypot(*(other[0] - other[LOWER_RIM - 1]))
        assert np.hypot(*(eye - other).T).mean() < 0.12 * width


def test_an_eye_that_is_elsewhere_than_the_mesh_has_it_is_left_out(face, monkeypatch):
    picture, mesh = face
    monkeypatch.setattr("providers.faces.eyes.MOST_APART", 0.0)
    assert find_eyes(picture, mesh) == ()
