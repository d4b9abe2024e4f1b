"""The looks of a film, as data. ADDING_A_LOOK.md explains how to add one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from providers.studio.film.music.score import Cues, Music
from providers.studio.film.music.scores import CARAVAN, GLITCH, SUNRISE, SYNTHWAVE, TAIKO, VIGIL
from providers.studio.film.music.second_scores import AFTER_HOURS, BACK_DOOR, FIRST_CUP, MARCH, RIDE, ROOFTOPS
from providers.studio.film.title_styles import GILT, ICE, NEON, SAND, STEEL, TERMINAL, TitleStyle

from .canvas import FRAMES_PER_SECOND, Colour

Skyline = Literal["towers", "pagodas", "spires", "mesas", "peaks", "domes"]
Street = Literal["canyon", "temple", "monoliths", "souk", "bastion", "terraces"]
Landmark = Literal[
    "bridge",
    "holograms",
    "torii",
    "lanterns",
    "data rings",
    "light pillars",
    "awnings",
    "aurora",
    "arches",
    "pennants",
]


@dataclass(frozen=True)
class CityShape:
    """The parts of a city. `backdrop.py`, `streets.py` and `landmarks.py` in `city/` build what is named here."""

    skyline: Skyline = "towers"
    street: Street = "canyon"
    landmarks: tuple[Landmark, ...] = ("bridge", "holograms")  # drawn in this order, the last in front
    floor: Literal["wet", "grid", "dry"] = "wet"
    searchlights: bool = True
    traffic: bool = True  # cars that fly along the street
    film_signs: int = 4  # how many signs are added per film


@dataclass(frozen=True)
class SuitMaterial:
    cloth: Colour
    plate: Colour
    shoulder: Colour
    shine: float  # gain of the highlights
    cut: Literal["plated", "lamellar", "ribbed", "wrapped", "bulwark", "radiant"] = "plated"  # `suits.py` lists them
    trim: Colour = (120, 120, 130)  # rims, crests, cables
    sash: Colour = (60, 20, 24)  # bands of cloth
    marking: Colour = (190, 196, 210)  # the number and stripes painted on it


@dataclass(frozen=True)
class Timeline:
    """When the shots of a film begin, in seconds; the scan begins at 0. Films last 5 to 6 s."""

    hero_at: float = 1.05
    close_up_at: float = 3.45
    title_at: float = 4.35
    seconds: float = 5.75
    poster_at: float = 5.2  # the time of the poster's frame, in the title shot

    @property
    def cuts(self) -> tuple[float, float, float]:
        return self.hero_at, self.close_up_at, self.title_at

    @property
    def visor_at(self) -> float:
        """When the visor starts to boot."""
        return self.hero_at + 0.20 * (self.close_up_at - self.hero_at)

    @property
    def mark_at(self) -> float:
        """When the closing mark appears."""
        return self.seconds - 0.98

    @property
    def cues(self) -> Cues:
        """The times that the music follows."""
        return Cues(self.hero_at, self.visor_at, self.close_up_at, self.title_at, self.mark_at, self.seconds)

    @property
    def frame_count(self) -> int:
        return round(self.seconds * FRAMES_PER_SECOND)

    @property
    def poster_frame(self) -> int:
        return round(self.poster_at * FRAMES_PER_SECOND)


@dataclass(frozen=True)
class Look:
    slug: str
    tag: str  # as the HUD prints it
    sky: tuple[Colour, Colour, Colour]  # from the zenith to the horizon
    fog: Colour
    left_light: Colour
    right_light: Colour
    sun: tuple[Colour, Colour]  # top and bottom
    sun_shape: Literal["slit", "disc", "ring", "twin", "moon", "rays"]
    windows: tuple[Colour, Colour, Colour, Colour]
    signs: tuple[str, ...]  # words whose glyphs the sign font has
    film_signs: tuple[str, ...]  # more of them, hung by the film's seed
    visor: Literal["band", "brow", "lens", "none"]
    visor_colour: Colour
    circuit_colour: Colour
    hud_colour: Colour
    shadow: Colour  # tint of the face's shadows
    highlight: Colour  # tint of the face's highlights
    suit: SuitMaterial
    strips: Literal["lights", "left light", "circuit"]  # what colour the suit's strips glow in
    music: tuple[Music, ...]  # two pieces or more: a film's seed chooses
    title: TitleStyle
    accents: tuple[Colour, ...]  # each film's suit wears one of them
    city: CityShape = field(default_factory=CityShape)
    daylight: bool = False  # a bright sky: less glows, the HUD is ink, and flakes are seen by their colour
    walls: Colour = (16, 19, 34)  # clay, stone and plaster, where a street is built of them
    falls: Literal["rain", "petals", "bits", "embers", "snow"] = "rain"  # what falls through the air
    hud: Literal["camera", "lacquer", "terminal", "compass", "crystal", "dial"] = "camera"  # how the HUD is drawn
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def as_light(self) -> Look:
        """The look for what shines over something dark, such as a photo or an end card, whatever its sky is."""
        return replace(self, daylight=False, hud_colour=self.visor_colour) if self.daylight else self


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
    film_signs=("黒猫", "カラオケ", "酒場", "雨夜", "零式", "月光", "龍虎"),
    visor="band",
    visor_colour=(40, 235, 255),
    circuit_colour=(60, 240, 255),
    hud_colour=(40, 235, 255),
    shadow=(34, 14, 30),
    highlight=(255, 214, 180),
    suit=SuitMaterial(cloth=(34, 36, 48), plate=(52, 54, 70), shoulder=(58, 58, 78), shine=0.9),
    strips="lights",
    music=(SYNTHWAVE, AFTER_HOURS),
    title=NEON,
    accents=((60, 240, 255), (255, 60, 160), (255, 200, 70), (150, 110, 255)),
)

CHROME_SAMURAI = Look(
    slug="chrome-samurai",
    tag="CHROME SAMURAI",
    sky=((10, 6, 14), (40, 10, 20), (138, 42, 26)),
    fog=(96, 26, 26),
    left_light=(255, 66, 34),
    right_light=(136, 172, 232),
    sun=((240, 54, 28), (214, 20, 26)),
    sun_shape="disc",
    windows=((255, 190, 110), (255, 140, 70), (255, 220, 170), (255, 104, 60)),
    signs=("侍", "侍魂", "龍影", "忍", "霊", "禁止"),
    film_signs=("武士", "剣", "桜", "鬼神", "竜王", "火", "黒龍"),
    visor="brow",
    visor_colour=(255, 176, 84),
    circuit_colour=(255, 196, 90),
    hud_colour=(255, 215, 150),
    shadow=(14, 14, 30),
    highlight=(255, 224, 186),
    suit=SuitMaterial(
        cloth=(26, 22, 30),
        plate=(42, 34, 42),
        shoulder=(88, 86, 100),
        shine=0.85,
        cut="lamellar",
        trim=(206, 150, 66),
        sash=(34, 34, 62),
        marking=(232, 196, 120),
    ),
    strips="left light",
    music=(TAIKO, ROOFTOPS),
    title=STEEL,
    accents=((196, 34, 34), (214, 150, 50), (32, 60, 120), (96, 30, 84)),
    city=CityShape(
        skyline="pagodas",
        street="temple",
        landmarks=("torii", "lanterns"),
        searchlights=False,
        traffic=False,
        film_signs=2,
    ),
    falls="petals",
    hud="lacquer",
    timeline=Timeline(hero_at=1.0, close_up_at=3.25, title_at=4.3),
)

NETRUNNER = Look(
    slug="netrunner",
    tag="NETRUNNER",
    sky=((2, 6, 14), (4, 26, 40), (10, 84, 84)),
    fog=(14, 96, 92),
    left_light=(46, 188, 166),
    right_light=(128, 104, 240),
    sun=((140, 255, 200), (20, 220, 160)),
    sun_shape="ring",
    windows=((110, 255, 190), (90, 220, 255), (190, 255, 220), (140, 140, 255)),
    signs=("接続", "認証", "電脳", "機械", "零壱", "未来"),
    film_signs=("零式", "電光", "機神", "影", "電霊", "黒月", "白夜"),
    visor="lens",
    visor_colour=(90, 255, 170),
    circuit_colour=(96, 255, 176),
    hud_colour=(90, 255, 170),
    shadow=(26, 22, 30),
    highlight=(255, 226, 204),
    suit=SuitMaterial(
        cloth=(24, 30, 34),
        plate=(44, 56, 60),
        shoulder=(34, 44, 48),
        shine=0.8,
        cut="ribbed",
        trim=(70, 82, 88),
        marking=(150, 240, 206),
    ),
    strips="circuit",
    music=(GLITCH, BACK_DOOR),
    title=TERMINAL,
    accents=((96, 255, 176), (120, 150, 255), (255, 170, 60), (255, 90, 130)),
    city=CityShape(
        skyline="spires",
        street="monoliths",
        landmarks=("light pillars", "data rings", "holograms"),
        floor="grid",
        searchlights=False,
        film_signs=3,
    ),
    falls="bits",
    hud="terminal",
    timeline=Timeline(hero_at=1.1, close_up_at=3.6, title_at=4.4),
)

DUST_NOMAD = Look(
    slug="dust-nomad",
    tag="DUST NOMAD",
    sky=((4, 34, 44), (30, 66, 72), (196, 104, 50)),
    fog=(122, 82, 58),
    left_light=(255, 150, 66),
    right_light=(48, 186, 184),
    sun=((230, 164, 88), (208, 86, 34)),
    sun_shape="twin",
    windows=((255, 190, 96), (255, 150, 70), (110, 226, 214), (255, 216, 150)),
    signs=("火", "龍影", "影"),
    film_signs=("月光", "侍魂", "白夜"),
    visor="none",
    visor_colour=(92, 232, 216),
    circuit_colour=(84, 232, 214),
    hud_colour=(255, 206, 140),
    shadow=(14, 24, 30),
    highlight=(255, 220, 182),
    suit=SuitMaterial(
        cloth=(92, 74, 56),
        plate=(82, 54, 36),
        shoulder=(104, 74, 48),
        shine=0.45,
        cut="wrapped",
        trim=(170, 126, 74),
        sash=(124, 66, 44),
        marking=(230, 206, 170),
    ),
    strips="circuit",
    music=(CARAVAN, RIDE),
    title=SAND,
    accents=((84, 232, 214), (255, 170, 70), (226, 90, 50), (236, 220, 190)),
    city=CityShape(
        skyline="mesas",
        street="souk",
        landmarks=("awnings",),
        floor="dry",
        searchlights=False,
        traffic=False,
        film_signs=0,
    ),
    walls=(112, 84, 64),
    falls="embers",
    hud="compass",
    timeline=Timeline(hero_at=1.15, close_up_at=3.4, title_at=4.35, seconds=5.8, poster_at=5.25),
)

FROST_WARDEN = Look(
    slug="frost-warden",
    tag="FROST WARDEN",
    sky=((4, 8, 22), (8, 22, 52), (48, 80, 118)),
    fog=(52, 78, 112),
    left_light=(70, 118, 182),
    right_light=(120, 132, 162),
    sun=((128, 142, 164), (98, 118, 148)),
    sun_shape="moon",
    windows=((255, 196, 120), (255, 214, 150), (150, 210, 255), (200, 226, 255)),
    signs=("雪", "白夜", "月光", "影"),
    film_signs=("白夜", "月光"),
    visor="band",
    visor_colour=(130, 196, 236),
    circuit_colour=(140, 222, 255),
    hud_colour=(200, 230, 255),
    shadow=(18, 22, 36),
    highlight=(255, 232, 216),
    suit=SuitMaterial(
        cloth=(38, 48, 64),
        plate=(114, 122, 134),
        shoulder=(106, 115, 128),
        shine=0.42,
        cut="bulwark",
        trim=(70, 88, 116),
        sash=(126, 124, 124),
        marking=(60, 96, 150),
    ),
    strips="circuit",
    music=(VIGIL, MARCH),
    title=ICE,
    accents=((140, 222, 255), (70, 110, 190), (220, 70, 70), (60, 70, 90)),
    city=CityShape(
        skyline="peaks",
        street="bastion",
        landmarks=("aurora",),
        floor="dry",
        searchlights=False,
        traffic=False,
        film_signs=0,
    ),
    walls=(44, 58, 86),
    falls="snow",
    hud="crystal",
    timeline=Timeline(hero_at=1.2, close_up_at=3.5, title_at=4.45, seconds=5.8, poster_at=5.25),
)

DAYBREAK = Look(
    slug="daybreak",
    tag="DAYBREAK",
    sky=((92, 142, 204), (150, 186, 220), (236, 208, 170)),
    fog=(222, 206, 190),
    left_light=(214, 168, 110),
    right_light=(132, 166, 218),
    sun=((240, 214, 168), (238, 198, 134)),
    sun_shape="rays",
    windows=((255, 224, 160), (150, 180, 210), (124, 132, 160), (96, 120, 160)),
    signs=("朝", "光", "空"),
    film_signs=("光", "空"),
    visor="brow",
    visor_colour=(255, 214, 130),
    circuit_colour=(255, 206, 110),
    hud_colour=(24, 44, 84),
    shadow=(30, 26, 34),
    highlight=(255, 232, 208),
    suit=SuitMaterial(
        cloth=(126, 124, 124),
        plate=(156, 153, 148),
        shoulder=(158, 155, 150),
        shine=0.28,
        cut="radiant",
        trim=(196, 146, 60),
        sash=(52, 66, 104),
        marking=(150, 104, 40),
    ),
    strips="circuit",
    music=(SUNRISE, FIRST_CUP),
    title=GILT,
    accents=((196, 146, 60), (60, 92, 160), (200, 96, 80), (70, 140, 130)),
    city=CityShape(
        skyline="domes",
        street="terraces",
        landmarks=("arches", "pennants"),
        searchlights=False,
        traffic=False,
        film_signs=0,
    ),
    daylight=True,
    walls=(226, 216, 204),
    falls="petals",
    hud="dial",
    timeline=Timeline(hero_at=1.05, close_up_at=3.35, title_at=4.4, seconds=5.75, poster_at=5.2),
)

LOOKS = {look.slug: look for look in (NEON_NOIR, CHROME_SAMURAI, NETRUNNER, DAYBREAK, DUST_NOMAD, FROST_WARDEN)}
DEFAULT_LOOK = NEON_NOIR.slug
