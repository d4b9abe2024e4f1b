from __future__ import annotations

import numpy as np
import pytest

from providers.studio.looks import LOOKS
from providers.studio.shots import CUTS, SECONDS
from providers.studio.sound import SAMPLE_RATE, loudness, soundtrack


@pytest.mark.parametrize("slug", LOOKS)
def test_the_soundtrack_is_as_loud_as_the_web_expects_and_does_not_clip(slug):
    sound = soundtrack(SECONDS, CUTS, LOOKS[slug].root_note)
    assert sound.shape == (2, int(SECONDS * SAMPLE_RATE))
    assert loudness(sound) == pytest.approx(-16, abs=0.7)
    assert np.abs(sound).max() < 0.9


def test_every_cut_is_heard_and_the_end_is_quiet():
    sound = soundtrack(SECONDS, CUTS, 41.2)

    def level(second: float) -> float:
        start = int(second * SAMPLE_RATE)
        return float(np.sqrt((sound[:, start : start + SAMPLE_RATE // 20] ** 2).mean()))

    for cut in CUTS:
        assert level(cut) > 2 * level(0.05)
    assert level(SECONDS - 0.06) < 0.05


def test_loudness_of_a_full_scale_tone_is_what_the_standard_says():
    # ITU-R BS.1770: a 997 Hz sine at full scale in one channel reads -3.01 LUFS.
    tone = np.zeros((2, SAMPLE_RATE * 3))
    tone[0] = np.sin(2 * np.pi * 997 * np.arange(SAMPLE_RATE * 3) / SAMPLE_RATE)
    assert loudness(tone) == pytest.approx(-3.01, abs=0.1)


def test_silence_has_no_loudness():
    assert loudness(np.zeros((2, SAMPLE_RATE))) == float("-inf")
