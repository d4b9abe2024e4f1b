"""How much a face lives in a film: how far its points move beyond what a camera alone could do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from providers.studio.film.canvas import FRAMES_PER_SECOND
from providers.studio.film.shots import Director

STEP = 0.65  # seconds between the frames that are compared
LEAST_MOTION = 2.0  # px in the hero shot and the close-up: below it a face is a picture that slides


@dataclass(frozen=True)
class Motion:
    """Mean movement of the mesh's points over STEP, in px of the frame, per shot."""

    hero: float
    close_up: float
    title: float


def motion(director: Director) -> Motion:
    """Measure a film's three shots of the hero, without drawing them."""
    timeline = director.look.timeline
    starts = [*timeline.cuts, timeline.seconds]
    return Motion(*(_between(director, first, last) for first, last in itertools.pairwise(starts)))


def beyond_similarity(before: np.ndarray, after: np.ndarray) -> float:
    """Mean distance of points (n x 2) from where the best similarity would have taken them."""
    (x, y), (u, v) = (before - before.mean(0)).T, (after - after.mean(0)).T
    size = float((x * x + y * y).sum())
    along, turned = float((x * u + y * v).sum()) / size, float((x * v - y * u).sum()) / size
    return float(np.hypot(u - along * x + turned * y, v - turned * x - along * y).mean())


def _between(director: Director, first: float, last: float) -> float:
    numbers = range(int(np.ceil(first * FRAMES_PER_SECOND)), int(np.ceil(last * FRAMES_PER_SECOND)))
    shown = [director.shown(number) for number in numbers]
    step = round(STEP * FRAMES_PER_SECOND)
    pairs = zip(shown, shown[step:], strict=False)
    return float(np.mean([beyond_similarity(before, after) for before, after in pairs]))
