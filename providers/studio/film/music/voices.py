"""The instruments: each returns one note of a given pitch and length as mono samples, louder than it is played.

`note(frequency, seconds, dice)` may return more than `seconds` of sound; all of it is mixed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .loudness import SAMPLE_RATE, fast_size

Voice = Callable[[float, float, np.random.Generator], np.ndarray]


def clock(seconds: float) -> np.ndarray:
    """The time of each sample of a note."""
    return np.arange(max(1, int(seconds * SAMPLE_RATE))) / SAMPLE_RATE


def saw(frequency: float | np.ndarray, time: np.ndarray, phase: float = 0.0) -> np.ndarray:
    return 2 * ((frequency * time + phase) % 1) - 1


def pulse(frequency: float | np.ndarray, time: np.ndarray, width: float = 0.5) -> np.ndarray:
    return np.where((frequency * time) % 1 < width, 1.0, -1.0)


def band(signal: np.ndarray, low: float = 0.0, high: float = 0.0) -> np.ndarray:
    """A band pass between two cutoffs, second order; 0 leaves that side open."""
    size = fast_size(len(signal) + 2000)
    frequencies = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 1e-3)
    gain = np.ones_like(frequencies)
    if high:
        gain /= np.sqrt(1 + (frequencies / high) ** 4)
    if low:
        gain /= np.sqrt(1 + (low / frequencies) ** 4)
    return np.fft.irfft(np.fft.rfft(signal, size) * gain, size)[: len(signal)]


def swept(signal: np.ndarray, start: float, end: float, steps: int = 6) -> np.ndarray:
    """A low pass that moves from one cutoff to another, by cross-fading between fixed ones."""
    place = np.linspace(0, steps - 1, len(signal))
    out = np.zeros_like(signal)
    for step in range(steps):
        cutoff = start * (end / start) ** (step / (steps - 1))
        out += band(signal, high=cutoff) * np.clip(1 - np.abs(place - step), 0, 1)
    return out


def fall(time: np.ndarray, speed: float, attack: float = 0.002) -> np.ndarray:
    """The envelope of a struck note."""
    return np.exp(-time * speed) * np.clip(time / attack, 0, 1)


def hold(time: np.ndarray, seconds: float, attack: float, release: float) -> np.ndarray:
    """The envelope of a note that is held for some seconds and then released."""
    return np.clip(time / attack, 0, 1) * np.clip((seconds + release - time) / release, 0, 1)


# --- Drums ----------------------------------------------------------------------------------------


def kick(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.42)
    body = np.sin(2 * np.pi * (47 * time + 3.2 * (1 - np.exp(-time * 32)))) * fall(time, 8.5, 0.001)
    return body + band(dice.normal(0, 1, len(time)), 1500, 6000) * fall(time, 160) * 0.25


def short_kick(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.24)
    body = np.sin(2 * np.pi * (52 * time + 4.5 * (1 - np.exp(-time * 55)))) * fall(time, 14, 0.001)
    return np.tanh(body * 1.6) * 0.8 + band(dice.normal(0, 1, len(time)), 2500, 8000) * fall(time, 220) * 0.2


def clap(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.30)
    hands = sum(fall(np.clip(time - at, 0, None), 90) * (time >= at) for at in (0, 0.011, 0.023))
    return band(dice.normal(0, 1, len(time)), 900, 4200) * (hands * 0.7 + fall(time, 17) * 0.5)


def snare(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.20)
    tone = np.sin(2 * np.pi * (182 * time + 1.2 * (1 - np.exp(-time * 60)))) * fall(time, 26)
    return tone * 0.6 + band(dice.normal(0, 1, len(time)), 1400, 6500) * fall(time, 24)


def hat(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.09)
    return band(dice.normal(0, 1, len(time)), 6500, 11000) * fall(time, 60)


def tick(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.04)
    return band(dice.normal(0, 1, len(time)), 4500, 10000) * fall(time, 130)


def rim(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.07)
    return (np.sin(2 * np.pi * 1180 * time) + np.sin(2 * np.pi * 1730 * time)) * fall(time, 85) * 0.6


def wood(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.18)
    return (np.sin(2 * np.pi * 705 * time) + 0.5 * np.sin(2 * np.pi * 1630 * time)) * fall(time, 38)


def heart(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.5)
    return np.sin(2 * np.pi * (41 * time + 0.9 * (1 - np.exp(-time * 20)))) * fall(time, 8, 0.012)


def taiko(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A large drum: a skin that falls in pitch, its overtones, the stick."""
    time = clock(0.95)
    sweep = frequency * time + 1.7 * (1 - np.exp(-time * 18))
    skin = np.sin(2 * np.pi * sweep) * fall(time, 4.2, 0.003)
    skin += (
        np.sin(2 * np.pi * 1.59 * sweep) * fall(time, 8) * 0.5
        + np.sin(2 * np.pi * 2.14 * sweep) * fall(time, 13) * 0.35
    )
    return skin + band(dice.normal(0, 1, len(time)), 180, 1500) * fall(time, 34) * 0.7


