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
    finish: Literal["neon", "chrome", "terminal", "sand", "ice", "gilt"]
    arrival: Literal["tear", "cut", "decode", "sweep"]  # how it appears
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

# Letters that the wind has worn, their edges blown away to one side.
SAND = TitleStyle(
    face=TITLE,
    tracking=0.16,
    size=86,
    align="left",
    before="",
    fill=((0.0, (255, 244, 216)), (0.48, (255, 210, 136)), (0.54, (244, 160, 84)), (1.0, (226, 128, 62))),
    glow=(255, 140, 50),
    finish="sand",
    arrival="sweep",
    tagline="NO ROAD. NO MASK. NO FEAR",
)

# Ice that is frozen to the frame: cut in facets, with icicles below.
ICE = TitleStyle(
    face=HEAVY,
    tracking=0.08,
    size=84,
    align="centre",
    before="",
    fill=((0.0, (255, 255, 255)), (0.46, (206, 234, 255)), (0.50, (120, 180, 236)), (1.0, (226, 244, 255))),
    glow=(60, 140, 235),
    finish="ice",
    arrival="cut",
    tagline="THE NORTH REMEMBERS YOUR NAME",
)

# Gold leaf with a dark outline, for a bright morning.
GILT = TitleStyle(
    face=LINE,
    tracking=0.14,
    size=104,
    align="centre",
    before="",
    fill=((0.0, (255, 248, 214)), (0.46, (255, 214, 118)), (0.52, (222, 156, 54)), (1.0, (255, 226, 150))),
    glow=(255, 206, 120),
    finish="gilt",
    arrival="sweep",
    tagline="THE FIRST LIGHT HAS A FACE",
)
