"""The watermark of films and stills: what it survives, and that nothing else is taken for it."""

from __future__ import annotations

import hashlib
import time

import cv2
import numpy as np
import pytest

from providers.types import Watermark
from providers.watermark.code import CODED_BITS, decode, encode
from providers.watermark.detect import Detector, flattened
from providers.watermark.embed import Embedder
from providers.watermark.grid import grid_of
from tests.providers.watermark.copies import decoded, encoded, filling, jpeg, lumas, turned
from tests.providers.watermark.scenes import KEY, NUMBER, drawn_pictures, scene, write_clip

SIZE = (720, 1280)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(KEY)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "film.mp4", Watermark(KEY, NUMBER))


@pytest.fixture(scope="module")
def still() -> np.ndarray:
    return cv2.cvtColor(Embedder(Watermark(KEY, NUMBER)).added_to(scene()), cv2.COLOR_BGR2GRAY)


# --- The number ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 1, 2**32 - 1, NUMBER])
def test_a_number_is_read_through_noise_and_a_wrong_one_is_noticed(number):
    soft = encode(number) * 2.0 - 1
    dice = np.random.default_rng(number)
    assert decode(soft) == number
    assert decode(soft + dice.normal(0, 0.7, CODED_BITS)) == number, "one coded bit in twelve is wrong"
    assert decode(dice.normal(0, 1, CODED_BITS)) is None
    with pytest.raises(OverflowError):
        encode(2**32)


def test_grid_and_code_never_change():
    """Films that are out in the world must be found by later versions."""
    grid = grid_of(KEY)
    parts = (grid.pilot.astype("<f4"), grid.carriers.astype("<f4"), grid.bit_of.astype("<i2"), encode(NUMBER))
    digest = hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()
    assert digest == DIGEST
    assert (grid_of(b"o" * 32).pilot != grid.pilot).mean() > 0.3


DIGEST = "715418f3dfd9dcf5615fb8561c86398e0839bb229184f84a515c9146673ad517"


def test_a_watermark_as_text_and_what_is_none():
    watermark = Watermark(KEY, NUMBER)
    assert Watermark.from_text(watermark.to_text()) == watermark
    assert "kkk" not in repr(watermark)
    for text in ("", "no base64!", "AAAA", watermark.to_text() + "AAAA"):
        with pytest.raises(ValueError, match=r"36 bytes|base64"):
            Watermark.from_text(text)
    for key, number in ((b"short", 1), (KEY, -1), (KEY, 2**32)):
        with pytest.raises(ValueError, match="a watermark has"):
            Watermark(key, number)


# --- Films ------------------------------------------------------------------------------------------------


def test_a_film_is_read_as_delivered_and_after_540p_at_1_mbit(clip, detector):
    for film in (clip, encoded(decoded(clip), (540, 960), bit_rate=1_000_000)):
        found = detector.detect(flattened(lumas(film)))
        assert found.is_found
        assert found.number == NUMBER


def test_a_film_is_the_same_each_time_it_is_written(clip, tmp_path):
    again = write_clip(tmp_path / "again.mp4", Watermark(KEY, NUMBER))
    assert again.read_bytes() == clip.read_bytes()


def test_without_a_watermark_and_with_another_key_nothing_is_found(clip, detector, tmp_path):
    plain = write_clip(tmp_path / "plain.mp4", None)
    for seen, searched in ((plain, detector), (clip, Detector(b"o" * 32))):
        found = searched.detect(flattened(lumas(seen)))
        assert not found.is_found
        assert found.number is None


def test_a_frame_differs_by_little_and_costs_little():
    luma = cv2.cvtColor(scene(), cv2.COLOR_BGR2YUV_I420)[:1280]
    embedder, marked = Embedder(Watermark(KEY, NUMBER)), luma.copy()
    embedder.add(marked)
    difference = marked.astype(int) - luma
    assert np.abs(difference).max() < 16
    assert 10 * np.log10(255**2 / np.mean(difference**2.0)) > 38, "dB; the encoder alone takes more"
    assert abs(difference.mean()) < 0.2
    cost = []
    for _ in range(5):
        began = time.thread_time()
        for _ in range(5):
            embedder.add(marked)
        cost.append((time.thread_time() - began) / 5)
    assert min(cost) < 0.003, "s a frame; about 1.1 ms when the machine is quiet"


# --- Stills -----------------------------------------------------------------------------------------------


def test_a_still_is_read_at_half_its_size_mirrored_cropped_and_turned(still, detector):
    half = cv2.resize(still, (360, 640), interpolation=cv2.INTER_AREA)
    mirrored = np.ascontiguousarray(still[:, ::-1])
    copies = [half, mirrored, still[30:1250, 17:700], turned(still, 2), turned(still, -3, filling(3, SIZE))]
    for copy in copies:
        found = detector.detect(flattened([jpeg(copy, 75)]))
        assert found.number == NUMBER
    assert detector.detect(flattened([mirrored])).place.is_mirrored


def test_black_and_white_stay_what_they_are():
    picture = np.zeros((1280, 720, 3), np.uint8)
    picture[:640] = 255
    marked = Embedder(Watermark(KEY, NUMBER)).added_to(picture)
    assert marked[:630].min() > 240
    assert marked[650:].max() < 4


def test_what_is_no_picture_is_refused():
    for frames in ([], [np.zeros((5000, 10), np.uint8)], [np.zeros((64, 64), np.uint8), np.zeros((64, 32), np.uint8)]):
        with pytest.raises(ValueError, match="frame"):
            flattened(frames)


@pytest.mark.parametrize("level", [0, 12, 19, 255])  # 12 and 19 leave what numbers are rounded by
def test_even_pictures_of_any_shape_show_nothing_whatever_the_key(level):
    for size in ((1280, 720), (64, 32), (20, 64), (16, 16)):
        picture = flattened([np.full(size, level, np.uint8)] * 2)
        assert not any(Detector(bytes([number]) * 32).detect(picture).is_found for number in range(6))


@pytest.mark.parametrize("name", drawn_pictures())
def test_a_drawn_picture_shows_nothing(name, detector):
    assert not detector.detect(flattened([drawn_pictures()[name]])).is_found
