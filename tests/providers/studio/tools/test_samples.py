"""The site's pictures: one face at one place, in films that loop."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from providers.studio.film.looks import CHROME_SAMURAI
from providers.studio.film.person.photo import read_photo
from providers.studio.film.person.subject import analyse
from providers.studio.tools import samples


@pytest.fixture(scope="module")
def subject(renderer, astronaut):
    return analyse(read_photo(astronaut))


@pytest.fixture(scope="module")
def sample(renderer, subject) -> samples.Sample:
    return samples.Sample(renderer, subject, CHROME_SAMURAI)


def edges(picture: np.ndarray) -> np.ndarray:
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return gray - cv2.GaussianBlur(gray, (0, 0), 7)


def test_the_photo_and_the_look_show_the_face_at_the_same_place(subject, sample):
    mouth = np.s_[380:440, 215:325]
    plain, look = edges(samples.before(subject)), edges(sample.frame(0))
    assert plain.shape == (960, 540)
    scores = cv2.matchTemplate(look[360:460, 195:345], np.ascontiguousarray(plain[mouth]), cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    assert best > 0.5
    assert abs(x - 20) <= 6
    assert abs(y - 20) <= 6


def test_the_loops_last_frame_leads_to_its_first(sample):
    first, last, quarter = (
        cv2.GaussianBlur(sample.frame(number), (0, 0), 3).astype(int) for number in (0, samples.LOOP_FRAMES, 22)
    )
    assert np.abs(first - last).mean() < 0.4 * np.abs(first - quarter).mean()


def test_pictures_keep_to_their_size(tmp_path, sample):
    samples._write_jpeg(tmp_path / "look.jpg", sample.frame(samples.STILL), samples.LOOK_LIMIT)
    assert 20_000 < (tmp_path / "look.jpg").stat().st_size <= samples.LOOK_LIMIT
    assert cv2.imread(str(tmp_path / "look.jpg")).shape == (960, 540, 3)
