"""Only what a plate fills is drawn: the picture is the same as if all of it were."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from providers.studio.film.canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    INVERSE,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    camera,
    composite,
    inverse,
)
from providers.studio.film.coverage import Coverage, moved_to

FRAME = (FRAME_HEIGHT, FRAME_WIDTH, 4)
CAMERAS = {
    "wide": camera(1.02, PLATE_WIDTH / 2, PLATE_HEIGHT / 2),
    "pushed in": camera(1.7, PLATE_WIDTH / 2 + 60, PLATE_HEIGHT * 0.42),
    "tilted": camera(1.6, PLATE_WIDTH / 2 - 40, PLATE_HEIGHT * 0.45, -0.055),
}


@pytest.fixture(scope="module")
def plate() -> np.ndarray:
    """Two towers with a street between them, and a solid floor."""
    colour = np.zeros((PLATE_HEIGHT, PLATE_WIDTH, 4), np.uint8)
    for corners in (((0, 100), (150, 900)), ((700, 320), (863, 900)), ((0, 1000), (863, 1535))):
        cv2.rectangle(colour, *corners, (70, 90, 120, 255), -1)
    cv2.circle(colour, (432, 700), 60, (20, 30, 40, 90), -1)
    return colour


def through(plate: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    size = (FRAME_WIDTH, FRAME_HEIGHT)
    return cv2.warpAffine(plate, inverse(matrix), size, flags=INVERSE, borderMode=cv2.BORDER_CONSTANT)


def street() -> np.ndarray:
    return np.random.default_rng(2).integers(40, 200, FRAME, np.uint8) | np.array([0, 0, 0, 255], np.uint8)


@pytest.mark.parametrize("matrix", CAMERAS.values(), ids=CAMERAS)
@pytest.mark.parametrize("sides", [[None], [(0, PLATE_WIDTH // 2), (PLATE_WIDTH // 2, PLATE_WIDTH)]])
def test_the_parts_together_are_the_whole(plate, matrix, sides):
    expected = composite(street(), through(plate, matrix))
    picture, drawn = street(), np.zeros(FRAME[:2], int)
    for coverage in [Coverage(plate, side) for side in sides]:
        for strip in coverage.strips(matrix):
            part = np.empty_like(picture[strip])
            to_plate = moved_to(inverse(matrix), strip)
            cv2.warpAffine(plate, to_plate, part.shape[1::-1], part, INVERSE, cv2.BORDER_CONSTANT)
            if len(sides) == 1:
                composite(picture[strip], part)
            drawn[strip] += 1
    if len(sides) == 1:
        assert drawn.max() == 1
        assert np.abs(picture.astype(int) - expected).max() <= 2
    assert not through(plate, matrix)[drawn == 0].any()


def test_what_is_empty_is_left_out(plate):
    matrix = CAMERAS["wide"]
    sides = [Coverage(plate, side) for side in ((0, PLATE_WIDTH // 2), (PLATE_WIDTH // 2, PLATE_WIDTH))]
    parts = [
        (rows.stop - rows.start) * (columns.stop - columns.start)
        for side in sides
        for rows, columns in side.strips(matrix, bottom=750)
    ]
    assert sum(parts) < 0.5 * 750 * FRAME_WIDTH
    assert Coverage(np.zeros_like(plate)).strips(matrix) == []


def test_strips_end_at_the_given_row(plate):
    strips = Coverage(plate).strips(CAMERAS["wide"], bottom=701)
    assert max(rows.stop for rows, _ in strips) == 701


def test_pixels_that_are_moved_are_within_reach(plate):
    matrix, shift = CAMERAS["wide"], np.array([[1, 0, 9], [0, 1, -9]], np.float64)
    moved = cv2.warpAffine(plate, shift, (PLATE_WIDTH, PLATE_HEIGHT))
    drawn = np.zeros(FRAME[:2], bool)
    for strip in Coverage(plate).strips(matrix, reach=10):
        drawn[strip] = True
    assert not through(moved, matrix)[~drawn].any()


@pytest.mark.parametrize("matrix", CAMERAS.values(), ids=CAMERAS)
def test_below_the_solid_row_nothing_shines_through(plate, matrix):
    row = Coverage(plate).solid_from(matrix, reach=3)
    alpha = through(plate, matrix)[..., 3]
    assert 500 < row < FRAME_HEIGHT
    assert (alpha[row:] == 255).all()
    assert not (alpha[row - 60] == 255).all()


def test_a_hole_or_the_end_of_the_plate_hides_nothing(plate):
    holed = plate.copy()
    holed[-10:, 300] = 0
    assert Coverage(holed).solid_from(CAMERAS["wide"]) == FRAME_HEIGHT
    beyond = camera(1.02, PLATE_WIDTH / 2, PLATE_HEIGHT / 2 + 80)
    assert Coverage(plate).solid_from(beyond) == FRAME_HEIGHT
