"""What differs from film to film: everything here is drawn from the job's seed and nothing else."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from typing import Literal

Weather = Literal["drizzle", "rain", "storm"]


@dataclass(frozen=True)
class Car:
    """A light that drives down the street, again and again."""

    direction: int  # 1 towards the vanishing point's right side, -1 on its left
    start: float  # 0..1 of the way
    height: float  # above the street, negative is up
    speed: float  # ways a third of a second


@dataclass(frozen=True)
class Variation:
    seed: int
    serial: str  # as the HUD prints it
    position: str  # where on earth the HUD says it is
    codes: tuple[str, ...]  # meaningless, but different for everybody
    weather: Weather
    wind: int  # 1 blows to the right, -1 to the left
    lean: int  # 1 or -1: which way the camera drifts and tilts
    cars: tuple[Car, ...]
    lightning: tuple[float, ...]  # seconds at which it flashes

    @classmethod
    def of(cls, seed: str) -> Variation:
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
        dice = random.Random(number)  # noqa: S311
        serial = f"{dice.randrange(65536):04X}-{dice.randrange(100):02d}"
        position = f"{35.5 + dice.random() * 0.4:.2f}N {139.5 + dice.random() * 0.4:.2f}E"
        codes = tuple("".join(dice.choice("0123456789ABCDEF") for _ in range(8)) for _ in range(7))
        weather = dice.choices(("drizzle", "rain", "storm"), (3, 4, 2))[0]
        wind, lean = dice.choice((-1, 1)), dice.choice((-1, 1))
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
        return cls(number, serial, position, codes, weather, wind, lean, cars, lightning)

    def dice(self, purpose: str, frame: int = 0) -> random.Random:
        """Dice for one purpose in one frame: the same whatever was drawn before."""
        return random.Random(f"{self.seed}/{purpose}/{frame}")  # noqa: S311
