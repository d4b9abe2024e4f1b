"""Plays a score to the cues of a film: parts on a grid of sixteenths, hits on the cuts, one reverb for all.

scan    drone, beeps and a riser that stops dead at
hero    a hit, then the whole band; the visor boots
break   the close-up: the drums stop, and a heart beats
title   the loudest hit, the whole band again, and a tail that ends with the film
"""

from __future__ import annotations

from itertools import cycle

import numpy as np

from .effects import EFFECTS
from .loudness import SAMPLE_RATE, fast_size
from .score import Cues, Music, Part
from .voices import VOICES, band, clock

LOUD, SOFT = 1.0, 0.55  # velocity of capitals and small letters in a pattern
DUCKED = 0.30  # gain of ducked parts while the kick sounds
DUCK_SECONDS = 0.21
TAIL = 0.55  # seconds in which everything fades at the end
KICKS = ("kick", "short_kick")
BREATH = 0.35  # gain of everything right before a cut
OPENING, RISEN, HUSHED, TITLE = 0.35, 0.7, 0.5, 1.15  # gains of the arc; the hero shot has 1
RUBATO = 0.12  # how much the tempo may be changed


class Desk:
    """Three stereo buses: ducked parts, other parts, and the reverb."""

    def __init__(self, seconds: float) -> None:
        self.count = int(seconds * SAMPLE_RATE)
        self.dry, self.ducked, self.wet = (np.zeros((2, self.count)) for _ in range(3))

    def play(
        self, note: np.ndarray, at: float, gain: float, *, pan: float = 0.0, wet: float = 0.1, ducked: bool = False
    ) -> None:
        """Add a note; samples outside the film are dropped."""
        start = round(at * SAMPLE_RATE)
        note = note[max(0, -start) : self.count - start]
        start = max(0, start)
        angle = (pan + 1) * np.pi / 4
        sides = np.array([[np.cos(angle)], [np.sin(angle)]]) * np.sqrt(2) * gain
        bus = self.ducked if ducked else self.dry
        bus[:, start : start + len(note)] += sides * note
        self.wet[:, start : start + len(note)] += sides * note * wet


def arrange(music: Music, cues: Cues, variant: int) -> np.ndarray:
    """Return a film's sound as stereo, 2 x samples, at no particular loudness."""
    dice = np.random.default_rng([variant, round(music.root * 100)])
    desk, sixteenth = Desk(cues.end), _sixteenth(music, cues)
    desk.play(VOICES[music.drone](music.root, cues.end, dice) * _arc(cues), 0, music.drone_gain, wet=0.2)
    kicks: list[float] = []
    for part in music.parts:
        played: dict[int, np.ndarray] = {}  # a repeated note sounds the same
        for at, degree, force in _notes(part, cues, sixteenth, variant):
            if degree not in played:
                played[degree] = VOICES[part.voice](_pitch(music, degree, part.octave), sixteenth, dice)
            desk.play(played[degree], at, part.gain * force, pan=part.pan, wet=part.wet, ducked=part.ducked)
            if part.voice in KICKS:
                kicks.append(at)
    _mark_moments(desk, music, cues, dice)
    mix = desk.dry + desk.ducked * _duck(desk.count, kicks)
    mix += _hall(desk.wet, music.hall, dice) * music.hall_gain
    mix *= _breath(desk.count, (cues.hero, cues.close_up, cues.title)) * _dynamics(desk.count, cues)
    return _trimmed(mix, cues)


def _mark_moments(desk: Desk, music: Music, cues: Cues, dice: np.random.Generator) -> None:
    hits, gains = music.hits, music.hits.gains
    desk.play(EFFECTS[hits.riser](music.root, cues.hero, dice), 0, gains[0], wet=0.2)
    booting = min(0.7, max(0.3, cues.close_up - cues.visor))
    moments = (
        (hits.hero, cues.hero, 1.0, 0.0),
        (hits.boot, cues.visor, booting, 0.15),
        (hits.close_up, cues.close_up, 1.0, 0.0),
        (hits.title, cues.title, cues.end - cues.title, 0.0),
        (hits.mark, cues.mark, 1.0, 0.0),
    )
    for (name, at, seconds, pan), gain in zip(moments, gains[1:], strict=True):
        desk.play(EFFECTS[name](music.root, seconds, dice), at, gain, pan=pan, wet=0.3)


