"""The head turns by a displacement of the picture. Where it folds, skin lies on skin; where it stretches, it smears."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from providers.faces.vision import NOSE_TIP
from providers.studio.film.canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    FRAMES_PER_SECOND,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    camera,
)
from providers.studio.film.hero import GRID, Pose
from providers.studio.film.person.photo import read_photo
from providers.studio.film.person.relief import Gesture
from providers.studio.film.shots import CUES, Director

SEAM = 1.5  # a px of the plate may become so many of the frame at the camera's zoom, and as few as the inverse
STRONGER = 1.15  # than any pose of a film


def worst(director: Director, numbers: range, stronger: float) -> tuple[float, float, float]:
    """The least determinant, the largest and the least stretch in frames, where anything of the hero is seen."""
    hero, found = director._hero, []
    alpha = cv2.extractChannel(hero._base, 3)
    for number in numbers:
        staging = director.staging(number)
        gesture, scale = staging.pose.gesture, float(np.hypot(*staging.matrix[0, :2]))
        turned = {name: getattr(gesture, name) * stronger for name in ("yaw", "pitch", "roll", "breath", "smile")}
        map_x, map_y = hero._turn(staging.matrix, replace(staging.pose, gesture=replace(gesture, **turned)))
        # Maps are linear between points of their grid.
        map_x, map_y = map_x[2::GRID, 2::GRID], map_y[2::GRID, 2::GRID]
        seen = cv2.remap(alpha, map_x, map_y, cv2.INTER_NEAREST, None, cv2.BORDER_CONSTANT) > 0
        determinant, largest = jacobian(map_x * scale / GRID, map_y * scale / GRID)
        found.append((determinant[seen].min(), largest[seen].max(), (determinant / largest)[seen].min()))
    return min(row[0] for row in found), max(row[1] for row in found), min(row[2] for row in found)


def jacobian(read_x: np.ndarray, read_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The determinant of a displacement, and its largest stretch, at every px."""
    x_down, x_across = np.gradient(read_x)
    y_down, y_across = np.gradient(read_y)
    determinant = x_across * y_down - x_down * y_across
    size = x_across**2 + x_down**2 + y_across**2 + y_down**2
    largest = np.sqrt((size + np.sqrt(np.maximum(size**2 - 4 * determinant**2, 0))) / 2)
    return determinant, largest


@pytest.fixture(scope="module")
def director(renderer, astronaut) -> Director:
    return renderer.direct(read_photo(astronaut), look="neon-noir", hero_name="", seed="turn")


@pytest.mark.parametrize("stronger", [1.0, STRONGER])
def test_no_frame_folds_or_tears_the_hero(director, stronger):
    first, last = (int(moment * FRAMES_PER_SECOND) + 1 for moment in (CUES.hero, CUES.end))
    determinant, largest, least = worst(director, range(first, last, 3), stronger)
    assert determinant > 0.4
    assert largest < SEAM
    assert least > 1 / SEAM


def test_a_turn_moves_the_nose_and_not_the_chest(director):
    """Not torn could also mean not turned."""
    hero, matrix = director._hero, camera(1.0, PLATE_WIDTH / 2, PLATE_HEIGHT / 2)
    left, _ = (axis.copy() for axis in hero._turn(matrix, Pose(1.5, gesture=Gesture(yaw=-5))))
    right, _ = (axis.copy() for axis in hero._turn(matrix, Pose(1.5, gesture=Gesture(yaw=5))))
    moved = (left - right) * matrix[0, 0]  # a map tells where a point came from
    x, y = (hero.points[NOSE_TIP] @ matrix[:, :2].T + matrix[:, 2]).astype(int)
    assert 12 < moved[y, x] < 30
    assert np.abs(moved[FRAME_HEIGHT - 60]).max() < 5


def test_a_fold_would_be_found():
    """The measure itself: a displacement that folds, and one that stretches, are seen as such."""
    columns, rows = np.meshgrid(np.arange(FRAME_WIDTH, dtype=np.float32), np.arange(FRAME_HEIGHT, dtype=np.float32))
    folded = columns + 40 * np.exp(-(((columns - 360) / 25) ** 2))
    assert jacobian(folded, rows)[0].min() < 0
    assert jacobian(columns * 1.8, rows)[1].max() == pytest.approx(1.8, abs=0.01)
