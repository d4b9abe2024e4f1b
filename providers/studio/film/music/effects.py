"""The sound effects of the film's cues: a riser into the first cut, hits on the cuts, the visor's boot, the mark."""

from __future__ import annotations

import numpy as np

from .loudness import SAMPLE_RATE
from .voices import Voice, band, clock, fall, pulse, saw, swept


def noise_riser(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A riser of the given length that stops abruptly."""
    time = clock(seconds)
    share = time / seconds
    noise = band(dice.normal(0, 1, len(time)), 900, 7000) * share**3
    tone = np.sin(2 * np.pi * np.cumsum(frequency * 4 * (1 + 3 * share**2)) / SAMPLE_RATE) * share**2 * 0.35
    return noise * 0.8 + tone


def cymbal_riser(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(seconds)
    share = time / seconds
    metal = sum(np.sin(2 * np.pi * ratio * 311 * time + dice.random() * 6) for ratio in (1, 1.34, 1.79, 2.41, 3.3, 4.7))
    return (band(dice.normal(0, 1, len(time)), 1800, 8000) * 0.7 + metal * 0.12) * share**3.5


def bit_riser(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """Rising tones at increasing speed."""
    time = clock(seconds)
    share = time / seconds
    step = np.floor(share**2 * 24)
    tone = pulse(frequency * 8 * 2 ** (step / 12), time, 0.3) * ((share**2 * 48) % 1 < 0.7)
    return band(tone, 200, 5000) * share**2 * 0.5 + band(dice.normal(0, 1, len(time)), 2000, 7000) * share**4 * 0.5


def boom(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A falling boom with a burst of noise."""
    time = clock(1.5)
    body = np.sin(2 * np.pi * (36 * time + 3.5 * (1 - np.exp(-time * 12)))) * fall(time, 3.0)
    return body + band(dice.normal(0, 1, len(time)), 60, 2600) * fall(time, 8) * 0.5


def war_drum(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(1.8)
    sweep = 43 * time + 2.2 * (1 - np.exp(-time * 14))
    body = (np.sin(2 * np.pi * sweep) + 0.4 * np.sin(2 * np.pi * 1.6 * sweep) * np.exp(-time * 4)) * fall(time, 2.8)
    return body + band(dice.normal(0, 1, len(time)), 120, 1800) * fall(time, 20) * 0.7


def data_drop(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A tone that falls to the ground in steps, and a short bass."""
    time = clock(1.1)
    height = 2.0 ** (np.floor(5 * np.exp(-time * 7) * 4) / 4)
    fallen = pulse(1, np.cumsum(frequency * height) / SAMPLE_RATE, 0.4)
    body = np.sin(2 * np.pi * (40 * time + 2.4 * (1 - np.exp(-time * 25)))) * fall(time, 4.0)
    return (
        body
        + band(fallen, 60, 3000) * fall(time, 7) * 0.4
        + band(dice.normal(0, 1, len(time)), 300, 4000) * fall(time, 16) * 0.4
    )


def whoosh(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """For the camera's fast zoom: falling noise over a soft boom."""
    time = clock(0.9)
    body = np.sin(2 * np.pi * (40 * time + 1.4 * (1 - np.exp(-time * 12)))) * fall(time, 4.5) * 0.9
    return swept(dice.normal(0, 1, len(time)), 5200, 320) * fall(time, 4.5, 0.006) * 0.7 + body


def stutter(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A hit that is repeated faster and softer."""
    time = clock(0.75)
    gate = ((1 - np.exp(-time * 3)) * 14) % 1 < 0.5
    noise = band(dice.normal(0, 1, len(time)), 250, 5000)
    body = np.sin(2 * np.pi * (44 * time + 1.6 * (1 - np.exp(-time * 20)))) * fall(time, 5) * 1.6
    return (noise + pulse(frequency * 4, time, 0.4) * 0.5) * gate * fall(time, 5.5) * 0.8 + body


def blade(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """Steel drawn from its sheath: a rising hiss that rings out."""
    time = clock(1.1)
    drawn = band(dice.normal(0, 1, len(time)), 2400, 7500) * np.exp(-(((time - 0.10) / 0.07) ** 2)) * 0.6
    ratios = (1, 1.51, 2.23, 2.94)
    ring = sum(np.sin(2 * np.pi * 1320 * ratio * time) / ratio for ratio in ratios)
    return drawn + ring * np.clip((time - 0.06) / 0.04, 0, 1) * np.exp(-np.clip(time - 0.1, 0, None) * 6.5) * 0.30


def servo(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """The visor boots: a motor runs up, relays click, two tones say that it is on."""
    seconds = max(0.3, seconds)
    time = clock(seconds + 0.45)
    share = np.clip(time / seconds, 0, 1)
    motor = saw(1, np.cumsum(130 + 520 * share**1.5) / SAMPLE_RATE)
    sound = band(motor, 300, 2400) * np.sin(np.pi * share) ** 0.5 * 0.55
    for at in (0.0, 0.35, 0.6, 0.8):
        since = time - at * seconds
        sound += (
            band(dice.normal(0, 1, len(time)), 1200, 6000) * fall(np.clip(since, 0, None), 130) * (since >= 0) * 0.6
        )
    for at, ratio in ((1.0, 16.0), (1.0 + 0.09 / seconds, 24.0)):
        since = np.clip(time - at * seconds, 0, None)
        sound += np.sin(2 * np.pi * frequency * ratio * since) * fall(since, 11) * (since > 0) * 0.8
    return sound


def brass_fall(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """The title: a wide minor chord that opens and fades, over a boom."""
    time = clock(max(1.2, seconds))
    ratios = (2, 3, 4, 4.757, 6)
    raw = sum(
        saw(frequency * ratio * detune, time, dice.random()) for ratio in ratios for detune in (0.995, 1.0, 1.006)
    )
    chord = swept(np.asarray(raw), 3200, 380) * np.exp(-time * 1.9) * np.clip(time / 0.012, 0, 1) * 0.16
    return chord + np.pad(boom(frequency, seconds, dice), (0, len(time)))[: len(time)] * 0.9


def gong(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """Beating, inharmonic partials that bloom after the blow, over the great drum."""
    time = clock(max(1.5, seconds))
    sound = np.zeros(len(time))
    for ratio, size, speed, bloom in (
        *((1.0, 1.0, 0.7, 0.02), (1.483, 0.6, 0.9, 0.05), (2.09, 0.55, 1.0, 0.09), (2.71, 0.5, 1.3, 0.14)),
        *((3.41, 0.4, 1.6, 0.2), (4.57, 0.3, 2.1, 0.25), (6.1, 0.2, 2.8, 0.22), (8.3, 0.12, 3.6, 0.15)),
    ):
        for beat in (0.0, 0.9 + ratio * 0.4):
            tone = np.sin(2 * np.pi * (frequency * 2 * ratio + beat) * time + dice.random() * 6)
            sound += tone * size * np.exp(-time * speed) * np.clip(time / bloom, 0, 1)
    hiss = band(dice.normal(0, 1, len(time)), 1500, 6000) * np.exp(-time * 2.4) * np.clip(time / 0.12, 0, 1) * 0.12
    return sound * 0.24 + hiss + np.pad(war_drum(frequency, seconds, dice), (0, len(time)))[: len(time)] * 0.8


def chord_stab(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """The title: a chip chord that is cut up by the line, then holds; a drop below."""
    time = clock(max(1.2, seconds))
    gate = np.where(time < 0.36, (time * 22) % 1 < 0.6, True)
    raw = sum(pulse(frequency * ratio, time, 0.3) for ratio in (4, 4.757, 6, 9)) + saw(frequency * 2.003, time) * 1.4
    chord = swept(raw, 3600, 500) * gate * np.exp(-time * 2.0) * np.clip(time / 0.004, 0, 1) * 0.22
    return chord + np.pad(data_drop(frequency, seconds, dice), (0, len(time)))[: len(time)] * 0.9


def shimmer(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """The mark appears: three high tones, one after the other."""
    time = clock(1.0)
    sound = np.zeros(len(time))
    for number, ratio in enumerate((16, 24, 32)):
        since = np.clip(time - number * 0.07, 0, None)
        sound += np.sin(2 * np.pi * frequency * ratio * since) * fall(since, 4.5, 0.004) * (since > 0)
    return sound


def temple_bell(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(1.2)
    ratios = ((1, 1.0, 2.5), (2.02, 0.6, 3.6), (3.01, 0.35, 5), (5.4, 0.2, 8))
    return sum(
        np.sin(2 * np.pi * frequency * 16 * ratio * time) * size * fall(time, speed) for ratio, size, speed in ratios
    )


EFFECTS: dict[str, Voice] = {
    effect.__name__: effect
    for effect in (
        *(noise_riser, cymbal_riser, bit_riser, boom, war_drum, data_drop, whoosh, stutter, blade, servo),
        *(brass_fall, gong, chord_stab, shimmer, temple_bell),
    )
}
