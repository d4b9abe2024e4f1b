"""The music of the looks, as data: scores in sixteenths, and the cues of the film that they follow."""

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


# Neon-noir: a night drive. Saw bass in sixteenths that ducks below the kick, a wide pad, a bell-like lead.
SYNTHWAVE = Music(
    root=41.2,
    scale=(0, 2, 3, 5, 7, 8, 10),
    beats_per_minute=110,
    parts=(
        Part("blip", ("scan",), "7.7.e.7.7.7.e.e.", 0.10, octave=3, wet=0.3),
        Part("kick", ("hero", "title"), "X...X...X...X...", 0.95, wet=0.03),
        Part("clap", ("hero", "title"), "....X.......X..x", 0.34, wet=0.35),
        Part("hat", ("hero", "title"), "x.X.x.X.x.X.x.Xx", 0.15, pan=0.25, wet=0.1),
        Part(
            "saw_bass",
            ("hero", "title"),
            ("0070007000750070", "0700070035003500", "0007007055573002"),
            0.62,
            octave=1,
            ducked=True,
            wet=0.02,
        ),
        Part("pad", ("hero", "break"), "0...............", 0.30, octave=2, ducked=True, wet=0.4),
        Part("pad", ("break", "title"), "5.......4.......", 0.26, octave=2, ducked=True, wet=0.4),
        Part(
            "bell",
            ("hero", "title"),
            ("..7..9..b..9....", "b..9..7..4..7...", "..4.7..9....b.9."),
            0.17,
            octave=3,
            pan=-0.3,
            wet=0.55,
        ),
        Part("heart", ("break",), "X..x....X..x....", 0.8, wet=0.2),
    ),
    hits=Hits("noise_riser", "boom", "servo", "whoosh", "brass_fall", "shimmer", (0.32, 1.0, 0.20, 0.6, 0.85, 0.22)),
    drone="drone",
    drone_gain=0.22,
    hall=1.3,
    hall_gain=0.5,
)

# Chrome-samurai: the drum before the duel. Taiko in three, a plucked string in the in-sen scale, a gong at the title.
TAIKO = Music(
    root=36.71,
    scale=(0, 1, 5, 7, 10),
    beats_per_minute=96,
    parts=(
        Part("wood", ("scan",), "X.....X...X.X.XX", 0.28, pan=0.2, wet=0.5),
        Part(
            "taiko",
            ("hero", "title"),
            ("X..xX..x..X.x.xx", "X.x..xX...x.X.xx", "X...X.xx..X.X.x."),
            1.0,
            octave=1,
            wet=0.3,
        ),
        Part("small_taiko", ("hero", "title"), "..x..x.xx..x.x..", 0.40, octave=2, pan=0.35, wet=0.35),
        Part("rim", ("hero", "title"), "x.x.x.x.x.x.x.x.", 0.10, pan=-0.35, wet=0.3),
        Part(
            "shamisen",
            ("hero", "break"),
            ("5..7..6.5...3.5.", "7.6.5..3..5.6...", "3.5...7.6..5.3.."),
            0.42,
            octave=2,
            pan=-0.2,
            wet=0.3,
        ),
        Part(
            "flute",
            ("break", "title"),
            ("8.......7...6...", "9.......8.......", "7.....8.........."),
            0.16,
            octave=3,
            wet=0.7,
        ),
        Part("low_string", ("hero", "title"), "0.......1.......", 0.36, octave=1, wet=0.2),
    ),
    hits=Hits("cymbal_riser", "war_drum", "blade", "blade", "gong", "temple_bell", (0.30, 1.1, 0.26, 0.5, 0.85, 0.22)),
    drone="throat",
    drone_gain=0.20,
    hall=2.2,
    hall_gain=0.6,
)

# Netrunner: a machine that thinks. A chip arpeggio, broken drums, bits that crackle, a bass that talks.
GLITCH = Music(
    root=43.65,
    scale=(0, 2, 3, 5, 7, 9, 10),
    beats_per_minute=132,
    parts=(
        Part("modem", ("scan",), "2.5.b.9.7.e.c.9.", 0.11, octave=3, pan=0.2, wet=0.2),
        Part("short_kick", ("hero", "title"), "X..x..X.x.X...xX", 0.9, wet=0.02),
        Part("snare", ("hero", "title"), "....X..x....X.x.", 0.40, wet=0.15),
        Part("tick", ("hero", "title"), "xxx.xXx.xx.xXxxx", 0.11, pan=-0.3, wet=0.05),
        Part("bits", ("hero", "title"), "..X.....x..X..x.", 0.20, pan=0.4, wet=0.1),
        Part(
            "chip",
            ("hero", "break", "title"),
            ("0479479b479b7974", "079b079b57bc57bc", "0274027b2479247b"),
            0.17,
            octave=3,
            pan=0.2,
            wet=0.35,
        ),
        Part(
            "wobble",
            ("hero", "title"),
            ("0..0..3.0..0..5.", "0...0.0.3...5...", "0.0..0..5..3..2."),
            0.60,
            octave=1,
            ducked=True,
        ),
        Part("cold_pad", ("hero", "break", "title"), "4...............", 0.22, octave=2, ducked=True, wet=0.5),
    ),
    hits=Hits(
        "bit_riser", "data_drop", "servo", "stutter", "chord_stab", "shimmer", (0.30, 1.0, 0.20, 0.42, 0.75, 0.22)
    ),
    drone="drone",
    drone_gain=0.18,
    hall=0.9,
    hall_gain=0.4,
)
