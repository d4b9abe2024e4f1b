"""The shots of a film, frame by frame. A look's timeline says when each begins.

    scan      the plain selfie, a scan line, the face's mesh; breaks up, the only time in a film, into
    hero      crash zoom, crane, dolly or vertigo; the visor boots, circuits light up
    close-up  tilted, pushing in, passing or rising, out-of-focus lights behind
    title     the camera settles, the title breaks in; fades out over the last moments

A frame depends on its number, the photo, the look, the name and the seed, and not on earlier frames. The seed chooses
the camera's moves (`moves.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from providers.faces.vision import NOSE_BRIDGE
from providers.studio.film.city.scenery import Scenery
from providers.studio.film.city.weather import develop, make_falls
from providers.studio.film.person.subject import Subject
from providers.studio.film.titles.mark import lay_mark, make_mark
from providers.studio.film.titles.titles import TitleCard

from .acting import Acting
from .canvas import FRAME_HEIGHT, FRAME_WIDTH, FRAMES_PER_SECOND, apply, smoothstep
from .glitch import glitch
from .hero import Hero, Pose, circuits_gain
from .hud import lay_hud, make_hud, tick
from .looks import NEON_NOIR, Look
from .moves import Move, close_up_move, hero_move, title_move
from .scan import Scan
from .variation import Variation

# The first look's; every look has a `timeline` of its own.
_FIRST = NEON_NOIR.timeline
CUTS, TITLE_AT, MARK_AT, SECONDS, CUES = _FIRST.cuts, _FIRST.title_at, _FIRST.mark_at, _FIRST.seconds, _FIRST.cues
FRAME_COUNT, POSTER_FRAME = _FIRST.frame_count, _FIRST.poster_frame


@dataclass(frozen=True)
class Staging:
    """How the hero is shown in one frame."""

    matrix: np.ndarray  # plate → frame
    pose: Pose
    behind: Move | np.ndarray  # the camera for the street, or the matrix for its blur


class Director:
    """Draws the frames of one film. `frame` returns a view of buffers that the next frame reuses."""

    def __init__(
        self, subject: Subject, hero: Hero, scenery: Scenery, look: Look, variation: Variation, hero_name: str
    ) -> None:
        self._subject, self._hero, self._scenery = subject, hero, scenery
        self.look, self._variation, self._hero_name = look, variation, hero_name
        self._acting = Acting.of(look.timeline, variation, subject.yaw)
        self._back_rain, self._front_rain = make_falls(look, variation)
        self._picture = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)

    def frame(self, number: int) -> np.ndarray:
        """Return frame `number` of the look's timeline as BGRA uint8; valid until the next call."""
        shot, seconds, progress = self._moment(number)
        draw = (self._scan, self._hero_shot, self._close_up, self._title_shot)[shot]
        broken = draw(number, seconds, progress)
        if broken > 0.04:
            lights = (self.look.left_light, self.look.right_light)
            return glitch(self._picture, broken, self._variation.dice("glitch", number), lights)
        return self._picture

    def staging(self, number: int) -> Staging:
        """Return how frame `number`, which is not of the scan, shows the hero."""
        shot, seconds, progress = self._moment(number)
        return (self._stage_hero, self._stage_close_up, self._stage_title)[shot - 1](seconds, progress)

    def shown(self, number: int) -> np.ndarray:
        """Return where frame `number`, which is not of the scan, shows the points of the hero's mesh: 468 x 2, px."""
        staging = self.staging(number)
        return self._hero.shown(staging.matrix, staging.pose)

    def _moment(self, number: int) -> tuple[int, float, float]:
        """The shot of a frame (0..3), its time in the film, and its share (0..1) of the shot."""
        seconds, starts = number / FRAMES_PER_SECOND, (0.0, *self.look.timeline.cuts, self.look.timeline.seconds)
        shot = max(index for index in range(4) if starts[index] <= seconds)
        return shot, seconds, (seconds - starts[shot]) / (starts[shot + 1] - starts[shot])

    # Scan, HUD and title are made when a shot first needs them: the poster comes before the scan.
    @cached_property
    def _scanner(self) -> Scan:
        return Scan(self._subject, self.look, self._hero.triangles)

    @cached_property
    def _hud(self) -> np.ndarray:
        return make_hud(self.look, self._variation)

    @cached_property
    def _scan_hud(self) -> np.ndarray:
        """The photo may be dark, whatever the look is: its HUD is light."""
        return make_hud(self.look.as_light, self._variation) if self.look.daylight else self._hud

    @cached_property
    def _title(self) -> TitleCard:
        return TitleCard(self.look, self._hero_name, self._variation.serial)

    @cached_property
    def _mark(self) -> np.ndarray:
        return make_mark(self.look)

    def _scan(self, number: int, seconds: float, progress: float) -> float:
        self._scanner.draw(progress, seconds, self._picture)
        cv2.add(self._picture, self._scan_hud, self._picture)
        self._develop(number)
        return smoothstep(0.86, 1.0, progress) * 0.9

    def _stage_hero(self, seconds: float, progress: float) -> Staging:
        shots, timeline = self._variation.shots, self.look.timeline
        move = hero_move(shots, self._hero.face_y, progress)
        booted = (seconds - timeline.visor_at) / (timeline.close_up_at - timeline.hero_at)  # since then, in shots
        visor = smoothstep(0, 0.20 + 0.12 * shots.boot, booted)
        passing = _passing(progress, 0.52 + 0.22 * shots.sweep, 0.10, 0.75, shots.lean)
        rising = 0.70 + 0.30 * smoothstep(0, 0.25, progress)
        pose = Pose(
            seconds + 9 * shots.pulse,
            visor=visor if visor < 0.985 else 1,
            left=rising * _flicker(seconds, 9.1) * (1 + 0.18 * np.sin(seconds * 3.1)) + passing.left,
            right=(0.80 + 0.20 * np.sin(seconds * 2.3 + 1)) * _flicker(seconds, 7.3) + passing.right,
            sweep=passing.front,
            circuits=circuits_gain(seconds, timeline.hero_at),
            gesture=self._acting.hero(seconds, progress),
        )
        return Staging(move.matrix(), pose, move)

    def _hero_shot(self, number: int, seconds: float, progress: float) -> float:
        shots, lean = self._variation.shots, self._variation.shots.lean
        self._play(self._stage_hero(seconds, progress), seconds)
        self._scenery.bloom(self._picture)
        if progress > 0.36:
            across = smoothstep(0.35, 1, progress)
            x = FRAME_WIDTH * (1.15 - 1.3 * across)
            x = min(FRAME_WIDTH, max(0.0, x if lean > 0 else FRAME_WIDTH - x))
            level = FRAME_HEIGHT * (0.29 + 0.08 * shots.flare)
            self._scenery.flare(self._picture, x, level, 0.55 * np.sin(np.pi * across))
        self._finish(number, seconds)
        return 1 - smoothstep(0, 0.07, progress)

    def _stage_close_up(self, seconds: float, progress: float) -> Staging:
        shots = self._variation.shots
        matrix, behind = close_up_move(shots, self._hero.eyes, self._hero.face_height, progress)
        passing = _passing(progress, 0.35 + 0.3 * shots.sweep, 0.20, 0.45, shots.lean)
        pose = Pose(
            seconds + 9 * shots.pulse,
            left=1.0 + 0.10 * np.sin(seconds * 8) + passing.left,
            right=0.85 + 0.15 * np.sin(seconds * 5) + passing.right,
            sweep=passing.front,
            gesture=self._acting.close_up(seconds, progress),
        )
        return Staging(matrix, pose, behind)

    def _close_up(self, number: int, seconds: float, progress: float) -> float:
        shots, points = self._variation.shots, self._hero.points
        staging = self._stage_close_up(seconds, progress)
        self._play(staging, seconds)
        self._scenery.bloom(self._picture)
        # Above the brows, so that the flare does not cover the eyes.
        brow = points[NOSE_BRIDGE] - np.array([0, self._hero.face_height * (0.13 + 0.05 * shots.flare)])
        flare_y = apply(staging.matrix, brow)[1]
        # Brightest beside the face: in front of it it would burn out the forehead.
        gain = 0.62 - 0.40 * np.sin(np.pi * progress)
        across = 0.1 + 0.8 * progress if shots.lean > 0 else 0.9 - 0.8 * progress
        self._scenery.flare(self._picture, FRAME_WIDTH * across, flare_y, gain)
        self._finish(number, seconds)
        return 0.0

    def _stage_title(self, seconds: float, progress: float) -> Staging:
        shots = self._variation.shots
        move = title_move(shots, self._hero.face_y, progress)
        pose = Pose(
            seconds + 9 * shots.pulse,
            left=1.0 + 0.08 * np.sin(seconds * 6),
            right=0.95 + 0.08 * np.sin(seconds * 4),
            sweep=0.25 * _pulse(progress, 0.2, 0.1),
            gesture=self._acting.title(seconds, progress),
        )
        return Staging(move.matrix(), pose, move)

    def _title_shot(self, number: int, seconds: float, progress: float) -> float:
        self._play(self._stage_title(seconds, progress), seconds)
        self._scenery.bloom(self._picture)
        gain = 0.85 * _pulse(progress, 0.2, 0.10) + 0.12
        self._scenery.flare(self._picture, FRAME_WIDTH * 0.5, FRAME_HEIGHT * 0.83, gain)
        self._front_rain.fall(self._picture, seconds)
        self._develop(number)
        timeline = self.look.timeline
        self._title.lay(self._picture, seconds - timeline.title_at, self._variation.dice("title", number))
        if progress > 0.90:
            cv2.convertScaleAbs(self._picture, self._picture, 1 - smoothstep(0.90, 1.0, progress))
        lay_mark(self._picture, self._mark, seconds - timeline.mark_at, timeline.seconds - seconds)
        return 0.0

    def _play(self, staging: Staging, seconds: float) -> None:
        """Draw the street or its blur, and the hero before it."""
        bottom, behind = self._hero.hides_from(staging.matrix), staging.behind
        if isinstance(behind, Move):
            self._scenery.draw(seconds, behind.street_zoom, behind.street_x, behind.street_y, self._picture[:bottom])
            self._back_rain.fall(self._picture[:bottom], seconds)
        else:
            self._scenery.draw_defocused(behind, self._picture[:bottom])
        self._hero.draw(staging.matrix, staging.pose, self._picture)

    def _finish(self, number: int, seconds: float) -> None:
        self._front_rain.fall(self._picture, seconds)
        lay_hud(self._picture, self._hud, self.look)
        tick(self._picture, self.look, number)
        self._develop(number)

    def _develop(self, number: int) -> None:
        develop(self._picture, self._variation.dice("grain", number))


def _flicker(seconds: float, speed: float) -> float:
    """The brightness (0..1) of a tube that dims briefly now and then."""
    return 1 - 0.35 * max(0.0, np.sin(seconds * speed)) ** 14


class _Lights(NamedTuple):
    left: float
    front: float
    right: float


def _passing(progress: float, at: float, width: float, gain: float, lean: int) -> _Lights:
    """A headlight or a sign goes past: the face is lit from one side, from the front, from the other side."""
    first, last = (gain * 0.8 * _pulse(progress, at + side * 1.3 * width, 0.8 * width) for side in (-1, 1))
    front = gain * _pulse(progress, at, width)
    return _Lights(first, front, last) if lean > 0 else _Lights(last, front, first)


def _pulse(progress: float, at: float, width: float) -> float:
    return float(np.exp(-(((progress - at) / width) ** 2)))
