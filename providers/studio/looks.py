"""The looks of a film. A look is data: add one here, then run `python -m providers.studio.bake`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .canvas import Colour
from .music.score import GLITCH, SYNTHWAVE, TAIKO, Music
from .title_styles import NEON, STEEL, TERMINAL, TitleStyle


@dataclass(frozen=True)
class SuitMaterial:
    cloth: Colour
    plate: Colour
    shoulder: Colour
    shine: float  # gain of the highlights
    shoulder_caps: Literal["plate", "shoulder"] = "plate"  # what the upper shoulder pieces are made of


@dataclass(frozen=True)
class Look:
    slug: str
    tag: str  # as the HUD prints it
    sky: tuple[Colour, Colour, Colour]  # from the zenith to the horizon
    fog: Colour
    left_light: Colour
    right_light: Colour
    sun: tuple[Colour, Colour]  # top and bottom
    sun_shape: Literal["slit", "disc", "ring"]
    windows: tuple[Colour, Colour, Colour, Colour]
    signs: tuple[str, ...]  # words whose glyphs the sign font has
    visor: Literal["band", "slit", "lens"]
    visor_colour: Colour
    circuit_colour: Colour
    hud_colour: Colour
    shadow: Colour  # tint of the face's shadows
    highlight: Colour  # tint of the face's highlights
    suit: SuitMaterial
    strips: Literal["lights", "circuit"]  # the suit's strips glow in the two lights' colours, or the circuits'
    music: Music
    title: TitleStyle


NEON_NOIR = Look(
    slug="neon-noir",
    tag="NEON NOIR",
    sky=((6, 6, 22), (22, 14, 60), (96, 24, 104)),
    fog=(120, 40, 140),
    left_light=(255, 40, 150),
    right_light=(0, 220, 255),
    sun=((255, 120, 60), (255, 30, 140)),
    sun_shape="slit",
    windows=((255, 196, 120), (120, 220, 255), (255, 110, 190), (190, 200, 255)),
    signs=("電脳都市", "夜光酒場", "ラーメン", "危険", "ネオン", "英雄"),
    visor="band",
    visor_colour=(40, 235, 255),
    circuit_colour=(60, 240, 255),
    hud_colour=(40, 235, 255),
    shadow=(34, 14, 30),
    highlight=(255, 214, 180),
    suit=SuitMaterial(cloth=(34, 36, 48), plate=(52, 54, 70), shoulder=(58, 58, 78), shine=0.9),
    strips="lights",
    music=SYNTHWAVE,
    title=NEON,
)

CHROME_SAMURAI = Look(
    slug="chrome-samurai",
    tag="CHROME SAMURAI",
    sky=((8, 4, 8), (46, 8, 16), (150, 40, 24)),
    fog=(150, 44, 30),
    left_light=(255, 60, 30),
    right_light=(255, 190, 90),
    sun=((255, 40, 24), (255, 90, 30)),
    sun_shape="disc",
    windows=((255, 190, 110), (255, 120, 60), (255, 220, 170), (255, 70, 50)),
    signs=("侍", "侍魂", "龍影", "忍", "霊", "禁止"),
    visor="slit",
    visor_colour=(255, 70, 40),
    circuit_colour=(255, 200, 90),
    hud_colour=(255, 215, 150),
    shadow=(14, 12, 34),
    highlight=(255, 220, 170),
    suit=SuitMaterial(
        cloth=(30, 18, 20), plate=(112, 26, 22), shoulder=(150, 146, 150), shine=1.25, shoulder_caps="shoulder"
    ),
    strips="circuit",
    music=TAIKO,
    title=STEEL,
)

NETRUNNER = Look(
    slug="netrunner",
    tag="NETRUNNER",
    sky=((2, 8, 12), (4, 34, 38), (12, 96, 84)),
    fog=(16, 110, 96),
    left_light=(60, 255, 140),
    right_light=(120, 120, 255),
    sun=((140, 255, 200), (20, 220, 160)),
    sun_shape="ring",
    windows=((150, 255, 200), (90, 220, 255), (220, 255, 220), (140, 140, 255)),
    signs=("接続", "認証", "電脳", "機械", "零壱", "未来"),
    visor="lens",
    visor_colour=(90, 255, 170),
    circuit_colour=(110, 255, 170),
    hud_colour=(90, 255, 170),
    shadow=(36, 26, 8),
    highlight=(240, 255, 220),
    suit=SuitMaterial(cloth=(24, 34, 34), plate=(40, 58, 56), shoulder=(34, 48, 50), shine=0.7),
    strips="circuit",
    music=GLITCH,
    title=TERMINAL,
)

LOOKS = {look.slug: look for look in (NEON_NOIR, CHROME_SAMURAI, NETRUNNER)}
DEFAULT_LOOK = NEON_NOIR.slug
