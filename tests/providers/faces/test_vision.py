from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from providers.faces import vision
from providers.faces.vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, MODELS, find_faces, find_mesh

ASTRONAUT = Path(__file__).parents[2] / "photos" / "astronaut.jpg"


@pytest.fixture
def picture() -> np.ndarray:
    return cv2.imdecode(np.frombuffer(ASTRONAUT.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def test_a_face_is_found_where_it_is(picture):
    (face,) = find_faces(picture)
    assert face.score > 0.8
    assert 205 < face.centre[0] < 245
    assert 110 < face.centre[1] < 155
    assert 80 < face.width < 115


def test_two_people_are_two_faces_and_the_larger_comes_first(picture):
    large = picture[20:300, 90:370]
    small = cv2.resize(large, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    beside = np.full((large.shape[0], small.shape[1], 3), 128, np.uint8)
    beside[: small.shape[0]] = small
    faces = find_faces(np.hstack([beside, large]))
    assert len(faces) == 2
    assert faces[0].width > faces[1].width
    assert faces[0].x > beside.shape[1]


def test_a_small_face_in_a_wide_picture_is_found(picture):
    small = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    wide = np.full((500, 1200, 3), 90, np.uint8)
    wide[200 : 200 + small.shape[0], 800 : 800 + small.shape[1]] = small
    assert len(find_faces(wide)) == 1


@pytest.mark.parametrize("shape", [(480, 640, 3), (64, 64, 3), (1536, 300, 3)])
def test_no_face_is_found_in_an_empty_picture(shape):
    assert find_faces(np.zeros(shape, np.uint8)) == []
    assert find_faces(np.random.default_rng(1).integers(0, 255, shape, np.uint8)) == []


def test_the_mesh_lies_on_the_face_and_knows_its_roll(picture):
    tilted = cv2.warpAffine(picture, cv2.getRotationMatrix2D((220, 130), 25, 1.0), picture.shape[1::-1])
    straight = find_mesh(picture, find_faces(picture)[0])
    rolled = find_mesh(tilted, find_faces(tilted)[0])
    assert straight.presence > 0.9
    assert straight.points.shape == (468, 3)
    assert straight.points[EYE_OUTER_LEFT, 0] < straight.points[EYE_OUTER_RIGHT, 0]
    assert np.degrees(straight.roll - rolled.roll) == pytest.approx(25, abs=4)


def test_importing_the_detector_does_not_import_the_product():
    code = "import sys, providers.faces.vision; print(sorted({name.split('.')[0] for name in sys.modules}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "cv2" in shown
    assert not {"django", "PIL", "av"} & set(re.findall(r"\w+", shown))


def test_the_models_are_the_ones_their_readme_names():
    named = dict(re.findall(r"`(\w+\.tflite)`.*`([0-9a-f]{64})`", (MODELS / "README.md").read_text()))
    shipped = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in MODELS.glob("*.tflite")}
    assert shipped == named


def test_several_outputs_cost_one_pass(picture, monkeypatch):
    """Counted, not timed: the network is asked once for all of them."""
    calls = []
    net = vision._net

    class Counted:
        def __init__(self, inner):
            self.inner = inner

        def setInput(self, blob):
            self.inner.setInput(blob)

        def forward(self, outputs):
            calls.append(outputs)
            return self.inner.forward(outputs)

    monkeypatch.setattr(vision, "_net", lambda model, *, several: Counted(net(model, several=several)))
    (face,) = find_faces(picture)
    asked = len(calls)
    find_mesh(picture, face)
    assert all(isinstance(outputs, list) and len(outputs) == 2 for outputs in calls)
    assert len(calls) - asked == 2  # the mesh looks twice: roughly, then upright
