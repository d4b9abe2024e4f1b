"""A picture without a face, from the upload to the hologram's film, nothing mocked; and what is said without leave."""

import io
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from selfiehero.environment import PROJECT_DIR
from tests.journeys.test_first_hero import assert_is_the_film
from tests.journeys.visitor import Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ALLOW = "from providers.models import ProviderConfig as P; P.objects.filter(adapter='studio').update(parameters={})"


@pytest.fixture
def pot(tmp_path):
    picture = np.full((900, 700, 3), 60, np.uint8)
    cv2.ellipse(picture, (350, 560), (230, 180), 0, 0, 360, (60, 120, 200), -1)
    cv2.rectangle(picture, (280, 330), (420, 390), (90, 160, 230), -1)
    cv2.imwrite(str(tmp_path / "pot.jpg"), picture)
    return tmp_path / "pot.jpg"


def allow(product, answer: bool) -> None:
    """What staff do in the admin: write the studio's parameter."""
    code = ALLOW.replace("{}", f"{{'allow_no_face': {answer}}}")
    environment = {name: value for name, value in {**os.environ, **product.env}.items() if value is not None}
    subprocess.run([sys.executable, "manage.py", "shell", "-c", code], cwd=PROJECT_DIR, env=environment, check=True)


def test_a_picture_without_a_face_is_a_hologram_where_staff_allow_it(product, pot):
    visitor = Visitor(product.url)
    allow(product, False)
    refused = visitor.wait_for_end(visitor.send(pot).json()["id"], seconds=60)
    assert (refused["status"], refused["failure"]["code"]) == ("failed", "no_face")
    assert refused["failure"]["next_step"]
    allow(product, True)
    job = visitor.wait_for_end(visitor.send(pot, hero_name="Pot").json()["id"], seconds=90)
    assert job["status"] == "succeeded"
    assert_is_the_film(io.BytesIO(visitor.film(job)))
