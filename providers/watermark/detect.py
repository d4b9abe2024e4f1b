"""Finds a watermark in frames of one film, or in one still, and reads its number.

    picture = flattened(lumas)              # what is the same in all frames, without what they show
    found = Detector(key).detect(picture)   # found.score, found.is_found, found.number

The pilot is looked for by correlation (FFT) where a film has it; then at all places in 66 sizes, for crops and
screenshots; then in the mirrored picture, and in pictures turned by up to TURNS degrees. Each further search may be
wrong more often, so it takes a higher score.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from .code import CODED_BITS, decode
from .grid import PILOT_SHARE, grid_of
from .sizes import FLAT_WIDTH, HIGH, MOST_FLAT_HEIGHT, WIDE

# Scores are standard deviations of what a picture gives with the pilots of other keys.
# Measured: docs/measurements.md, "The watermark".
SURE_IN_PLACE, SURE, SURE_TURNED = 5.5, 7.0, 7.5
SIZES = tuple(sorted((round(0.86 + 0.004 * step, 3) for step in range(66)), key=lambda size: abs(size - 1)))
# Whoever turns a picture leaves corners empty, or enlarges it until they are outside.
TURNS = tuple(sign * half / 2 for half in range(1, 7) for sign in (1, -1))
# In an even picture there is nothing to find: what is left of it is the rounding of numbers.
LEAST_DEVIATION = 1e-3
TURNED_SIZES = tuple(size for size in SIZES if 0.9 <= size <= 1.012)


@dataclass(frozen=True)
class Place:
    """How the grid lies in a flattened picture: the picture turned by degrees, scaled, and moved by cells."""

    size: float = 1.0
    degrees: float = 0.0
    shift: tuple[int, int] = (0, 0)  # to the right, down
    is_mirrored: bool = False


@dataclass(frozen=True)
class Found:
    """What was found: the best score, whether it is enough, and the number if its check was right."""

    score: float
    is_found: bool
    number: int | None
    place: Place


def flattened(lumas: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean of frames (uint8, height x width) without what they show: float32, some height x FLAT_WIDTH.

    ValueError without a frame, for frames of several sizes, and for one that is much higher than wide.
    """
    total: np.ndarray | None = None
    count = 0
    for luma in lumas:
        height = round(luma.shape[0] / luma.shape[1] * FLAT_WIDTH)
        if not 1 <= height <= MOST_FLAT_HEIGHT or (total is not None and total.shape[0] != height):
            raise ValueError(f"a frame of {luma.shape[1]} x {luma.shape[0]}")
        small = cv2.resize(luma, (FLAT_WIDTH, height), interpolation=cv2.INTER_AREA).astype(np.float32)
        rest = cv2.GaussianBlur(small, (0, 0), 0.8) - cv2.blur(small, (7, 7))
        # Busy places have a stronger watermark, but far more that is none.
        rest /= np.sqrt(np.maximum(cv2.blur(rest * rest, (9, 9)), 0)) + 0.6
        np.clip(rest, -2.5, 2.5, out=rest)
        total = rest if total is None else total + rest
        count += 1
    if total is None:
        raise ValueError("no frame")
    return total / np.float32(count)


