"""Rain, petals, bits, embers or snow in two depths, grain and vignette, cut for each frame from repeating tiles."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Literal

import cv2
import numpy as np

from providers.studio.film.canvas import FRAME_HEIGHT, FRAME_WIDTH, bgr, blur, gray_layer
from providers.studio.film.looks import Look
from providers.studio.film.variation import Variation, Weather

RAIN_TILE = 640  # px; the pattern repeats
GRAIN_SIGMA = 2.6  # stronger grain doubles the size of the film
GRAIN_TRAVEL = 120  # px the grain may be shifted
RAIN_TINT = (1.0, 0.92, 0.85)  # BGR
KEPT_TILES = 12  # of 1.6 MB: one weather of each look that is in memory, in two depths


@dataclass(frozen=True)
class _Drops:
    count: int  # in a tile
    length: float  # px
    slant: float  # px to the right for a px down
    light: float  # 0..255
    thickness: int
    softness: float  # sigma of the blur
    speed: float  # px a second


@dataclass(frozen=True)
class _Flakes:
    """Petals that tumble down, bits of data and embers that float up, or snow."""

    kind: Literal["petals", "bits", "embers", "snow"]
    count: int
    size: float  # px
    light: float
    slant: float
    softness: float
    speed: float  # px a second, negative upwards


# Streaks are soft: long bright ones look like white sticks, and every drop makes the film larger.
BACK = {
    "drizzle": _Drops(110, 34, 0.05, 54, 1, 0.8, 820),
    "rain": _Drops(170, 42, 0.08, 64, 1, 0.8, 980),
    "storm": _Drops(210, 52, 0.14, 64, 1, 0.8, 1150),
}
FRONT = {
    "drizzle": _Drops(9, 110, 0.06, 54, 2, 1.6, 1500),
    "rain": _Drops(16, 150, 0.10, 62, 2, 1.6, 1900),
    "storm": _Drops(22, 170, 0.16, 62, 2, 1.6, 2200),
}
MORE = {"drizzle": 0.7, "rain": 1.0, "storm": 1.4}  # how many flakes a weather has
SHADE = (1.0, 0.42, 0.06)  # BGR: the light that golden leaves take away from a sky
TINTS = {"petals": (0.62, 0.56, 1.0), "embers": (0.20, 0.56, 1.0), "snow": (1.0, 0.97, 0.93)}  # BGR
BACK_FLAKES = {
    "petals": _Flakes("petals", 34, 6, 150, 0.34, 0.7, 150),
    "bits": _Flakes("bits", 80, 4, 170, 0.0, 0.6, -120),
    "embers": _Flakes("embers", 90, 2.6, 230, -0.55, 0.7, -170),
    "snow": _Flakes("snow", 190, 2.4, 190, 0.18, 0.8, 130),
}
FRONT_FLAKES = {
    "petals": _Flakes("petals", 7, 17, 150, 0.42, 2.4, 330),
    "bits": _Flakes("bits", 9, 7, 90, 0.0, 2.0, -260),
    "embers": _Flakes("embers", 13, 5, 210, -0.70, 1.8, -360),
    "snow": _Flakes("snow", 26, 7, 130, 0.30, 2.6, 300),
}


class Fall:
    """One layer of rain or flakes, in one wind."""

    def __init__(
        self,
        drops: _Drops | _Flakes,
        tint: tuple[float, float, float],
        wind: int,
        seed: int,
        *,
        takes_light: bool = False,
    ) -> None:
        """`tint` (BGR, shares) is the light that the layer adds, or with `takes_light` takes away."""
        self._drops, self._wind, self._lay = drops, wind, cv2.subtract if takes_light else cv2.add
        tile = _drop_tile(drops, seed) if isinstance(drops, _Drops) else _flake_tile(drops, tint, seed)
        if wind < 0:
            tile = np.ascontiguousarray(tile[:, ::-1])
        # One frame plus one period, the most that a slice can cover.
        self._layer = cv2.copyMakeBorder(tile, 0, FRAME_HEIGHT, 0, FRAME_WIDTH, cv2.BORDER_WRAP)

    def fall(self, frame: np.ndarray, seconds: float) -> None:
        """Lay the layer of a time over a frame or its upper part, in place."""
        drops = self._drops
        y = int(-seconds * drops.speed) % RAIN_TILE
        x = int(-seconds * drops.speed * drops.slant * self._wind) % RAIN_TILE
        self._lay(frame, self._layer[y : y + len(frame), x : x + FRAME_WIDTH], frame)


def make_falls(look: Look, variation: Variation) -> tuple[Fall, Fall]:
    """The layers behind the hero and in front."""
    weather: Weather = variation.weather
    if look.falls == "rain":
        return Fall(BACK[weather], RAIN_TINT, variation.wind, 1), Fall(FRONT[weather], RAIN_TINT, variation.wind, 2)
    blue, green, red = (float(c) / 255 for c in bgr(look.circuit_colour))
    lit = (blue, green, red) if look.daylight else TINTS.get(look.falls, (blue, green, red))
    back, front = (
        replace(flakes[look.falls], count=round(flakes[look.falls].count * MORE[weather]))
        for flakes in (BACK_FLAKES, FRONT_FLAKES)
    )
    # Before a bright sky flakes are seen by what they take away; on a face that would look like stains.
    behind = Fall(back, SHADE if look.daylight else lit, variation.wind, 1, takes_light=look.daylight)
    return behind, Fall(front, lit, variation.wind, 2)


def warm_up_weather() -> None:
    """Build the tiles that all films share."""
    _grain()
    _vignette()


@lru_cache(KEPT_TILES)
def _drop_tile(drops: _Drops, seed: int) -> np.ndarray:
    """A tile of streaks that joins to itself on all sides; BGRA uint8, alpha 0."""
    dice, side = np.random.default_rng(seed), RAIN_TILE
    mask = np.zeros((side, side), np.float32)
    for _ in range(drops.count):
        x, y = dice.uniform(0, side, 2)
        length, light = drops.length * dice.uniform(0.6, 1.3), drops.light * dice.uniform(0.35, 1)
        for left in (x - side, x, x + side):
            for top in (y - side, y, y + side):
                if -80 < left < side + 80 and -length - 20 < top < side + 20:
                    end = (int(left + drops.slant * length), int(top + length))
                    cv2.line(mask, (int(left), int(top)), end, float(light), drops.thickness)
    mask = np.clip(blur(mask, drops.softness), 0, 255).astype(np.uint8)
    tinted = [cv2.convertScaleAbs(mask, alpha=gain) for gain in RAIN_TINT]
    return cv2.merge([*tinted, np.zeros_like(mask)])


@lru_cache(KEPT_TILES)
def _flake_tile(flakes: _Flakes, tint: tuple[float, float, float], seed: int) -> np.ndarray:
    """A tile of flakes that joins to itself on all sides; BGRA uint8, alpha 0."""
    dice, side = np.random.default_rng(seed), RAIN_TILE
    mask = np.zeros((side, side), np.float32)
    for _ in range(flakes.count):
        x, y = dice.uniform(0, side, 2)
        size, light = flakes.size * dice.uniform(0.6, 1.4), flakes.light * dice.uniform(0.35, 1)
        turn, thin = dice.uniform(0, 180), dice.uniform(0.3, 0.75)
        for left in (x - side, x, x + side):
            for top in (y - side, y, y + side):
                if not (-60 < left < side + 60 and -60 < top < side + 60):
                    continue
                if flakes.kind == "bits":
                    end = (int(left + size * (0.5 + (turn > 90))), int(top + size * (0.5 + 3 * (turn < 30))))
                    cv2.rectangle(mask, (int(left), int(top)), end, float(light), -1)
                    continue
                if flakes.kind == "snow":
                    thin = 0.8 + 0.2 * thin
                axes = round(size * 16), round(size * thin * 16)
                centre = round(left * 16), round(top * 16)
                cv2.ellipse(mask, centre, axes, turn, 0, 360, float(light), -1, cv2.LINE_AA, 4)
    mask = np.clip(blur(mask, flakes.softness), 0, 255).astype(np.uint8)
    tinted = [cv2.convertScaleAbs(mask, alpha=gain) for gain in tint]
    return cv2.merge([*tinted, np.zeros_like(mask)])


@cache
def _grain() -> tuple[np.ndarray, np.ndarray]:
    """The tiles that grain adds and subtracts."""
    height, width = FRAME_HEIGHT + GRAIN_TRAVEL, FRAME_WIDTH + GRAIN_TRAVEL
    noise = np.random.default_rng(1).normal(0, GRAIN_SIGMA, (height // 2, width // 2)).astype(np.float32)
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR) * 1.5
    lighter, darker = np.clip(noise, 0, 255).astype(np.uint8), np.clip(-noise, 0, 255).astype(np.uint8)
    return gray_layer(lighter), gray_layer(darker)


@cache
def _vignette() -> np.ndarray:
    rows, columns = np.mgrid[:FRAME_HEIGHT, :FRAME_WIDTH].astype(np.float32)
    across = (columns - FRAME_WIDTH / 2) / (FRAME_WIDTH * 0.62)
    down = (rows - FRAME_HEIGHT * 0.46) / (FRAME_HEIGHT * 0.60)
    return gray_layer(blur(np.clip((across**2 + down**2 - 0.55) * 70, 0, 80), 20).astype(np.uint8))


def develop(frame: np.ndarray, dice: random.Random) -> None:
    """Darken the corners and add grain, in place."""
    cv2.subtract(frame, _vignette(), frame)
    x, y = dice.randrange(GRAIN_TRAVEL), dice.randrange(GRAIN_TRAVEL)
    lighter, darker = _grain()
    cv2.add(frame, lighter[y : y + FRAME_HEIGHT, x : x + FRAME_WIDTH], frame)
    cv2.subtract(frame, darker[y : y + FRAME_HEIGHT, x : x + FRAME_WIDTH], frame)
