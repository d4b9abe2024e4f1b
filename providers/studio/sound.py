"""The film's sound: a synthwave sting, synthesised to the cuts, levelled to the loudness of the web."""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 44100  # Hz
LOUDNESS = -16.0  # LUFS, what phones and browsers expect
PEAK = 0.84  # of full scale: AAC overshoots a little
BEATS_PER_MINUTE = 112
BASS_LINE = np.array([1, 1, 2, 1, 1.189, 1, 2, 1.498])  # multiples of the root, one a sixteenth


def soundtrack(seconds: float, cuts: tuple[float, float, float], root: float) -> np.ndarray:
    """Return float32 stereo, 2 x samples: scan beeps and a riser, then drums and bass, an impact on every cut."""
    count = int(seconds * SAMPLE_RATE)
    time = np.arange(count) / SAMPLE_RATE
    dice = np.random.default_rng(3)
    music = _music(time, cuts[0], root)
    for cut, gain in zip(cuts, (1.0, 0.7, 1.1), strict=True):
        music += _impact(time, cut, gain, dice.normal(0, 1, count))
    music *= np.clip((seconds - time) / 0.6, 0, 1)
    beeps = np.sin(2 * np.pi * 1760 * time) * (((time * 12) % 1) < 0.25) * (time < cuts[0] * 0.85) * 0.07
    riser = _high_pass(dice.normal(0, 1, count), 1500) * np.clip(time / cuts[0], 0, 1) ** 3 * (time < cuts[0]) * 0.22
    sixteenth = 60 / BEATS_PER_MINUTE / 4
    hats = dice.normal(0, 1, count) * np.exp(-((time - cuts[0]) % (2 * sixteenth)) * 60) * (time > cuts[0])
    hats = _high_pass(hats, 6000) * 0.10 * np.clip((seconds - time) / 0.6, 0, 1)
    left = np.tanh(music + beeps + riser + hats)
    # A few milliseconds of delay make it wide.
    right = np.tanh(music + np.roll(beeps, 400) + np.roll(riser, 700) + np.roll(hats, 220))
    return _levelled(np.stack([left, right]))


def loudness(sound: np.ndarray) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770), for 44.1 kHz stereo, 2 x samples."""
    weighted = _k_weighted(sound)
    block, step = int(0.4 * SAMPLE_RATE), int(0.1 * SAMPLE_RATE)
    energy = np.cumsum(np.pad((weighted**2).sum(0), (1, 0)))
    starts = np.arange(0, max(1, sound.shape[1] - block), step)
    blocks = (energy[np.minimum(starts + block, sound.shape[1])] - energy[starts]) / block
    blocks = blocks[_to_lufs(blocks) > -70]
    if not len(blocks):
        return float("-inf")
    blocks = blocks[_to_lufs(blocks) > _to_lufs(blocks.mean()) - 10]
    return float(_to_lufs(blocks.mean()))


def _music(time: np.ndarray, start: float, root: float) -> np.ndarray:
    """Drone, pad, side-chained bass and kick; all but the drone begin with the first cut."""
    playing = time > start
    voices = (_saw(root * harmonic * detune, time) for harmonic in (2, 3, 4, 4.757) for detune in (0.997, 1.003))
    pad = _low_pass(sum(voices) / 8, 900) * np.clip((time - start) / 0.4, 0, 1) * 0.5
    drone = _low_pass(_saw(root, time) + _saw(root * 1.005, time), 220) * 0.4
    sixteenth = 60 / BEATS_PER_MINUTE / 4
    step = np.clip(((time - start) // sixteenth).astype(int), 0, None)
    pluck = np.exp(-((time - start) % sixteenth) * 16) * playing
    bass = _low_pass(_saw(root * 2 * BASS_LINE[step % 8], time) * pluck, 1400) * 0.7
    beat = (time - start) % (4 * sixteenth)
    sweep = 48 * beat + 3 * (1 - np.exp(-beat * 30))
    kick = np.sin(2 * np.pi * sweep) * np.exp(-beat * 9) * playing * 0.95
    duck = np.where(playing, 0.35 + 0.65 * np.clip(beat / 0.22, 0, 1), 1)
    return (pad + bass) * duck + kick + drone * 0.5


def _impact(time: np.ndarray, cut: float, gain: float, noise: np.ndarray) -> np.ndarray:
    """A falling boom with a burst of noise."""
    since, sounding = np.clip(time - cut, 0, None), time >= cut
    boom = np.sin(2 * np.pi * (36 * since + 14 * (1 - np.exp(-since * 12)))) * np.exp(-since * 2.6) * 0.9 * gain
    burst = _low_pass(noise * np.exp(-since * 7) * sounding, 2600) * 0.55 * gain
    return sounding * (boom + burst)


def _saw(frequency, time: np.ndarray) -> np.ndarray:
    return 2 * ((frequency * time) % 1) - 1


def _low_pass(signal: np.ndarray, cutoff: float) -> np.ndarray:
    spectrum = np.fft.rfft(signal)
    frequencies = np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE)
    return np.fft.irfft(spectrum / np.sqrt(1 + (frequencies / cutoff) ** 4), len(signal))


def _high_pass(signal: np.ndarray, cutoff: float) -> np.ndarray:
    return signal - _low_pass(signal, cutoff)


def _k_weighted(sound: np.ndarray) -> np.ndarray:
    """The ear's weighting of BS.1770 (head shelf and low cut), applied in the frequency domain."""
    frequencies = np.fft.rfftfreq(sound.shape[1], 1 / SAMPLE_RATE)
    s = 1j * 2 * np.pi * frequencies
    # Shelf: +4 dB above 1682 Hz, Q 0.707. Low cut: second order at 38 Hz, Q 0.5.
    shelf_root, gain = 2 * np.pi * 1681.97, 10 ** (3.99984 / 20)
    width = gain**0.4996667
    shelf = (gain * s**2 + width * shelf_root / 0.7071752 * s + shelf_root**2) / (
        s**2 + shelf_root / 0.7071752 * s + shelf_root**2
    )
    low_root = 2 * np.pi * 38.1355
    low_cut = s**2 / (s**2 + low_root / 0.5003270 * s + low_root**2)
    return np.fft.irfft(np.fft.rfft(sound, axis=1) * shelf * low_cut, sound.shape[1], axis=1)


def _to_lufs(power):
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))


def _levelled(sound: np.ndarray) -> np.ndarray:
    """Bring the sound to its loudness; peaks that would clip are bent, not cut."""
    gain = 10 ** ((LOUDNESS - loudness(sound)) / 20)
    sound = sound * gain
    if np.abs(sound).max() > PEAK:
        sound = np.tanh(sound / PEAK) * PEAK
    return sound.astype(np.float32)
