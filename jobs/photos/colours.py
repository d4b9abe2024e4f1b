"""Brings pixels to sRGB from the colours that a file names by numbers: HEIC's nclx, PNG's cICP, gAMA and cHRM.

Profiles (ICC) are LittleCMS's work, in `decoding`. The numbers are those of ITU-T H.273. Light brighter than white,
which PQ and HLG have, is brought into sRGB's range; white is 203 cd/m² in both (ITU-R BT.2408).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Place = tuple[float, float]  # x and y of CIE 1931
Primaries = tuple[Place, Place, Place, Place]  # red, green, blue, white

_D65: Place = (0.3127, 0.329)
BT709: Primaries = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), _D65)
_PRIMARIES: Mapping[int, Primaries] = {
    1: BT709,
    5: ((0.64, 0.33), (0.29, 0.6), (0.15, 0.06), _D65),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), _D65),
    9: ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), _D65),
    11: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), (0.314, 0.351)),
    12: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), _D65),
}
# What televisions show by about the same curve as sRGB counts as sRGB, as players and browsers take it.
_LIKE_SRGB = frozenset({1, 2, 6, 11, 13, 14, 15})
_LINEAR, _PQ, _HLG = 8, 16, 18
_GAMMAS: Mapping[int, float] = {4: 2.2, 5: 2.8, 17: 2.6, _LINEAR: 1.0}
_WHITE = 203.0  # cd/m²
_KNEE = 0.6  # of white: what is darker stays as it is when there is brighter light than white
# A gamma and primaries so close to sRGB's are a clumsy way of saying sRGB; beside other primaries it is just a gamma.
_SRGB_GAMMA, _CLOSE_GAMMA, _CLOSE_PLACE = 2.2, 0.05, 0.005
_STEPS = 2**14


@dataclass(frozen=True)
class Encoding:
    """How a file's numbers stand for light: its primaries, and the curve: a gamma, or `srgb`, `pq` or `hlg`."""

    primaries: Primaries
    curve: float | str

    @property
    def is_srgb(self) -> bool:
        return self.primaries == BT709 and self.curve == "srgb"

    @property
    def has_highlights(self) -> bool:
        """Whether there may be light brighter than white, which needs more than eight bits."""
        return self.curve in ("pq", "hlg")


SRGB = Encoding(BT709, "srgb")


def of_codes(primaries: int, transfer: int) -> Encoding:
    """Return the encoding that two code points of H.273 name; what is unknown or not said counts as sRGB's."""
    curve: float | str = "srgb"
    if transfer in (_PQ, _HLG):
        curve = "pq" if transfer == _PQ else "hlg"
    elif transfer not in _LIKE_SRGB:
        curve = _GAMMAS.get(transfer, "srgb")
    return Encoding(_PRIMARIES.get(primaries, BT709), curve)


def of_nclx(profile: Mapping[str, Any] | None) -> Encoding:
    """Return the encoding of a HEIC's nclx as pillow-heif tells it."""
    if not profile:
        return SRGB
    return of_codes(int(profile.get("color_primaries", 2)), int(profile.get("transfer_characteristics", 2)))


def of_gamma(exponent: float, primaries: Sequence[float] | None) -> Encoding:
    """Return the encoding of a PNG's gAMA and cHRM: the file's gamma, and x and y of white, red, green and blue."""
    found = BT709
    if primaries:
        white, red, green, blue = ((primaries[at], primaries[at + 1]) for at in range(0, 8, 2))
        asked = np.array([red, green, blue, white])
        if np.abs(asked - np.array(BT709)).max() > _CLOSE_PLACE and _is_possible(asked):
            found = (red, green, blue, white)
    gamma = 1 / exponent if 0.1 <= exponent <= 10 else _SRGB_GAMMA
    is_srgb = found == BT709 and abs(gamma - _SRGB_GAMMA) < _CLOSE_GAMMA
    return Encoding(found, "srgb" if is_srgb else gamma)


def _is_possible(places: np.ndarray) -> bool:
    if not ((places > -1) & (places < 2)).all() or (np.abs(places[:, 1]) < 1e-3).any():
        return False
    return abs(float(np.linalg.det(np.column_stack([places[:3], np.ones(3)])))) > 1e-3


def to_srgb(pixels: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Return RGB pixels of eight or sixteen bits as eight bits in sRGB. The shape is (height, width, 3)."""
    light = _light(encoding.curve, np.iinfo(pixels.dtype).max)[pixels]
    if encoding.curve == "hlg":
        # The light of the scene becomes that of a display of 1000 cd/m² (ITU-R BT.2100).
        luminance = light @ np.array([0.2627, 0.678, 0.0593], np.float32)
        light *= (np.maximum(luminance, 1e-6) ** 0.2 * np.float32(1000 / _WHITE))[..., None]
    if encoding.primaries != BT709:
        light = light @ _matrix(encoding.primaries).T
    if encoding.has_highlights:
        light = _without_highlights(light)
    return _encoded()[(np.clip(light, 0, 1) * (_STEPS - 1) + 0.5).astype(np.uint16)]


@lru_cache(maxsize=8)
def _light(curve: float | str, most: int) -> np.ndarray:
    """Return linear light by pixel value; 1 is white."""
    value = np.arange(most + 1) / most
    if curve == "srgb":
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    elif curve == "pq":  # SMPTE ST 2084
        power = value ** (32 / 2523)
        light = 10_000 / _WHITE * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (8192 / 1305)
    elif curve == "hlg":  # ARIB STD-B67
        bright = (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
        light = np.where(value <= 0.5, value**2 / 3, bright)
    else:
        light = value ** float(curve)
    return light.astype(np.float32)


@lru_cache(maxsize=1)
def _encoded() -> np.ndarray:
    """Return sRGB's eight bits by steps of linear light."""
    light = np.arange(_STEPS) / (_STEPS - 1)
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.round(255 * value).astype(np.uint8)


@lru_cache(maxsize=8)
def _matrix(primaries: Primaries) -> np.ndarray:
    """Return what turns linear light of these primaries into that of sRGB; another white is taken for white."""
    return (np.linalg.inv(_to_xyz(BT709, adapted=False)) @ _to_xyz(primaries, adapted=True)).astype(np.float32)


def _to_xyz(primaries: Primaries, *, adapted: bool) -> np.ndarray:
    red_green_blue = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries[:3]]).T
    x, y = primaries[3]
    white = np.array([x / y, 1, (1 - x - y) / y])
    found = red_green_blue * np.linalg.solve(red_green_blue, white)
    if not adapted or primaries[3] == _D65:
        return found
    x, y = _D65
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    scale = np.diag((bradford @ np.array([x / y, 1, (1 - x - y) / y])) / (bradford @ white))
    return np.linalg.inv(bradford) @ scale @ bradford @ found


def _without_highlights(light: np.ndarray) -> np.ndarray:
    """Return light of at most 1: what is brighter than the knee is compressed, in its own hue (extended Reinhard)."""
    brightest = light.max(2)
    peak = float(np.percentile(brightest, 99.9))
    if peak <= 1:
        return light
    above = (brightest - _KNEE) / (1 - _KNEE)
    most = (peak - _KNEE) / (1 - _KNEE)
    compressed = _KNEE + (1 - _KNEE) * above * (1 + above / most**2) / (1 + above)
    scale = np.where(above > 0, compressed / np.maximum(brightest, 1e-6), 1)
    return light * scale[..., None].astype(np.float32)