def small_taiko(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(0.35)
    sweep = frequency * 1.25 * time + 0.8 * (1 - np.exp(-time * 30))
    return (
        np.sin(2 * np.pi * sweep) * fall(time, 12)
        + band(dice.normal(0, 1, len(time)), 500, 2600) * fall(time, 60) * 0.6
    )


def bits(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """Noise held for a few samples at a time and cut to few levels, as from a broken line."""
    time = clock(0.13)
    every = int(dice.choice([9, 14, 22, 34]))
    held = np.repeat(dice.normal(0, 1, len(time) // every + 1), every)[: len(time)]
    gate = (time * dice.choice([40, 60, 90])) % 1 < 0.6
    return band(np.round(held * 2) / 2 * gate, 300, 5200) * fall(time, 14)


# --- Strings, keys and winds ----------------------------------------------------------------------


def saw_bass(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(seconds + 0.05)
    raw = saw(frequency, time) + saw(frequency * 1.006, time, 0.3) + 0.8 * np.sin(2 * np.pi * frequency * time)
    return swept(raw, 1900, 260, 4) * hold(time, seconds, 0.003, 0.04) * np.exp(-time * 5) * 0.7


def wobble(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A bass whose filter opens and closes, bent by a soft clip."""
    time = clock(seconds * 2.2 + 0.04)
    raw = pulse(frequency, time, 0.35) + saw(frequency * 0.997, time) + 1.2 * np.sin(2 * np.pi * frequency * time)
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * time / max(0.1, seconds) * 0.75)
    closed, opened = band(raw, high=240), band(raw, high=1500)
    return np.tanh((closed * (1 - opening) + opened * opening) * 0.8) * hold(time, seconds * 2.2, 0.004, 0.04)


def pad(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A minor ninth of detuned saws, soft."""
    seconds *= 14
    time = clock(seconds + 0.5)
    raw = sum(
        saw(frequency * ratio * detune, time, dice.random())
        for ratio in (1, 1.189, 1.498, 2.245)
        for detune in (0.996, 1.0, 1.0045)
    )
    return band(np.asarray(raw), 120, 1100) * hold(time, seconds, 0.25, 0.5) * 0.22


def cold_pad(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    seconds *= 15
    time = clock(seconds + 0.4)
    raw = sum(
        np.sin(2 * np.pi * frequency * ratio * time + 1.5 * np.sin(2 * np.pi * (0.7 + 0.2 * ratio) * time))
        for ratio in (1, 1.5, 2, 3, 4.5)
    )
    return raw * hold(time, seconds, 0.3, 0.4) * 0.25


def bell(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A frequency-modulated key, bright at first."""
    time = clock(0.9)
    modulator = np.sin(2 * np.pi * frequency * 2.0 * time) * 1.8 * np.exp(-time * 9)
    return np.sin(2 * np.pi * frequency * time + modulator) * fall(time, 5, 0.003)


def chip(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(seconds * 0.9 + 0.02)
    raw = band(pulse(frequency, time, 0.25), 150, 5200)
    return raw * hold(time, seconds * 0.8, 0.002, 0.02) * np.exp(-time * 7)


def modem(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(seconds * 1.1)
    warble = np.where((time * 55) % 1 < 0.5, 1.0, 1.122)
    return np.sin(2 * np.pi * np.cumsum(frequency * warble) / SAMPLE_RATE) * hold(time, seconds, 0.003, 0.01)


def blip(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(seconds * 0.9)
    return np.sin(2 * np.pi * frequency * time) * fall(time, 22, 0.003)


def shamisen(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A plucked string (Karplus and Strong), with the buzz and the skin behind it; a period at a time."""
    time, period = clock(0.75), max(8, round(SAMPLE_RATE / frequency))
    loop = band(dice.uniform(-1, 1, period * 3), 60, 5000)[period : 2 * period]
    rows = np.empty((len(time) // period + 1, period))
    for row in range(len(rows)):
        rows[row] = loop
        loop = 0.992 * (0.62 * loop + 0.38 * np.roll(loop, 1))
    string = rows.ravel()[: len(time)]
    string = string / max(1e-6, np.abs(string).max())
    skin = (
        np.sin(2 * np.pi * 330 * time) * fall(time, 55) * 0.5
        + band(dice.normal(0, 1, len(time)), 900, 4500) * fall(time, 130) * 0.3
    )
    return np.tanh(string * 1.5) * fall(time, 3.2, 0.001) + skin


def flute(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A bamboo flute that slides into its note; half of it is breath."""
    seconds *= 4.5
    time = clock(seconds + 0.3)
    bend = 1 - 0.05 * np.exp(-time * 11) + 0.006 * np.sin(2 * np.pi * 5.2 * time) * np.clip(time - 0.25, 0, 1)
    phase = 2 * np.pi * np.cumsum(frequency * bend) / SAMPLE_RATE
    breath = band(dice.normal(0, 1, len(time)), frequency * 0.9, frequency * 2.6) * 0.5
    return (np.sin(phase) + 0.22 * np.sin(2 * phase) + breath) * hold(time, seconds, 0.07, 0.3)


def low_string(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    seconds *= 7.5
    time = clock(seconds + 0.25)
    raw = saw(frequency, time) + saw(frequency * 2.004, time) * 0.7 + saw(frequency * 0.998, time, 0.5)
    return band(raw, 45, 620) * hold(time, seconds, 0.12, 0.25) * 0.6


def drone(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    time = clock(seconds)
    return band(saw(frequency * 2, time) + saw(frequency * 2.012, time) + saw(frequency * 1.0, time), 40, 260)


def throat(frequency: float, seconds: float, dice: np.random.Generator) -> np.ndarray:
    """A low voice with an overtone that wanders."""
    time = clock(seconds)
    raw = saw(frequency * 2, time) + saw(frequency * 2.007, time)
    wander = 0.5 + 0.5 * np.sin(2 * np.pi * 0.4 * time)
    return band(raw, 45, 300) + band(raw, 420, 560) * wander + band(raw, 700, 900) * (1 - wander)


VOICES: dict[str, Voice] = {
    voice.__name__: voice
    for voice in (
        *(kick, short_kick, clap, snare, hat, tick, rim, wood, heart, taiko, small_taiko, bits),
        *(saw_bass, wobble, pad, cold_pad, bell, chip, modem, blip, shamisen, flute, low_string, drone, throat),
    )
}
