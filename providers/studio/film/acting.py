"""What a hero does in a film: when they turn, blink, smile and breathe; drawn from the film's seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from providers.studio.film.person.relief import Gesture

from .canvas import smoothstep
from .looks import Timeline
from .variation import ShotList, Variation

CLOSING, SHUT, OPENING = 0.075, 0.045, 0.19  # seconds
BREATH = 3.1  # seconds
FIXED = 0.9  # share of the head's turn that the eyes make up for


@dataclass(frozen=True)
class Acting:
    """The gestures of one film, shot by shot; `progress` is the share (0..1) of the shot."""

    shots: ShotList
    timeline: Timeline
    blinks: tuple[float, ...]  # seconds at which eyes begin to close
    smile: float  # 0..1
    phase: float  # radians
    reach: float  # 0..1: a face that looks aside already turns less

    @classmethod
    def of(cls, timeline: Timeline, variation: Variation, aside: float) -> Acting:
        """`aside` is the subject's yaw, -1..1."""
        dice = variation.dice("acting")
        close_up = timeline.title_at - timeline.close_up_at
        blinks = (
            timeline.hero_at + dice.uniform(0.24, 0.30),  # on the bare face, before the visor boots
            timeline.close_up_at + close_up * dice.uniform(0.56, 0.62),
            timeline.title_at + dice.uniform(0.30, 0.45),
        )
        smile, phase = dice.uniform(0.7, 1.0), dice.uniform(0, 2 * np.pi)
        return cls(variation.shots, timeline, blinks, smile, phase, 1 / (1 + 1.3 * abs(aside)))

    def hero(self, seconds: float, progress: float) -> Gesture:
        """They look aside and down, turn past the camera and back to it, and lift the chin."""
        shots, found, settled = self.shots, _eased(0.04, 0.62, progress), _eased(0.58, 1.05, progress)
        yaw = (5.1 + 0.9 * shots.turn) * (1 - 2 * found + 0.6 * settled) * shots.lean
        pitch = 3.2 - 5.6 * _eased(0.08, 0.62, progress) + 2.2 * settled
        roll = (2.4 * found - 1.5) * shots.lean
        return self._alive(
            seconds, yaw, pitch, roll, smile=0.5 * smoothstep(0.5, 0.95, progress), brows=_hill(progress, 0.42, 0.16)
        )

    def close_up(self, seconds: float, progress: float) -> Gesture:
        """The head comes round with the camera; at its end a smile."""
        shots, round_ = self.shots, _eased(-0.12, 1.02, progress)
        yaw = (4.2 + 0.9 * shots.turn) * (2 * round_ - 1) * shots.lean
        pitch = 2.2 - 3.4 * round_
        return self._alive(
            seconds,
            yaw,
            pitch,
            1.1 * (1 - 2 * round_) * shots.lean,
            smile=smoothstep(0.25, 0.9, progress),
            brows=0.7 * _hill(progress, 0.6, 0.22),
        )

    def title(self, seconds: float, progress: float) -> Gesture:
        """They stand, and look at us."""
        shots, settled = self.shots, _eased(0.0, 0.62, progress)
        yaw = (3.6 + 1.2 * shots.turn) * (1 - 1.6 * settled) * shots.lean
        pitch = -1.6 + 1.4 * settled
        return self._alive(seconds, yaw, pitch, 0.9 * (1 - 1.4 * settled) * shots.lean, smile=0.6 + 0.3 * settled)

    def _alive(
        self, seconds: float, yaw: float, pitch: float, roll: float, smile: float = 0.0, brows: float = 0.0
    ) -> Gesture:
        """Nobody holds quite still."""
        at, yaw, roll, pitch = (
            seconds + self.phase,
            yaw * self.reach,
            roll * self.reach,
            pitch * (2.6 - 1.6 * self.reach),
        )
        return Gesture(
            yaw=yaw + 0.35 * np.sin(at * 3.7) + 0.2 * np.sin(at * 6.1),
            pitch=pitch + 0.3 * np.sin(at * 2.9 + 1) + 0.15 * np.sin(at * 7.3),
            roll=roll + 0.25 * np.sin(at * 2.3 + 2),
            blink=max(_blink(seconds - start) for start in self.blinks),
            smile=smile * self.smile,
            brows=brows,
            breath=float(np.sin(seconds * 2 * np.pi / BREATH + self.phase)),
            # The eyes hold on to the camera while the head turns.
            gaze_x=-FIXED * yaw,
            gaze_y=-FIXED * pitch,
            gust=0.55 + 0.45 * float(np.sin(at * 1.7)),
            wind=seconds * 4.2 + self.phase,
        )


def _blink(since: float) -> float:
    """Lids fall fast and rise slowly."""
    if since < CLOSING:
        return smoothstep(0, CLOSING, since)
    return 1 - smoothstep(0, OPENING, since - CLOSING - SHUT)


def _eased(start: float, end: float, progress: float) -> float:
    """Slow, fast, slow: 0..1, without jerks."""
    part = min(1.0, max(0.0, (progress - start) / (end - start)))
    return part**3 * (10 - 15 * part + 6 * part * part)


def _hill(progress: float, at: float, width: float) -> float:
    return float(np.exp(-(((progress - at) / width) ** 2)))
