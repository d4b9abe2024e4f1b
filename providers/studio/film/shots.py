"""The shots of a film, frame by frame. A look's timeline says when each begins.

    scan      the plain selfie, a scan line, the face's mesh; breaks up into
    hero      crash zoom, crane, dolly or vertigo; the visor boots, circuits light up
    close-up  tilted, pushing in, passing or rising, out-of-focus lights behind
    title     the camera settles, the title breaks in; fades out over the last moments

A frame depends on its number, the photo, the look, the name and the seed, and not on earlier frames. The seed chooses
the camera's moves (`moves.py`).
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from providers.faces.vision import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, NOSE_BRIDGE
from providers.studio.film.city.scenery import Scenery
from providers.studio.film.city.weather import develop, make_falls
from providers.studio.film.person.subject import Subject
from providers.studio.film.titles.mark import lay_mark, make_mark
from providers.studio.film.titles.titles import TitleCard

from .canvas import FRAME_HEIGHT, FRAME_WIDTH, FRAMES_PER_SECOND, apply, smoothstep
from .glitch import glitch
from .hero import Hero, Pose, circuits_gain
from .hud import make_hud, tick
from .looks import NEON_NOIR, Look
from .moves import close_up_move, hero_move, title_move
from .scan import Scan
from .variation import Variation

# The first look's; every look has a `timeline` of its own.
_FIRST = NEON_NOIR.timeline
CUTS, TITLE_AT, MARK_AT, SECONDS, CUES = _FIRST.cuts, _FIRST.title_at, _FIRST.mark_at, _FIRST.seconds, _FIRST.cues
FRAME_COUNT, POSTER_FRAME = _FIRST.frame_count, _FIRST.poster_frame


class Director:
    """Draws the frames of one film. `frame` returns a view of buffers that the next frame reuses."""

    def __init__(
        self, subject: Subject, hero: Hero, scenery: Scenery, look: Look, variation: Variation, hero_name: str
    ) -> None:
        self._subject, self._hero, self._scenery = subject, hero, scenery
        self._look, self._variation, self._hero_name = look, variation, hero_name
        self._back_rain, self._front_rain = make_falls(look, variation)
        self._picture = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)

    def frame(self, number: int) -> np.ndarray:
        """Return frame `number` of the look's timeline as BGRA uint8; valid until the next call."""
        seconds, starts = number / FRAMES_PER_SECOND, (0.0, *self._look.timeline.cuts, self._look.timeline.seconds)
        shot = max(index for index in range(4) if starts[index] <= seconds)
        progress = (seconds - starts[shot]) / (starts[shot + 1] - starts[shot])
        draw = (self._scan, self._hero_shot, self._close_up, self._title_shot)[shot]
        broken = draw(number, seconds, progress)
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
        shots, lean = self._variation.shots, self._variation.shots.lean
        move = hero_move(shots, self._hero.face_y, progress)
        matrix = move.matrix()
        self._street(seconds, move.street_zoom, move.street_x, move.street_y, self._hero.hides_from(matrix))
        timeline = self._look.timeline
        booted = (seconds - timeline.visor_at) / (timeline.close_up_at - timeline.hero_at)  # since then, in shots
        visor = smoothstep(0, 0.20 + 0.12 * shots.boot, booted)
        pose = Pose(
            seconds + 9 * shots.pulse,
            visor=visor if visor < 0.985 else 1,
            left=(0.70 + 0.30 * smoothstep(0, 0.25, progress))
            * _flicker(seconds, 9.1)
            * (1 + 0.18 * np.sin(seconds * 3.1)),
            right=(0.80 + 0.20 * np.sin(seconds * 2.3 + 1)) * _flicker(seconds, 7.3),
            sweep=0.75 * _pulse(progress, 0.52 + 0.22 * shots.sweep, 0.10),
            yaw=(11 + 5 * shots.turn) * np.sin((progress - 0.5) * 2.6) * lean,
            pitch=-3 * np.sin(progress * 2.5),
            breath=2.2 * np.sin(seconds * 2.2),
            circuits=circuits_gain(seconds, timeline.hero_at),
        )
        self._act(matrix, pose)
        self._scenery.bloom(self._picture)
        if progress > 0.36:
            across = smoothstep(0.35, 1, progress)
            x = FRAME_WIDTH * (1.15 - 1.3 * across)
            x = min(FRAME_WIDTH, max(0.0, x if lean > 0 else FRAME_WIDTH - x))
            level = FRAME_HEIGHT * (0.29 + 0.08 * shots.flare)
            self._scenery.flare(self._picture, x, level, 0.55 * np.sin(np.pi * across))
        self._finish(number, seconds)
        booting = -0.005 < booted < 0.015 or 0.20 < booted < 0.215
        return max(1 - smoothstep(0, 0.07, progress), smoothstep(0.955, 1, progress) * 0.8, 0.55 if booting else 0.0)

    def _close_up(self, number: int, seconds: float, progress: float) -> float:
        shots, points = self._variation.shots, self._hero.points
        eyes = (points[EYE_OUTER_LEFT] + points[EYE_OUTER_RIGHT]) / 2
        move, behind = close_up_move(shots, eyes, self._hero.face_height, progress)
        self._scenery.draw_defocused(behind, self._picture[: self._hero.hides_from(move)])
        pose = Pose(
            seconds + 9 * shots.pulse,
            left=1.0 + 0.10 * np.sin(seconds * 8),
            right=0.85 + 0.15 * np.sin(seconds * 5),
            sweep=0.45 * _pulse(progress, 0.35 + 0.3 * shots.sweep, 0.22),
            yaw=(-1 + 2 * progress) * (8 + 4 * shots.turn) * shots.lean,
            pitch=4 - 6 * progress,
            breath=np.sin(seconds * 2.2),
        )
        self._act(move, pose)
        self._scenery.bloom(self._picture)
        # Above the brows, so that the flare does not cover the eyes.
        brow = points[NOSE_BRIDGE] - np.array([0, self._hero.face_height * (0.13 + 0.05 * shots.flare)])
        flare_y = apply(move, brow)[1]
        gain = 0.35 + 0.35 * np.sin(np.pi * progress)
        across = 0.1 + 0.8 * progress if shots.lean > 0 else 0.9 - 0.8 * progress
        self._scenery.flare(self._picture, FRAME_WIDTH * across, flare_y, gain)
        self._finish(number, seconds)
        return max(1 - smoothstep(0, 0.16, progress), smoothstep(0.86, 1, progress) * 0.9)

    def _title_shot(self, number: int, seconds: float, progress: float) -> float:
        shots = self._variation.shots
        move = title_move(shots, self._hero.face_y, progress)
        matrix = move.matrix()
        self._street(seconds, move.street_zoom, move.street_x, move.street_y, self._hero.hides_from(matrix))
        pose = Pose(
            seconds + 9 * shots.pulse,
            left=1.0 + 0.08 * np.sin(seconds * 6),
            right=0.95 + 0.08 * np.sin(seconds * 4),
            sweep=0.25 * _pulse(progress, 0.2, 0.1),
            yaw=(4 + 4 * shots.turn) * np.sin(2.4 * progress + 0.4) * shots.lean,
            pitch=-2 * progress,
            breath=2 * np.sin(seconds * 2.2),
        )
        self._act(matrix, pose)
        self._scenery.bloom(self._picture)
        gain = 0.85 * _pulse(progress, 0.2, 0.10) + 0.12
        self._scenery.flare(self._picture, FRAME_WIDTH * 0.5, FRAME_HEIGHT * 0.83, gain)
        self._front_rain.fall(self._picture, seconds)
        self._develop(number)
        timeline = self._look.timeline
        self._title.lay(self._picture, seconds - timeline.title_at, self._variation.dice("title", number))
        if progress > 0.90:
            cv2.convertScaleAbs(self._picture, self._picture, 1 - smoothstep(0.90, 1.0, progress))
        lay_mark(self._picture, self._mark, seconds - timeline.mark_at, timeline.seconds - seconds)
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
    """The brightness (0..1) of a tube that dims briefly now and then."""
    return 1 - 0.35 * max(0.0, np.sin(seconds * speed)) ** 14


def _pulse(progress: float, at: float, width: float) -> float:
    return float(np.exp(-(((progress - at) / width) ** 2)))
