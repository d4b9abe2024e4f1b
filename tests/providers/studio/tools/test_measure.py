"""The measurements: what each must detect, and what must not mislead it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from providers.faces.vision import LIT_CENTRE, find_faces, find_mesh
from providers.studio.tools import measure
from providers.studio.tools.measure import (
    MatteFit,
    Shown,
    Skin,
    complaints,
    face_distance,
    hue_difference,
    lit_centre,
)
from tests.support import wardrobe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def meshes() -> dict[str, np.ndarray]:
    pictures = {who: cv2.imread(str(wardrobe.PHOTOS / f"{who}.jpg")) for who in wardrobe.PORTRAITS}
    return {who: find_mesh(picture, find_faces(picture)[0]).points for who, picture in pictures.items()}


def test_place_size_and_roll_do_not_make_another_face(meshes):
    points = meshes["obama"]
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    moved = np.column_stack([points[:, :2] @ turn * 1.7 + (40, -90), points[:, 2]])
    assert face_distance(points, moved) < 1e-4


def test_a_mirrored_or_stretched_face_is_another_one(meshes):
    points = meshes["guido"]
    assert face_distance(points, points * (-1, 1, 1)) > 0.1
    assert face_distance(points, points * (1.3, 1, 1)) > measure.MOST_DISTANCE


def test_every_other_person_is_farther_than_a_film_may_be(meshes):
    others = [face_distance(meshes[one], meshes[other]) for one in meshes for other in meshes if one != other]
    assert min(others) > 0.045


def test_the_hue_of_skin_is_measured_in_the_lit_centre_alone():
    points = np.zeros((468, 3), np.float32)
    points[list(LIT_CENTRE), :2] = [(100, 60), (140, 100), (100, 140), (60, 100)]
    picture = np.full((200, 200, 3), (255, 0, 0), np.uint8)
    cv2.fillPoly(picture, [points[list(LIT_CENTRE), :2].astype(np.int32)], (60, 120, 180))
    skin = lit_centre(picture, points)
    assert (skin.hue, skin.burnt) == (pytest.approx(30, abs=0.5), 0)
    assert skin.luma == pytest.approx((0.114 * 60 + 0.587 * 120 + 0.299 * 180) / 255, abs=0.01)


def test_hues_are_compared_around_the_circle():
    assert hue_difference(355, 5) == 10
    assert hue_difference(20, 260) == 120


def test_every_broken_rule_is_a_sentence():
    good = Shown("neon-noir", Skin(20, 0.5, 0.5, 0), 3.0, 0.0, 0.02)
    assert complaints(MatteFit(0.99, 0.01, 1.0), [good]) == []
    bad = Shown("netrunner", Skin(90, 0.5, 0.9, 0.2), 70.0, 0.2, 0.2, clipped=0.3)
    broken = complaints(MatteFit(0.5, 0.5, 40), [good, bad])
    assert len(broken) == 8
    assert not any("neon-noir" in text for text in broken)


def test_a_white_forehead_and_a_clipped_channel_are_seen():
    person = wardrobe.portrait("obama")
    subject = measure.analyse(measure.Photo(wardrobe.compose(person, wardrobe.bright_wall), None))
    frame = np.full((measure.FRAME_HEIGHT, measure.FRAME_WIDTH, 3), 120, np.uint8)
    assert measure.blown_out(subject, frame) == (0, 0)
    frame[:, : measure.FRAME_WIDTH // 2] = (20, 20, 255)
    near_white, clipped = measure.blown_out(subject, frame)
    assert near_white == 0 and 0.3 < clipped < 0.7
    assert measure.blown_out(subject, np.full_like(frame, 245)) == (1, 0)


def test_a_matte_that_lost_the_hair_or_kept_the_wall_is_seen_through(monkeypatch):
    person = wardrobe.portrait("obama")
    picture = wardrobe.compose(person, wardrobe.bright_wall)
    alpha = np.round(person.alpha * 255).astype(np.uint8)
    subject = measure.analyse(measure.Photo(picture, alpha))  # the true alpha as the photo's own
    true = measure.matte_fit(subject, alpha)
    assert true.iou > 0.99 and true.halo < 2
    cut, wide = cv2.erode(alpha, np.ones((25, 25))), cv2.dilate(alpha, np.ones((25, 25)))
    lost = measure.matte_fit(measure.analyse(measure.Photo(picture, cut)), alpha)
    assert lost.cut_off > measure.MOST_CUT_OFF and lost.iou < true.iou
    kept = measure.matte_fit(measure.analyse(measure.Photo(picture, wide)), alpha)
    assert kept.halo > measure.MOST_HALO and kept.cut_off < 0.02


def test_the_command_prints_figures_and_fails_when_a_rule_is_broken(tmp_path, monkeypatch, capsys):
    person = wardrobe.portrait("obama")
    cv2.imwrite(str(tmp_path / "wall.jpg"), wardrobe.compose(person, wardrobe.bright_wall))
    cv2.imwrite(str(tmp_path / "wall-alpha.png"), np.round(person.alpha * 255).astype(np.uint8))
    cv2.imwrite(str(tmp_path / "nobody.png"), np.full((200, 200, 3), 90, np.uint8))
    monkeypatch.setattr("sys.argv", ["measure", str(tmp_path), "--look", "neon-noir"])
    assert measure.main() == 0
    said = capsys.readouterr().out
    assert "nobody: no film" in said and "matte: IoU 0.9" in said and "2 photos, 0 rules broken" in said
    cv2.imwrite(str(tmp_path / "wall-alpha.png"), np.roll(np.round(person.alpha * 255).astype(np.uint8), 60, axis=1))
    assert measure.main() == 1
    assert "FAIL matte IoU" in capsys.readouterr().out
