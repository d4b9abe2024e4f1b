"""Perceived loudness (ITU-R BS.1770), true peak, and levelling to a target."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

SAMPLE_RATE = 44100  # Hz
LOUDNESS = -16.0  # LUFS, what phones and browsers expect
MOMENTARY, SHORT_TERM = 0.4, 3.0  # seconds of a window, by EBU Tech 3341
CEILING = 10 ** (-2.0 / 20)  # true peak before AAC, which may add most of a decibel
OVERSAMPLING = 4
LOOK_AHEAD = 132  # samples (3 ms) of the limiter's attack and release
QUIET = 0.7  # of the ceiling: below it, the curve between samples stays under the ceiling too
ROUNDS = 3  # passes of levelling and limiting, until both hold


def loudness(sound: np.ndarray) -> float:
    """Integrated, gated loudness in LUFS, for 44.1 kHz stereo, 2 x samples."""
    blocks = _blocks(sound, MOMENTARY)
    blocks = blocks[_to_lufs(blocks) > -70]
    if not len(blocks):
        return float("-inf")
    blocks = blocks[_to_lufs(blocks) > _to_lufs(blocks.mean()) - 10]
    return float(_to_lufs(blocks.mean()))


def loudness_range(sound: np.ndarray, window: float = SHORT_TERM) -> float:
    """Loudness range in LU by EBU Tech 3342, for 44.1 kHz stereo, 2 x samples; 0 for silence.

    The norm's window is 3 s. In sound of a few seconds, `MOMENTARY` shows what a 3 s mean levels out.
    """
    levels = _to_lufs(blocks := _blocks(sound, window))
    heard = levels > -70
    if not heard.any():
        return 0.0
    levels = levels[heard & (levels > _to_lufs(blocks[heard].mean()) - 20)]
    low, high = np.percentile(levels, (10, 95))
    return float(high - low)


def true_peak(sound: np.ndarray) -> float:
    """The true peak in dBTP, that is of the curve through the samples."""
    return float(20 * np.log10(max(1e-9, _peaks(sound).max())))


def level(sound: np.ndarray) -> np.ndarray:
    """Bring a float32 sound to the target loudness; peaks are limited smoothly, not clipped."""
    sound = sound / max(1e-9, np.abs(sound).max())
    for _ in range(ROUNDS):
        sound = sound * 10 ** ((LOUDNESS - loudness(sound)) / 20)
        sound = _limited(sound)
    return sound.astype(np.float32)


def _blocks(sound: np.ndarray, window: float) -> np.ndarray:
    """The weighted power of windows of so many seconds, ten a second."""
    weighted = _k_weighted(sound)
    block, step = int(window * SAMPLE_RATE), int(0.1 * SAMPLE_RATE)
    energy = np.cumsum(np.pad((weighted**2).sum(0), (1, 0)))
    starts = np.arange(0, max(1, sound.shape[1] - block), step)
    return (energy[np.minimum(starts + block, sound.shape[1])] - energy[starts]) / block


def _limited(sound: np.ndarray) -> np.ndarray:
    """Limit peaks above the ceiling smoothly, on both channels alike."""
    peaks = _peaks(sound, below=CEILING * QUIET).max(axis=0)
    wanted = np.minimum(1, CEILING / np.maximum(peaks, 1e-9)).astype(np.float32)[None]
    # The minimum gain of the neighbourhood, smoothed within it, which never exceeds what any sample needs.
    window = 2 * LOOK_AHEAD + 1
    least = cv2.erode(wanted, np.ones((1, window), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return sound * cv2.blur(least, (window, 1), borderType=cv2.BORDER_REPLICATE)


def _peaks(sound: np.ndarray, below: float = 0.0) -> np.ndarray:
    """The peak of the curve around each sample, computed block by block at four times the rate.

    Blocks without a sample of at least `below` are not oversampled.
    """
    block, margin = 1 << 13, 1 << 8
    padded = np.pad(sound.astype(np.float32), ((0, 0), (margin, margin + block)))
    peaks = np.abs(sound).astype(np.float32)
    for start in range(0, sound.shape[1], block):
        inside = peaks[:, start : start + block]
        if inside.max() < below:
            continue
        piece = padded[:, start : start + block + 2 * margin]
        size = piece.shape[1]
        fine = np.fft.irfft(np.fft.rfft(piece, axis=1), size * OVERSAMPLING, axis=1) * OVERSAMPLING
        around = np.abs(fine).reshape(len(sound), size, OVERSAMPLING).max(axis=2)
        np.maximum(inside, around[:, margin : margin + inside.shape[1]], out=inside)
    return peaks


def _k_weighted(sound: np.ndarray) -> np.ndarray:
    """The K-weighting of BS.1770 (shelf and low cut), applied in the frequency domain."""
    size = fast_size(sound.shape[1] + SAMPLE_RATE // 4)
    weighted = np.fft.irfft(np.fft.rfft(sound, size, axis=1) * _ear(size), size, axis=1)
    return weighted[:, : sound.shape[1]]


@lru_cache(2)
def _ear(size: int) -> np.ndarray:
    s = 1j * 2 * np.pi * np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    # Shelf: +4 dB above 1682 Hz, Q 0.707. Low cut: second order at 38 Hz, Q 0.5.
    shelf_root, gain = 2 * np.pi * 1681.97, 10 ** (3.99984 / 20)
    width = gain**0.4996667
    shelf = (gain * s**2 + width * shelf_root / 0.7071752 * s + shelf_root**2) / (
        s**2 + shelf_root / 0.7071752 * s + shelf_root**2
    )
    low_root = 2 * np.pi * 38.1355
    return shelf * s**2 / (s**2 + low_root / 0.5003270 * s + low_root**2)


def fast_size(count: int) -> int:
    """The next length for which the Fourier transform is fast: 2, 3 or 5 times a power of two."""
    return min(base << max(0, int(np.ceil(np.log2(count / base)))) for base in (2, 3, 5, 9, 15))


def _to_lufs(power: Any) -> Any:
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))