class Detector:
    """Looks for the watermark of one key. Not for several threads at once."""

    def __init__(self, key: bytes) -> None:
        self._grid = grid_of(key)
        self._spectra: dict[tuple[int, int], np.ndarray] = {}

    def detect(self, picture: np.ndarray) -> Found:
        """Return what is found in a flattened picture."""
        best = Found(0.0, False, None, Place())
        if picture.std() < LEAST_DEVIATION:
            return best
        for score, place, enough in self._searches(picture):
            if score >= enough:
                return self._read(picture, score, place)
            if score > best.score:
                best = replace(best, score=score, place=place)
        return best

    def _searches(self, picture: np.ndarray) -> Iterator[tuple[float, Place, float]]:
        """Yield the best place of each search with its score, and the score from which it is believed."""
        yield *self._look(picture, 1.0, only_near=True), SURE_IN_PLACE
        yield *self._anywhere(picture, SIZES), SURE
        score, place = self._anywhere(np.ascontiguousarray(picture[:, ::-1]), SIZES)
        yield score, replace(place, is_mirrored=True), SURE
        for degrees in TURNS:
            score, place = self._anywhere(_turned(picture, degrees), TURNED_SIZES)
            yield score, replace(place, degrees=degrees), SURE_TURNED

    def _anywhere(self, picture: np.ndarray, sizes: Iterable[float]) -> tuple[float, Place]:
        return max((self._look(picture, size) for size in sizes), key=lambda seen: seen[0])

    def _look(self, picture: np.ndarray, size: float, *, only_near: bool = False) -> tuple[float, Place]:
        """Return the best score at a size, and its place: anywhere, or within a cell of where a film has it."""
        cells = _cells(picture, size)
        cells -= cells.mean()
        height, width = cells.shape
        rows, columns = (cv2.getOptimalDFTSize(count) for count in (max(height, HIGH), max(width, WIDE)))
        padded = np.zeros((rows, columns), np.float32)
        padded[:height, :width] = cells
        product = cv2.mulSpectrums(cv2.dft(padded), self._spectrum(rows, columns), 0, conjB=True)
        surface = cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
        # A pilot's signs are random, so a place where there is none sums cells with random signs. A picture that is
        # nearly the same in all places shows too little of that, hence the second figure.
        deviation = max(float(surface.std()), PILOT_SHARE**0.5 * cv2.norm(cells), LEAST_DEVIATION)
        if only_near:
            near = np.roll(surface, (1, 1), (0, 1))[:3, :3]
            y, x = np.unravel_index(near.argmax(), near.shape)
            return float(near[y, x]) / deviation, Place(size, shift=(int(x) - 1, int(y) - 1))
        _, score, _, (right, down) = cv2.minMaxLoc(surface)
        shift = right - columns if right > columns // 2 else right, down - rows if down > rows // 2 else down
        return score / deviation, Place(size, shift=shift)

    def _spectrum(self, rows: int, columns: int) -> np.ndarray:
        if (rows, columns) not in self._spectra:
            padded = np.zeros((rows, columns), np.float32)
            padded[:HIGH, :WIDE] = self._grid.pilot
            self._spectra[rows, columns] = cv2.dft(padded)
        return self._spectra[rows, columns]

    def _read(self, picture: np.ndarray, score: float, place: Place) -> Found:
        """Return what was found with its number, which needs the place more exactly than the search has it."""
        number = self._number(picture, place)
        if number is None:
            score, place = self._refined(picture, score, place)
            number = self._number(picture, place)
        return Found(score, True, number, place)

    def _refined(self, picture: np.ndarray, score: float, place: Place) -> tuple[float, Place]:
        """Return the best place near one: a search is up to a third of a cell wrong at the edges of the frame."""
        picture = _mirrored(picture, place)
        best = score, place
        for reach in (0.25, 0.125, 0.0625):
            middle = best[1]
            for degrees in (middle.degrees, middle.degrees - reach, middle.degrees + reach):
                turned = _turned(picture, degrees)
                for step in (-3, -2, -1, 0, 1, 2, 3):
                    seen, near = self._look(turned, middle.size + step / 1000)
                    if seen > best[0]:
                        best = seen, replace(near, degrees=degrees, is_mirrored=place.is_mirrored)
        return best

    def _number(self, picture: np.ndarray, place: Place) -> int | None:
        """Return the number that the other cells say, None when its check is wrong."""
        seen = _cells(_turned(_mirrored(picture, place), place.degrees), place.size)
        move = np.array([[1, 0, -place.shift[0]], [0, 1, -place.shift[1]]], np.float32)
        cells = cv2.warpAffine(seen, move, (WIDE, HIGH), flags=cv2.INTER_NEAREST)
        carrying = self._grid.bit_of >= 0
        signed = (cells * self._grid.carriers)[carrying]
        return decode(np.bincount(self._grid.bit_of[carrying], signed, CODED_BITS))


def _cells(picture: np.ndarray, size: float) -> np.ndarray:
    """Return a flattened picture with one point for each cell, when its width is `size` times the grid's."""
    width = round(WIDE * size)
    height = max(1, round(picture.shape[0] / picture.shape[1] * WIDE * size))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _mirrored(picture: np.ndarray, place: Place) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1]) if place.is_mirrored else picture


def _turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Return a picture turned about its middle, counter-clockwise."""
    if not degrees:
        return picture
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_LINEAR)