def _notes(part: Part, cues: Cues, sixteenth: float, variant: int) -> list[tuple[float, int, float]]:
    """Yield the notes of a part with time and velocity. Its pattern restarts in every section."""
    pattern = part.pattern if isinstance(part.pattern, str) else part.pattern[variant % len(part.pattern)]
    notes = []
    for section in part.sections:
        start, end = cues.span(section)
        if section == "title":
            end = min(end, max(cues.mark, start + 4 * sixteenth))
        for number, sign in zip(range(int((end - start) / sixteenth + 0.2)), cycle(pattern), strict=False):
            if sign != ".":
                degree, force = (0, LOUD if sign == "X" else SOFT) if sign in "xX" else (int(sign, 36), LOUD)
                notes.append((start + number * sixteenth, degree, force))
    return notes


def _pitch(music: Music, degree: int, octave: int) -> float:
    up, step = divmod(degree, len(music.scale))
    return music.root * 2 ** (octave + up + music.scale[step] / 12)


def _sixteenth(music: Music, cues: Cues) -> float:
    """The seconds of a sixteenth, adjusted so that the title falls on a beat."""
    wished, length = 60 / music.beats_per_minute, cues.title - cues.hero
    beat = length / max(1, round(length / wished))
    return min(max(beat, wished * (1 - RUBATO)), wished * (1 + RUBATO)) / 4


def _duck(count: int, kicks: list[float]) -> np.ndarray:
    """The gain of the ducked parts."""
    gain = np.ones(count)
    length = int(DUCK_SECONDS * SAMPLE_RATE)
    curve = DUCKED + (1 - DUCKED) * np.linspace(0, 1, length) ** 1.5
    for at in kicks:
        start = round(at * SAMPLE_RATE)
        piece = gain[start : start + length]
        np.minimum(piece, curve[: len(piece)], out=piece)
    return gain


def _breath(count: int, cuts: tuple[float, ...]) -> np.ndarray:
    """A gain that falls just before each cut, so that the hit stands alone."""
    points, gains = [0.0], [1.0]
    for cut in cuts:
        points += [cut - 0.11, cut - 0.075, cut - 0.004, cut]
        gains += [1.0, BREATH, BREATH, 1.0]
    return np.interp(np.arange(count) / SAMPLE_RATE, points, gains)


def _dynamics(count: int, cues: Cues) -> np.ndarray:
    """The gain of the whole: a quiet opening that rises, the hero in full, a breath, and the title loudest."""
    points, gains = zip(
        *((0.0, OPENING), (cues.hero - 0.004, RISEN), (cues.hero, 1.0), (cues.close_up, 1.0)),
        *((cues.close_up + 0.35, HUSHED), (cues.title - 0.004, HUSHED), (cues.title, TITLE)),
        strict=True,
    )
    return np.interp(np.arange(count) / SAMPLE_RATE, points, gains)


def _arc(cues: Cues) -> np.ndarray:
    """The drone is loudest in the scan and the break."""
    time = clock(cues.end)
    points = [0, 0.15, cues.hero, cues.hero + 0.05, cues.close_up, cues.close_up + 0.15, cues.title, cues.end]
    return np.interp(time, points, [0, 1.0, 1.4, 0.6, 0.6, 1.4, 1.0, 0.8])


def _hall(sound: np.ndarray, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """The echo of a large room: noise that dies away, darker and darker, different on each side."""
    time = clock(seconds)
    echo = np.stack([band(dice.normal(0, 1, len(time)), 180, 3800) for _ in range(2)])
    echo *= np.exp(-6.9 * time / seconds) * np.clip(time / 0.012, 0, 1)
    echo /= np.sqrt((echo**2).sum(axis=1, keepdims=True))
    size = fast_size(sound.shape[1] + len(time))
    wet = np.fft.irfft(np.fft.rfft(sound, size, axis=1) * np.fft.rfft(echo, size, axis=1), size, axis=1)
    return wet[:, : sound.shape[1]]


def _trimmed(mix: np.ndarray, cues: Cues) -> np.ndarray:
    """Remove inaudible rumble and offset, and fade in and out."""
    mix = np.stack([band(side, low=28) for side in mix])
    time = clock(cues.end)
    mix *= np.clip(time / 0.008, 0, 1) * np.clip((cues.end - 0.02 - time) / TAIL, 0, 1) ** 1.5
    return mix
