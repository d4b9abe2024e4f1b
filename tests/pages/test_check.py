"""What a photo shows is said before it is sent, and of several people the one who is meant is chosen: on the device."""

from __future__ import annotations

import io
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageEnhance

from jobs.models import Job
from providers.faces.vision import find_faces
from selfiehero.environment import PROJECT_DIR
from tests.pages.conftest import has_photo
from tests.pages.test_journey import send
from tests.support.layout import misplaced
from tests.support.processes import wait_for

PHOTOS = PROJECT_DIR / "tests" / "photos"


def as_file(picture: Image.Image) -> dict[str, Any]:
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=92)
    return {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()}


def photo(name: str, height: int = 800) -> Image.Image:
    picture = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    return picture.resize((round(picture.width * height / picture.height), height))


def pair() -> Image.Image:
    """Two people, the one on the right more prominent."""
    left, right = photo("obama", 640), photo("biden", 700)
    picture = Image.new("RGB", (left.width + right.width, 700), (90, 95, 105))
    picture.paste(left, (0, 60))
    picture.paste(right, (left.width, 0))
    return picture


def pot() -> Image.Image:
    picture = np.full((900, 700, 3), 60, np.uint8)
    cv2.ellipse(picture, (350, 560), (230, 180), 0, 0, 360, (60, 120, 200), -1)
    return Image.fromarray(picture)


def half_a_face() -> Image.Image:
    whole = photo("obama")
    face = find_faces(cv2.cvtColor(np.asarray(whole), cv2.COLOR_RGB2BGR))[0]
    return whole.crop((int(face.x + 0.4 * face.width), 0, whole.width, whole.height))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_photo_is_judged_before_it_is_sent_and_one_of_several_people_is_chosen(
    visit: Any, web: Any, tmp_path: Path
) -> None:
    page = visit("/")

    def shows(picture: Image.Image, verdict: str) -> str:
        page.evaluate("delete document.querySelector('#make').dataset.verdict")
        page.set_input_files("#photo-file", as_file(picture))
        has_photo(page)
        wait_for(lambda: page.get_attribute("#make", "data-verdict") == verdict, f"the verdict {verdict}")
        return page.inner_text("[data-doubt]")

    assert "could not find a face" in shows(pot(), "no_face")
    assert "almost black" in shows(ImageEnhance.Brightness(photo("obama")).enhance(0.04), "photo_too_dark")
    assert "too small" in shows(photo("obama", 170), "face_too_small")
    assert "outside of this photo" in shows(half_a_face(), "face_cut_off")
    assert shows(photo("obama"), "good") == ""
    assert page.locator("[data-who]").is_hidden(), "of one person nobody is asked who it is"

    assert shows(pair(), "good") == ""
    assert page.locator("[data-who-faces] input").count() == 2
    assert misplaced(page) == []
    page.check("#consent")
    page.click("[data-action]")
    assert page.inner_text("[data-action-label]") == "Which one is you?"
    assert not Job.objects.exists(), "nothing is sent before somebody was chosen"
    page.locator("[data-who-faces] input").first.check(force=True)
    job = send(page)
    x, y = map(float, job.face.split(","))
    left = min(find_faces(cv2.cvtColor(np.asarray(pair()), cv2.COLOR_RGB2BGR)), key=lambda face: face.x)
    away = np.hypot(x * pair().width - left.centre[0], y * pair().height - left.centre[1])
    assert away < left.width / 4


def test_the_pages_models_are_those_of_the_server() -> None:
    loader = SourceFileLoader("export", str(PROJECT_DIR / "scripts/export-face-models"))
    spec = spec_from_loader("export", loader)
    assert spec is not None
    export = module_from_spec(spec)
    loader.exec_module(export)
    for name, (source, outputs) in export.FILES.items():
        assert (PROJECT_DIR / "static/models" / name).read_bytes() == export.convert(
            (PROJECT_DIR / "providers/faces/models" / source).read_bytes(), outputs
        )
