"""The differences between films, all drawn from the job's seed.

A shot list is one of 4 x 4 x 4 kinds of shots, filmed from one of 2 sides, with 8 numbers
of 64 steps each: 128 x 64^8, about 3.6e16 different ones. With 10,000 films the chance
that any two have the same one is below 1 in 500 million. What the suit wears (100 numbers,
2 sides, 3 x 4 stripes, 12 accents, 65,536 sets of scratches), the weather (3 x 2), the lens
and the circuits (2 x 6) multiply that by 1.4e11, before signs, cars and codes.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Literal, get_args

Weather = Literal["drizzle", "rain", "storm"]
HeroShot = Literal["crash", "crane", "dolly", "vertigo"]
CloseUp = Literal["tilt", "push", "pass", "rise"]
TitleMove = Literal["pull back", "rise", "drift", "press on"]
STEPS = 64  # of each number in a shot list


@dataclass(frozen=True)
class ShotList:
    """The camera work of the shots. Numbers are 0..1, from less to more or from earlier to later."""

    hero: HeroShot
    close_up: CloseUp
    title: TitleMove
    lean: int  # 1 or -1: which way the camera drifts and tilts
    push: float  # how far the camera comes closer
    drift: float  # how far it goes sideways
    turn: float  # how far the head turns
    tilt: float  # how far the camera rolls
    boot: float  # how slowly the visor appears
    sweep: float  # when a headlight passes
    flare: float  # how high the lens flare is
    pulse: float  # how far the circuits' pulses have run

    @classmethod
    def drawn(cls, dice: random.Random) -> ShotList:
        return cls(
            dice.choice(get_args(HeroShot)),
            dice.choice(get_args(CloseUp)),
            dice.choice(get_args(TitleMove)),
            dice.choice((-1, 1)),
            *(dice.randrange(STEPS) / (STEPS - 1) for _ in range(8)),
        )


@dataclass(frozen=True)
class SuitDetails:
    """What is painted on this film's suit."""

    number: int  # 0..99
    side: int  # -1 or 1: where the number stands; the stripes are on the other
    stripes: int  # 1..3
    pattern: Literal["bars", "slants", "chevrons", "checks"]
    accent: int  # which of the look's accents, counted round and round
    scratches: int  # seed of the scratches

    @classmethod
    def drawn(cls, dice: random.Random) -> SuitDetails:
        return cls(
            dice.randrange(100),
            dice.choice((-1, 1)),
            dice.randint(1, 3),
            dice.choice(("bars", "slants", "chevrons", "checks")),
            dice.randrange(12),
            dice.randrange(65536),
        )


@dataclass(frozen=True)
class Car:
    """A light that drives down the street repeatedly."""

    direction: int  # 1 towards the vanishing point's right side, -1 on its left
    start: float  # 0..1 of the way
    height: float  # above the street, negative is up
    speed: float  # ways a third of a second


@dataclass(frozen=True)
class Variation:
    seed: int
    shots: ShotList
    suit: SuitDetails
    serial: str  # as the HUD prints it
    position: str  # the coordinates in the HUD
    codes: tuple[str, ...]  # a meaningless code in the HUD, different for each film
    weather: Weather
    wind: int  # 1 blows to the right, -1 to the left
    lens_side: int  # 1 or -1: over which eye a lens sits, when the face looks straight ahead
    missing_circuit: int  # 0..5: one of the circuits' chains is left out, with 5 none
    cars: tuple[Car, ...]
    lightning: tuple[float, ...]  # seconds at which it flashes

    @classmethod
    def of(cls, seed: str) -> Variation:
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
        dice = random.Random(number)  # noqa: S311
        serial = f"{dice.randrange(65536):04X}-{dice.randrange(100):02d}"
        position = f"{35.5 + dice.random() * 0.4:.2f}N {139.5 + dice.random() * 0.4:.2f}E"
        codes = tuple("".join(dice.choice("0123456789ABCDEF") for _ in range(8)) for _ in range(7))
        kinds: tuple[Weather, ...] = ("drizzle", "rain", "storm")
        weather = dice.choices(kinds, (3, 4, 2))[0]
        wind, lens_side = dice.choice((-1, 1)), dice.choice((-1, 1))
        cars = tuple(
            Car(
                direction=dice.choice((-1, 1)),
                start=dice.uniform(0.05, 0.95),
                height=dice.uniform(-0.9, -0.15),
                speed=dice.uniform(0.5, 1.1),
            )
            for _ in range(9)
        )
        lightning = (dice.uniform(2.2, 3.1), dice.uniform(4.7, 5.0)) if weather == "storm" else ()
        return cls(
            seed=number,
            shots=ShotList.drawn(dice),
            suit=SuitDetails.drawn(dice),
            serial=serial,
            position=position,
            codes=codes,
            weather=weather,
            wind=wind,
            lens_side=lens_side,
            missing_circuit=dice.randrange(6),
            cars=cars,
            lightning=lightning,
        )

    def dice(self, purpose: str, frame: int = 0) -> random.Random:
        """Return the random generator of one purpose in one frame, independent of all others."""
        return random.Random(f"{self.seed}/{purpose}/{frame}")  # noqa: S311
