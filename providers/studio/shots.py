"""The film's timeline: what each of its 138 frames shows.

    0.00  scan     the plain selfie, a scan line, the face's mesh; breaks up into
    1.05  hero     a crash zoom out, a slow push in; the visor boots, circuits light up
    3.45  close-up tilted, out-of-focus lights behind
    4.35  title    pull back, the title breaks in; fades out over the last moments
    5.75

Every frame depends on its number, the photo, the look, the name and the seed, never on the frames before it.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from .canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    FRAMES_PER_SECOND,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    apply,
    camera,
    smoothstep,
)
from .glitch import glitch
from .hero import Hero, Pose, circuits_gain
from .hud import make_hud, tick
from .looks import Look
from .mark import lay_mark, make_mark
from .music.score import Cues
from .scan import Scan
from .scenery import Scenery
from .subject import Subject
from .titles import TitleCard
from .variation import Variation
from .vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, NOSE_BRIDGE
from .weather import develop, make_rain

HERO_AT, CLOSE_UP_AT, TITLE_AT, SECONDS = 1.05, 3.45, 4.35, 5.75
CUTS = (HERO_AT, CLOSE_UP_AT, TITLE_AT)
CUES = Cues.of(CUTS, SECONDS)  # what music, title and mark follow
FRAME_COUNT = round(SECONDS * FRAMES_PER_SECOND)
POSTER_FRAME = round(5.2 * FRAMES_PER_SECOND)
FACE_LEVEL = PLATE_HEIGHT * 0.415  # plate px: faces away from it are followed by the camera


class Director:
    """Draws the frames of one film. Keeps one frame's buffers; `frame` returns a view of them."""

    def __init__(
        self, subject: Subject, hero: Hero, scenery: Scenery, look: Look, variation: Variation, hero_name: str
    ) -> None:
        self._subject, self._hero, self._scenery = subject, hero, scenery
        self._look, self._variation, self._hero_name = look, variation, hero_name
        self._back_rain, self._front_rain = make_rain(variation)
        self._picture = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)

    def frame(self, number: int) -> np.ndarray:
        """Return frame `number` (0 .. FRAME_COUNT - 1) as BGRA uint8; valid until the next call."""
        seconds = number / FRAMES_PER_SECOND
        if seconds < HERO_AT:
            broken = self._scan(number, seconds, seconds / HERO_AT)
        elif seconds < CLOSE_UP_AT:
            broken = self._hero_shot(number, seconds, (seconds - HERO_AT) / (CLOSE_UP_AT - HERO_AT))
        elif seconds < TITLE_AT:
            broken = self._close_up(number, seconds, (seconds - CLOSE_UP_AT) / (TITLE_AT - CLOSE_UP_AT))
        else:
            broken = self._title_shot(number, seconds, (seconds - TITLE_AT) / (SECONDS - TITLE_AT))
        if broken > 0.04:
            lights = (self._look.left_light, self._look.right_light)
            return glitch(self._picture, broken, self._variation.dice("glitch", number), lights)
        return self._picture

    # Scan, HUD and title are made when a shot first needs them: the poster comes before the scan.
    @cached_property
    def _scanner(self) -> Scan:
        return Scan(self._subject, self._look, self._hero.triangles)

    @cached_property
    def _hud(self) -> np.ndarray:
        return make_hud(self._look, self._variation)

    @cached_property
    def _title(self) -> TitleCard:
        return TitleCard(self._look, self._hero_name, self._variation.serial)

    @cached_property
    def _mark(self) -> np.ndarray:
        return make_mark(self._look)

    def _scan(self, number: int, seconds: float, progress: float) -> float:
        self._scanner.draw(progress, seconds, self._picture)
        cv2.add(self._picture, self._hud, self._picture)
        self._develop(number)
        return smoothstep(0.86, 1.0, progress) * 0.9

    def _hero_shot(self, number: int, seconds: float, progress: float) -> float:
        ease = smoothstep(-0.2, 1.2, progress)
        zoom = 1.02 + 0.16 * ease + 0.42 * np.exp(-progress * 13)
        pan = (-18 + 36 * progress) * self._variation.lean
        visor = smoothstep(0.20, 0.46, progress)
        rise = self._hero.face_y - FACE_LEVEL
        matrix = camera(
            zoom, PLATE_WIDTH / 2 + pan * 0.35, PLATE_HEIGHT * 0.5 + rise * 0.5 * ease, 0.006 * np.sin(seconds * 1.4)
        )
        self._street(seconds, zoom + 0.03, pan, -6 * progress, self._hero.hides_from(matrix))
        pose = Pose(
            seconds,
            visor=visor if visor < 0.985 else 1,
            left=(0.70 + 0.30 * smoothstep(0, 0.25, progress))
            * _flicker(seconds, 9.1)
            * (1 + 0.18 * np.sin(seconds * 3.1)),
            right=(0.80 + 0.20 * np.sin(seconds * 2.3 + 1)) * _flicker(seconds, 7.3),
            sweep=0.75 * _pulse(progress, 0.62, 0.10),
            yaw=14 * np.sin((progress - 0.5) * 2.6) * self._variation.lean,
            pitch=-3 * np.sin(progress * 2.5),
            breath=2.2 * np.sin(seconds * 2.2),
            circuits=circuits_gain(seconds, HERO_AT),
        )
        self._act(matrix, pose)
        self._scenery.bloom(self._picture)
        if progress > 0.36:
            across = smoothstep(0.35, 1, progress)
            x = min(FRAME_WIDTH, max(0.0, FRAME_WIDTH * (1.15 - 1.3 * across)))
            self._scenery.flare(self._picture, x, FRAME_HEIGHT * 0.33, 0.55 * np.sin(np.pi * across))
        self._finish(number, seconds)
        booting = 0.195 < progress < 0.215 or 0.40 < progress < 0.415
        return max(1 - smoothstep(0, 0.07, progress), smoothstep(0.955, 1, progress) * 0.8, 0.55 if booting else 0.0)

    def _close_up(self, number: int, seconds: float, progress: float) -> float:
        lean, points = self._variation.lean, self._hero.points
        eyes = (points[EYE_OUTER_LEFT] + points[EYE_OUTER_RIGHT]) / 2
        tilt = (-0.055 + 0.02 * progress) * lean
        matrix = camera(
            1.62 + 0.16 * progress,
            eyes[0] + (8 - 16 * progress) * lean,
            eyes[1] + self._hero.face_height * 0.16,
            tilt,
            to=(FRAME_WIDTH * 0.5, FRAME_HEIGHT * 0.44),
        )
        behind = camera(
            1.5 + 0.05 * progress,
            PLATE_WIDTH / 2 + (30 - 50 * progress) * lean,
            PLATE_HEIGHT * 0.44,
            tilt + 0.005 * lean,
        )
        self._scenery.draw_defocused(behind, self._picture[: self._hero.hides_from(matrix)])
        pose = Pose(
            seconds,
            left=1.0 + 0.10 * np.sin(seconds * 8),
            right=0.85 + 0.15 * np.sin(seconds * 5),
            sweep=0.45 * _pulse(progress, 0.5, 0.22),
            yaw=(-10 + 20 * progress) * lean,
            pitch=4 - 6 * progress,
            breath=np.sin(seconds * 2.2),
        )
        self._act(matrix, pose)
        self._scenery.bloom(self._picture)
        eye_level = apply(matrix, points[NOSE_BRIDGE])[1]
        gain = 0.35 + 0.35 * np.sin(np.pi * progress)
        self._scenery.flare(self._picture, FRAME_WIDTH * (0.1 + 0.8 * progress), eye_level, gain)
        self._finish(number, seconds)
        return max(1 - smoothstep(0, 0.16, progress), smoothstep(0.86, 1, progress) * 0.9)

    def _title_shot(self, number: int, seconds: float, progress: float) -> float:
        lean = self._variation.lean
        settled = 1 - (1 - min(1.0, progress * 1.15)) ** 3
        zoom, pan = 1.30 - 0.22 * settled, (14 - 20 * progress) * lean
        rise = self._hero.face_y - FACE_LEVEL
        matrix = camera(zoom, PLATE_WIDTH / 2 + pan * 0.35, PLATE_HEIGHT * 0.5 + rise * 0.3 + 26)
        self._street(seconds, zoom + 0.02, pan, 0, self._hero.hides_from(matrix))
        pose = Pose(
            seconds,
            left=1.0 + 0.08 * np.sin(seconds * 6),
            right=0.95 + 0.08 * np.sin(seconds * 4),
            sweep=0.25 * _pulse(progress, 0.2, 0.1),
            yaw=6 * np.sin(2.4 * progress + 0.4) * lean,
            pitch=-2 * progress,
            breath=2 * np.sin(seconds * 2.2),
        )
        self._act(matrix, pose)
        self._scenery.bloom(self._picture)
        gain = 0.85 * _pulse(progress, 0.2, 0.10) + 0.12
        self._scenery.flare(self._picture, FRAME_WIDTH * 0.5, FRAME_HEIGHT * 0.83, gain)
        self._front_rain.fall(self._picture, seconds)
        self._develop(number)
        self._title.lay(self._picture, seconds - TITLE_AT, self._variation.dice("title", number))
        if progress > 0.90:
            cv2.convertScaleAbs(self._picture, self._picture, 1 - smoothstep(0.90, 1.0, progress))
        lay_mark(self._picture, self._mark, seconds - CUES.mark, SECONDS - seconds)
        return 1 - smoothstep(0, 0.10, progress)

    def _street(self, seconds: float, zoom: float, x: float, y: float, bottom: int) -> None:
        self._scenery.draw(seconds, zoom, x, y, self._picture[:bottom])
        self._back_rain.fall(self._picture[:bottom], seconds)

    def _act(self, matrix: np.ndarray, pose: Pose) -> None:
        self._hero.draw(matrix, pose, self._picture)

    def _finish(self, number: int, seconds: float) -> None:
        self._front_rain.fall(self._picture, seconds)
        cv2.add(self._picture, self._hud, self._picture)
        tick(self._picture, self._look, number)
        self._develop(number)

    def _develop(self, number: int) -> None:
        develop(self._picture, self._variation.dice("grain", number))


def _flicker(seconds: float, speed: float) -> float:
    """A tube that dims for a moment now and then."""
    return 1 - 0.35 * max(0.0, np.sin(seconds * speed)) ** 14


def _pulse(progress: float, at: float, width: float) -> float:
    return float(np.exp(-(((progress - at) / width) ** 2)))
