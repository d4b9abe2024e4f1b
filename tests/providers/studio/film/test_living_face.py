"""The face lives: it turns in depth, blinks, smiles and breathes, and nothing of it moves that should not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from providers.faces.eyes import LOWER_RIM, RIM
from providers.faces.vision import CHIN, EYE_OUTER_LEFT, EYE_OUTER_RIGHT, FOREHEAD, NOSE_TIP
from providers.studio.film.acting import Acting
from providers.studio.film.canvas import FRAMES_PER_SECOND, PLATE_HEIGHT, PLATE_WIDTH, camera
from providers.studio.film.hero import Pose
from providers.studio.film.looks import LOOKS
from providers.studio.film.person.cutout import Cutout, cut_out
from providers.studio.film.person.eyelids import eyelids
from providers.studio.film.person.membrane import stretched
from providers.studio.film.person.photo import Photo, read_photo
from providers.studio.film.person.relief import MOUTH_CORNERS, STILL, Gesture, Relief
from providers.studio.film.person.relight import triangulate
from providers.studio.film.person.subject import analyse, place
from providers.studio.film.shots import Director
from providers.studio.film.variation import Variation
from providers.studio.tools.motion import LEAST_MOTION, beyond_similarity, motion
from tests.support import wardrobe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def director(renderer, astronaut) -> Director:
    return renderer.direct(read_photo(astronaut), look="netrunner", hero_name="", seed="alive")


@pytest.fixture(scope="module")
def cutout(astronaut) -> Cutout:
    subject = analyse(read_photo(astronaut))
    return cut_out(subject, place(subject))


@pytest.fixture(scope="module")
def relief(cutout) -> Relief:
    return Relief(cutout, triangulate(cutout.points[:, :2]))


def test_the_face_moves_beyond_what_the_camera_does(director):
    moved = motion(director)
    assert min(moved.hero, moved.close_up) > LEAST_MOTION
    assert moved.title > 0.8


def test_what_a_camera_does_is_no_motion(cutout):
    points = cutout.points[:, :2].astype(np.float64)
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    assert beyond_similarity(points, points @ turn * 1.4 + (30, -8)) < 1e-6
    assert beyond_similarity(points, points * (1.05, 1)) > 1


def test_a_still_hero_does_not_move(relief):
    assert np.abs(relief.moved(STILL)).max() < 1e-4


def test_a_turned_head_moves_its_nose_before_its_ears(relief, cutout):
    points = cutout.points[:, :2]
    right, down = relief.carried(points, Gesture(yaw=5)), relief.carried(points, Gesture(pitch=4))
    assert right[NOSE_TIP, 0] > 8 and np.abs(right[:, 1]).max() < 4
    assert down[NOSE_TIP, 1] > right[NOSE_TIP, 1] + 4
    ears = relief.carried(points[[234, 454]], Gesture(yaw=5))
    assert np.abs(ears[:, 0]).max() < 0.4 * right[NOSE_TIP, 0]


def test_a_smile_lifts_and_widens_the_mouth_and_leaves_the_eyes(relief, cutout):
    points = cutout.points[:, :2]
    moved = relief.carried(points, Gesture(smile=1))
    left, right = moved[list(MOUTH_CORNERS)]
    assert left[0] < -1.5 and right[0] > 1.5 and max(left[1], right[1]) < -2
    assert np.abs(moved[[EYE_OUTER_LEFT, EYE_OUTER_RIGHT]]).max() < 0.5


def test_a_breath_moves_the_chest_and_not_the_head(relief, cutout):
    chest = np.array([[PLATE_WIDTH / 2, PLATE_HEIGHT - 60.0]])
    assert relief.carried(chest, Gesture(breath=1))[0, 1] < -2
    assert np.abs(relief.carried(cutout.points[[FOREHEAD, CHIN], :2], Gesture(breath=1))).max() < 0.5


def test_the_rims_of_glasses_stay_straight_in_a_turned_head(relief, cutout):
    """The line between the outer corners of the eyes crosses the bridge of the nose."""
    ends = cutout.points[[EYE_OUTER_LEFT, EYE_OUTER_RIGHT], :2]
    rim = np.linspace(*ends, 40)
    bent = rim + relief.carried(rim, Gesture(yaw=5, pitch=3))
    along = (bent[-1] - bent[0]) / np.hypot(*(bent[-1] - bent[0]))
    assert np.abs((bent - bent[0]) @ np.array([-along[1], along[0]])).max() < 3


def swaying(who: str, wearing: str) -> float:
    """How far what lies beyond the head goes in a gust, plate px."""
    person = wardrobe.WARDROBE[wearing](wardrobe.portrait(who))
    subject = analyse(Photo(wardrobe.compose(person, wardrobe.BACKDROPS["wall"]), None))
    cutout = cut_out(subject, place(subject))
    moved = Relief(cutout, triangulate(cutout.points[:, :2])).moved(Gesture(gust=1, wind=0.5))
    alpha = cv2.resize(cutout.alpha, moved.shape[1::-1], interpolation=cv2.INTER_AREA)
    chin = int(cutout.points[CHIN, 1]) // 4
    return float(np.percentile(np.hypot(*moved[:chin].T)[alpha[:chin].T > 0.5], 98))


def test_loose_hair_sways_and_a_hat_does_not():
    assert swaying("obama", "dark-afro") > 2 * swaying("obama", "hat")
    assert swaying("obama", "hat") < 1.5


def test_eyes_are_open_on_the_poster_and_close_three_times():
    for seed in ("one", "two", "three"):
        for look in LOOKS.values():
            acting = Acting.of(look.timeline, Variation.of(seed), 0.1)
            shots = (acting.hero, acting.close_up, acting.title)
            starts = (*look.timeline.cuts, look.timeline.seconds)
            blinks = []
            for shot, start, end in zip(shots, starts, starts[1:], strict=False):
                times = np.arange(start, end, 1 / FRAMES_PER_SECOND)
                blinks.append(max(shot(time, (time - start) / (end - start)).blink for time in times))
            assert min(blinks) > 0.8
            poster = look.timeline.poster_at
            assert acting.title(poster, (poster - starts[2]) / (starts[3] - starts[2])).blink < 0.02


def test_a_closed_lid_looks_like_the_skin_around_it(cutout):
    base = np.dstack([cutout.colours, np.full(cutout.alpha.shape, 255, np.uint8)])
    lids = eyelids(cutout.eyes, [base, np.zeros_like(base)])
    assert len(lids) == 2
    for lid, eye in zip(lids, cutout.eyes, strict=True):
        picture, skin = base[lid.box].astype(np.float32), lid.layers[0].astype(np.float32)
        top, left = lid.box[0].start, lid.box[1].start
        ring = np.vstack([eye[:LOWER_RIM], eye[LOWER_RIM:RIM][::-1]]) - (left, top)
        inside = cv2.fillPoly(np.zeros(picture.shape[:2], np.uint8), [np.round(ring).astype(np.int32)], 1) > 0
        inside = cv2.erode(inside.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        shut = lid.closed(picture, skin, 1.0)
        assert shut[inside][:, :3].std() < 0.5 * picture[inside][:, :3].std()  # no iris, no white
        cheek = picture[-6:, :, :3].mean()
        assert 0.5 * cheek < shut[inside][:, :3].mean() < 1.1 * cheek
        assert (lid.closed(picture, skin, 0.0) == picture).all()


def test_nobody_winks():
    picture = np.full((200, 400, 4), 120, np.uint8)
    angles = np.linspace(0, np.pi, LOWER_RIM)
    ring = np.vstack(
        [
            np.column_stack([100 - 40 * np.cos(angles), 100 + 16 * np.sin(angles)]),
            np.column_stack([100 - 40 * np.cos(angles[1:-1]), 100 - 16 * np.sin(angles[1:-1])]),
            np.full((5, 2), 100.0),
        ]
    )
    beside = ring + np.array([160, 0])
    shut = beside * np.array([1, 0.01]) + np.array([0, 99])
    assert len(eyelids([ring, beside], [picture])) == 2
    assert eyelids([ring, shut], [picture]) == eyelids([ring], [picture]) == []


def test_a_blink_changes_the_eyes_and_nothing_else(director):
    hero = director._hero
    matrix = camera(1.6, *hero.points.mean(0).tolist())
    frames = []
    for blink in (0.0, 1.0):
        frames.append(np.zeros((1280, 720, 4), np.uint8))
        hero.draw(matrix, replace(Pose(2.0, visor=0.0), gesture=Gesture(blink=blink)), frames[-1])
    change = np.abs(frames[0].astype(int) - frames[1]).max(2) > 2
    shown = hero.points @ matrix[:, :2].T + matrix[:, 2]
    reach = 0.25 * np.hypot(*(shown[EYE_OUTER_LEFT] - shown[EYE_OUTER_RIGHT]))
    rows, columns = np.nonzero(change)
    assert len(rows) > 1500
    assert rows.min() > shown[EYE_OUTER_LEFT, 1] - reach and rows.max() < shown[EYE_OUTER_LEFT, 1] + reach
    assert columns.min() > shown[EYE_OUTER_LEFT, 0] - reach and columns.max() < shown[EYE_OUTER_RIGHT, 0] + reach


def test_a_membrane_keeps_what_is_known_and_is_smooth_between():
    values, known = np.zeros((60, 90), np.float32), np.zeros((60, 90), bool)
    known[:, :10] = known[:, -10:] = True
    values[:, -10:] = 100
    filled = stretched(values, known)
    assert (filled[known] == values[known]).all()
    assert np.abs(np.diff(filled[30])).max() < 4 and 40 < filled[30, 45] < 60
