"""The title styles of the looks, as data. `titles` draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from providers.studio.film.canvas import Colour

from .typefaces import HEAVY, HUD, LINE, TITLE


@dataclass(frozen=True)
class TitleStyle:
    face: str  # of the name, where it has the letters
    tracking: float  # ems between letters
    size: int  # px, of a short name
    align: Literal["centre", "left"]
    before: str  # stands before the name
    fill: tuple[tuple[float, Colour], ...]  # from the letters' top (0) to their foot (1)
    glow: Colour
    finish: Literal["neon", "chrome", "terminal"]
    arrival: Literal["tear", "cut", "decode"]  # how it appears
    tagline: str
    tagline_face: str = LINE
    seal: str = ""  # a sign stamped beside the tagline


# White tubes whose light is split into two colours.
NEON = TitleStyle(
    face=TITLE,
    tracking=0.10,
    size=92,
    align="centre",
    before="",
    fill=((0.0, (255, 255, 255)), (0.55, (255, 236, 250)), (1.0, (255, 150, 215))),
    glow=(255, 40, 150),
    finish="neon",
    arrival="tear",
    tagline="A CYBERPUNK STORY  //  STARRING YOU",
)

# Polished steel that mirrors a horizon, cut through by one blow.
STEEL = TitleStyle(
    face=HEAVY,
    tracking=0.04,
    size=88,
    align="centre",
    before="",
    fill=(
        *((0.0, (255, 252, 246)), (0.42, (226, 214, 208)), (0.50, (255, 246, 230))),
        *((0.56, (190, 136, 116)), (0.74, (255, 196, 130)), (1.0, (255, 226, 170))),
    ),
    glow=(255, 50, 24),
    finish="chrome",
    arrival="cut",
    tagline="THE LAST BLADE OF THE CITY",
    seal="侍",
)

# The output of a terminal that has found the hero.
TERMINAL = TitleStyle(
    face=HUD,
    tracking=0.06,
    size=96,
    align="left",
    before="> ",
    fill=((0.0, (214, 255, 232)), (1.0, (140, 255, 190))),
    glow=(40, 255, 140),
    finish="terminal",
    arrival="decode",
    tagline="ACCESS GRANTED // WELCOME BACK, RUNNER",
    tagline_face=HUD,
)
