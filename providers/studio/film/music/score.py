"""What a score is: parts in sixteenths, and the cues that they follow. `scores.py` has the scores of the looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Section = Literal["scan", "hero", "break", "title"]  # the film's four shots; the break is the close-up

VISOR_BOOTS = 0.20  # of the hero shot have passed when it does
MARK_SECONDS = 0.98  # seconds before the end at which the mark appears


@dataclass(frozen=True)
class Cues:
    """The times in a film, in seconds, that the music accents."""

    hero: float
    visor: float  # it starts to boot
    close_up: float
    title: float
    mark: float  # the end card
    end: float

    @classmethod
    def of(cls, cuts: tuple[float, float, float], seconds: float) -> Cues:
        """Return the cues of a film that cuts to hero, close-up and title at these seconds and has this length."""
        hero, close_up, title = cuts
        return cls(hero, hero + VISOR_BOOTS * (close_up - hero), close_up, title, seconds - MARK_SECONDS, seconds)

    def span(self, section: Section) -> tuple[float, float]:
        """The start and end of a section in seconds."""
        return {
            "scan": (0.0, self.hero),
            "hero": (self.hero, self.close_up),
            "break": (self.close_up, self.title),
            "title": (self.title, self.end),
        }[section]


@dataclass(frozen=True)
class Part:
    """One instrument's line.

    The pattern has a character per sixteenth and repeats: `.` is a rest; a digit or a letter (`a` is 10) is a degree of
    the scale, counted from the root over as many octaves as needed; `X` and `x` are the root, loud and soft.
    """

    voice: str  # one of `voices.VOICES`
    sections: tuple[Section, ...]
    pattern: str | tuple[str, ...]  # several: one of them is chosen by the variant
    gain: float
    octave: int = 0
    pan: float = 0.0  # -1 left .. 1 right
    ducked: bool = False  # ducked by the kick
    wet: float = 0.1  # its share of the reverb


@dataclass(frozen=True)
class Hits:
    """The voices that mark the cuts."""

    riser: str
    hero: str
    boot: str
    close_up: str
    title: str
    mark: str
    gains: tuple[float, float, float, float, float, float] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Music:
    root: float  # Hz of degree 0 in octave 0
    scale: tuple[int, ...]  # semitones above the root
    beats_per_minute: float  # adjusted so that the title falls on a beat
    parts: tuple[Part, ...]
    hits: Hits
    drone: str
    drone_gain: float
    hall: float  # seconds until the reverb has fallen by 60 dB
    hall_gain: float
