"""The street in motion: plates that shift against each other, traffic, bloom and lens flares."""

from __future__ import annotations

from functools import cached_property, lru_cache

import cv2
import numpy as np

from providers.studio.film.canvas import (
    FOCAL_LENGTH,
    FRAME_HEIGHT,
    FRAME_WIDTH,
    INVERSE,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    VANISHING_POINT,
    Colour,
    bgr,
    blur,
    camera,
    composite,
    inverse,
    scalar,
)
from providers.studio.film.coverage import Coverage, moved_to
from providers.studio.film.looks import Look
from providers.studio.film.memory import Scratch
from providers.studio.film.variation import Car, Variation

from .city import City

BLOOM_THRESHOLD = {False: 135, True: 236}  # at night and by daylight: what is brighter glows
LAMP_THRESHOLD = {False: 90, True: 222}  # and what spreads to discs where the street is out of focus
FLARE_HEIGHT = 240  # px
FLASH = (58.0, 40.0, 44.0, 0.0)  # BGRA a flash of lightning adds to the sky


class Scenery:
    def __init__(self, city: City, look: Look, variation: Variation) -> None:
        self._city, self._look, self._variation = city, look, variation
        self._layer = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
        self._light = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
        self._scratch = Scratch()
        self._flare = _flare_sprite(look.right_light)
        # A street is empty in the middle, so its two sides are drawn separately.
        self._mid, self._near = (
            [Coverage(plate, side) for side in ((0, PLATE_WIDTH // 2), (PLATE_WIDTH // 2, PLATE_WIDTH))]
            for plate in (city.mid, city.near)
        )

    def draw(self, seconds: float, zoom: float, x: float, y: float, out: np.ndarray) -> None:
        """Draw the street on a frame or its upper part; near plates zoom and pan (plate px) more than far ones."""
        middle = FRAME_HEIGHT * VANISHING_POINT[1] / PLATE_HEIGHT
        for plate, zoom_gain, pan_gain, sides in (
            (self._city.far, 0.35, 0.25, None),
            (self._city.mid, 0.75, 0.6, self._mid),
            (self._city.near, 1.5, 1.25, self._near),
        ):
            nearer = 1 + (zoom - 1) * zoom_gain
            slack_x, slack_y = ((1 - 1 / nearer) * size / 2 - 1 for size in (PLATE_WIDTH, PLATE_HEIGHT))
            matrix = camera(
                nearer,
                VANISHING_POINT[0] + min(slack_x, max(-slack_x, x * pan_gain)),
                VANISHING_POINT[1] + min(slack_y, max(-slack_y, y * pan_gain)),
                to=(FRAME_WIDTH / 2, middle),
            )
            to_plate = inverse(matrix)
            # Clamped so that the plates always cover the frame.
            if sides is None:
                cv2.warpAffine(plate, to_plate, out.shape[1::-1], out, INVERSE, cv2.BORDER_TRANSPARENT)
                self._flash(out, seconds)
            for strip in (strip for side in sides or () for strip in side.strips(matrix, bottom=len(out))):
                layer = self._layer[strip]
                size = layer.shape[1::-1]
                cv2.warpAffine(plate, moved_to(to_plate, strip), size, layer, INVERSE, cv2.BORDER_TRANSPARENT)
                composite(out[strip], layer, self._scratch)
            if plate is self._city.mid and self._look.city.traffic:
                for car in self._variation.cars:
                    self._drive(out, car, seconds, zoom)

    def draw_defocused(self, matrix: np.ndarray, out: np.ndarray) -> None:
        """Draw the street out of focus on a frame or its upper part, through a plate → frame matrix."""
        to_half_plate = inverse(matrix @ np.diag([2.0, 2.0, 1.0]))
        cv2.warpAffine(self._defocused, to_half_plate, out.shape[1::-1], out, INVERSE, cv2.BORDER_REPLICATE)

    def bloom(self, frame: np.ndarray, gain: float = 0.5) -> None:
        """Add a glow around bright parts, in place."""
        half = self._scratch.get("half", (FRAME_HEIGHT // 2, FRAME_WIDTH // 2, 4))
        cv2.resize(frame, half.shape[1::-1], half, interpolation=cv2.INTER_AREA)
        small = cv2.resize(half, (FRAME_WIDTH // 4, FRAME_HEIGHT // 4), interpolation=cv2.INTER_AREA)
        bright = cv2.subtract(small, (BLOOM_THRESHOLD[self._look.daylight],) * 3 + (0,))
        narrow = cv2.blur(cv2.blur(bright, (9, 9)), (9, 9))
        wide = cv2.blur(cv2.blur(bright, (41, 31)), (41, 31))
        light = cv2.addWeighted(narrow, gain, wide, gain * 1.1, 0)
        light = cv2.resize(light, (FRAME_WIDTH, FRAME_HEIGHT), interpolation=cv2.INTER_LINEAR, dst=self._light)
        cv2.add(frame, light, frame)

    def flare(self, frame: np.ndarray, x: float, y: float, gain: float) -> None:
        """Add a horizontal lens flare at a frame point, in place."""
        x, y, half = int(x), int(y), FLARE_HEIGHT // 2
        if not 0 <= x <= FRAME_WIDTH or gain <= 0:
            return
        top, bottom = max(0, y - half), min(FRAME_HEIGHT, y + half)
        if bottom <= top:
            return
        sprite = self._flare[top - y + half : bottom - y + half, FRAME_WIDTH - x : 2 * FRAME_WIDTH - x]
        cv2.add(frame[top:bottom], cv2.convertScaleAbs(sprite, alpha=gain), frame[top:bottom])

    @cached_property
    def _defocused(self) -> np.ndarray:
        """The street at half the plate's size, its lights spread to discs."""
        half = (PLATE_WIDTH // 2, PLATE_HEIGHT // 2)
        street = cv2.resize(self._city.far, half, interpolation=cv2.INTER_AREA)
        for plate in (self._city.mid, self._city.near):
            composite(street, cv2.resize(plate, half, interpolation=cv2.INTER_AREA))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
        lights = cv2.dilate(cv2.subtract(street, (LAMP_THRESHOLD[self._look.daylight],) * 3 + (0,)), disc)
        street = blur(cv2.addWeighted(street, 0.94 if self._look.daylight else 0.8, lights, 0.5, 0), 4.5)
        street[..., 3] = 255
        return street

    def _flash(self, frame: np.ndarray, seconds: float) -> None:
        """Lightning: two quick flashes over the sky."""
        for start in () if self._look.daylight else self._variation.lightning:
            since = seconds - start
            if 0 <= since < 0.30:
                gain = max(0.0, 1 - since / 0.09) + 0.7 * max(0.0, 1 - abs(since - 0.17) / 0.10)
                cv2.add(frame, tuple(value * gain for value in FLASH), frame)

    def _drive(self, frame: np.ndarray, car: Car, seconds: float, zoom: float) -> None:
        """Draw a car's light and its trail."""
        way = (car.start + seconds * car.speed * 0.33) % 1
        if car.direction < 0:
            way = 1 - way
        z = 60 * (1 - way) ** 1.5 + 7.5
        x = car.direction * (2.9 + 0.7 * np.sin(car.start * 20))

        def at(depth: float) -> tuple[int, int]:
            scale = FOCAL_LENGTH / depth * zoom * FRAME_WIDTH / PLATE_WIDTH
            return int(FRAME_WIDTH / 2 + x * scale), int(FRAME_HEIGHT * 0.5 + car.height * 3.4 * scale - 4)

        colour = self._look.right_light if car.direction > 0 else self._look.left_light
        head, width = at(z), max(1, int(9 / z))
        cv2.line(frame, head, at(z + 3.8), scalar(colour, 0.55), width, cv2.LINE_AA)
        cv2.line(frame, head, at(z + 0.5), scalar((255, 255, 255), 0.9), width + 1, cv2.LINE_AA)
        cv2.circle(frame, head, width + 1, scalar((255, 250, 255)), -1, cv2.LINE_AA)


@lru_cache(4)  # of 1.4 MB
def _flare_sprite(colour: Colour) -> np.ndarray:
    """Two frames wide, so that any part of it can be in the frame; BGRA, alpha 0."""
    down = np.abs(np.arange(FLARE_HEIGHT) - FLARE_HEIGHT / 2)[:, None]
    across = np.abs(np.arange(2 * FRAME_WIDTH) - FRAME_WIDTH)[None]
    light = np.exp(-((down / 2.0) ** 2)) * np.exp(-across / 230)
    light += np.exp(-((down / 9) ** 2)) * np.exp(-across / 150) * 0.4
    light += np.exp(-np.hypot(across * 0.8, down) / 26) * 0.8
    painted = np.clip(light[..., None] * (bgr(colour) * 0.75 + 50), 0, 255).astype(np.uint8)
    return cv2.merge([*cv2.split(painted), np.zeros(painted.shape[:2], np.uint8)])
