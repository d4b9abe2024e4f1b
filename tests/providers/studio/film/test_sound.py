"""The music, as a phone hears it: every look and variant, after AAC and back."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from providers.studio.film.encode import encode_sound
from providers.studio.film.looks import LOOKS
from providers.studio.film.music import arrangement, effects, voices
from providers.studio.film.music.loudness import MOMENTARY, loudness_range
from providers.studio.film.music.score import Cues
from providers.studio.film.music.sound import SAMPLE_RATE, VARIANTS, loudness, soundtrack, true_peak
from providers.studio.film.shots import CUES
from tests.providers.studio.film.chosen import EVERY_LOOK, Made

pytestmark = pytest.mark.slow

# Each look's first piece; `make test-all` hears the others.
EVERY = [
    pytest.param(slug, variant, marks=pytest.mark.thorough if variant else ())
    for slug in LOOKS
    for variant in range(VARIANTS)
]
# Octaves from 60 Hz, and how much of the energy may lie in each, in dB: warm below, never shrill.
BANDS = ((60, 120, -9, -1), (120, 250, -12, -3), (500, 2000, -20, -6), (2000, 4000, -27, -14), (4000, 16000, -30, -17))


@pytest.fixture(scope="module")
def played() -> dict[tuple[str, int], np.ndarray]:
    """Soundtracks by look and variant, encoded as in a film and decoded again."""

    def play(key: tuple[str, int]) -> np.ndarray:
        look = LOOKS[key[0]]
        return decode(encode_sound(soundtrack(look.music, look.timeline.cues, key[1])))

    return Made(play)


def decode(film: bytes) -> np.ndarray:
    with av.open(io.BytesIO(film)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def rms(sound: np.ndarray, start: float, end: float) -> float:
    return float(np.sqrt((sound[:, int(start * SAMPLE_RATE) : int(end * SAMPLE_RATE)] ** 2).mean()))


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    power = (np.abs(np.fft.rfft(sound, axis=1)) ** 2).sum(0)
    return np.fft.rfftfreq(sound.shape[1], 1 / SAMPLE_RATE), power / power.sum()


def chroma(sound: np.ndarray) -> np.ndarray:
    """How much of the sound lies on each of the twelve semitones, in any octave."""
    frequencies, power = spectrum(sound)
    tonal = (frequencies > 60) & (frequencies < 2000)
    semitones = np.round(12 * np.log2(frequencies[tonal] / 440)).astype(int) % 12
    return np.bincount(semitones, np.sqrt(power[tonal]), 12)


def onsets(sound: np.ndarray, cues: Cues) -> np.ndarray:
    """How suddenly the hero shot gets louder, a hundred times a second."""
    shot = sound[0, int(cues.hero * SAMPLE_RATE) : int(cues.close_up * SAMPLE_RATE)]
    levels = [np.abs(piece).mean() for piece in np.array_split(shot, int((cues.close_up - cues.hero) * 100))]
    return np.maximum(np.diff(np.log(np.array(levels) + 1e-4)), 0)


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one, other)[0, 1])


@pytest.mark.parametrize(("slug", "variant"), EVERY)
def test_every_soundtrack_is_as_loud_as_the_web_expects_and_clips_nowhere(played, slug, variant):
    sound = played[slug, variant]
    assert sound.shape[1] / SAMPLE_RATE == pytest.approx(LOOKS[slug].timeline.seconds, abs=0.05)
    assert loudness(sound) == pytest.approx(-16, abs=0.2)
    assert true_peak(sound) <= -1.0


@pytest.mark.parametrize(("slug", "variant"), EVERY)
def test_a_soundtrack_begins_and_ends_without_a_click_and_has_no_offset(played, slug, variant):
    sound = played[slug, variant]
    assert np.abs(sound.mean(axis=1)).max() < 0.001
    assert np.abs(sound[:, :32]).max() < 0.02
    end = LOOKS[slug].timeline.seconds
    assert rms(sound, end - 0.03, end) < 0.002
    assert rms(sound, end - 0.35, end - 0.30) > 0.005  # the tail lasts until then


@pytest.mark.parametrize(("slug", "variant"), EVERY)
def test_every_cut_is_hit(played, slug, variant):
    sound = played[slug, variant]
    for cut in LOOKS[slug].timeline.cuts:
        # AAC smears a blow by some milliseconds, to both sides.
        assert rms(sound, cut, cut + 0.08) > 1.5 * rms(sound, cut - 0.07, cut - 0.02)


@pytest.mark.parametrize("slug", LOOKS)
def test_the_riser_grows_into_the_first_cut(played, slug):
    sound = played[slug, 0]
    high = voices.band(sound[0], low=1500)[None]
    levels = [rms(high, at, at + 0.2) for at in (0.05, 0.4, LOOKS[slug].timeline.hero_at - 0.32)]
    assert levels[0] < levels[1]
    assert levels[2] > 1.8 * levels[0]


@pytest.mark.parametrize(("slug", "variant"), EVERY)
def test_a_soundtrack_opens_quietly_rises_breathes_in_the_close_up_and_is_loudest_at_the_title(played, slug, variant):
    sound, cues = played[slug, variant], LOOKS[slug].timeline.cues
    opening, risen = rms(sound, 0.1, 0.4), rms(sound, cues.hero - 0.4, cues.hero - 0.12)
    hero, breath = rms(sound, cues.hero, cues.close_up), rms(sound, cues.close_up + 0.4, cues.title - 0.1)
    assert opening < risen < hero
    assert breath < 0.7 * hero
    assert hero < rms(sound, cues.title, cues.title + 0.6)
    assert loudness_range(sound, MOMENTARY) >= 4


@pytest.mark.parametrize("slug", LOOKS)
def test_two_pieces_of_a_look_differ_in_key_and_rhythm(played, slug):
    cues = LOOKS[slug].timeline.cues
    first, second = played[slug, 0], played[slug, 1]
    assert alike(chroma(first), chroma(second)) < 0.3
    assert alike(onsets(first, cues), onsets(second, cues)) < 0.4
    assert len({piece.beats_per_minute for piece in LOOKS[slug].music}) == len(LOOKS[slug].music) >= 2


@pytest.mark.parametrize("slug", EVERY_LOOK)
def test_moments_are_heard_where_the_film_has_them(slug):
    """The visor's boot and the mark move when the film's moments move, and nothing before them changes."""
    music = LOOKS[slug].music[0]
    sound = arrangement.arrange(music, CUES, 0)
    for moved, at in (
        (Cues(CUES.hero, CUES.visor + 0.4, CUES.close_up, CUES.title, CUES.mark, CUES.end), CUES.visor),
        (Cues(CUES.hero, CUES.visor, CUES.close_up, CUES.title, CUES.mark + 0.3, CUES.end), CUES.mark),
    ):
        changed = np.abs(arrangement.arrange(music, moved, 0) - sound).max(axis=0)
        first = int(np.argmax(changed > 0.01)) / SAMPLE_RATE
        assert first == pytest.approx(at, abs=0.15)


@pytest.mark.parametrize(("slug", "variant"), EVERY)
def test_no_music_is_shrill_or_muddy(played, slug, variant):
    frequencies, power = spectrum(played[slug, variant])
    for low, high, least, most in BANDS:
        share = 10 * np.log10(power[(frequencies >= low) & (frequencies < high)].sum())
        assert least < share < most, (low, high)


def test_looks_and_variants_differ_by_more_than_their_pitch(played):
    def rhythm(sound: np.ndarray) -> np.ndarray:
        """How the loudness moves between the cuts, whatever the pitch."""
        start, end = int(CUES.hero * SAMPLE_RATE), int(CUES.close_up * SAMPLE_RATE)
        levels = np.array([np.abs(piece).mean() for piece in np.array_split(sound[0, start:end], 96)])
        return (levels - levels.mean()) / levels.std()

    first = {slug: rhythm(played[slug, 0]) for slug in LOOKS}
    for slug, other in [(a, b) for a in LOOKS for b in LOOKS if a < b]:
        assert np.corrcoef(first[slug], first[other])[0, 1] < 0.8
    for variant in range(1, VARIANTS):
        assert np.abs(played["neon-noir", 0] - played["neon-noir", variant]).mean() > 0.01


@pytest.mark.thorough
@pytest.mark.parametrize("slug", LOOKS)
def test_every_looks_variants_differ(played, slug):
    for variant in range(1, VARIANTS):
        assert np.abs(played[slug, 0] - played[slug, variant]).mean() > 0.01


def test_the_same_film_has_the_same_sound():
    music = LOOKS["netrunner"].music
    assert (soundtrack(music, CUES, 1) == soundtrack(music, CUES, 1)).all()


def test_music_fits_other_timelines_too():
    """A look may cut elsewhere, and a film may be shorter or longer."""
    for cues in (Cues(0.8, 1.1, 2.6, 3.9, 4.2, 5.0), Cues(1.4, 2.2, 3.9, 4.7, 5.1, 6.0)):
        sound = soundtrack(LOOKS["chrome-samurai"].music, cues, 2)
        assert sound.shape == (2, int(cues.end * SAMPLE_RATE))
        assert loudness(sound) == pytest.approx(-16, abs=0.2)


def test_every_note_of_every_score_can_be_played():
    for music in [piece for look in LOOKS.values() for piece in look.music]:
        assert {part.voice for part in music.parts} | {music.drone} <= set(voices.VOICES)
        hits = music.hits
        assert {hits.riser, hits.hero, hits.boot, hits.close_up, hits.title, hits.mark} <= set(effects.EFFECTS)
        for part in music.parts:
            patterns = [part.pattern] if isinstance(part.pattern, str) else part.pattern
            assert all(set(pattern) <= set(".xX0123456789abcdefghijk") for pattern in patterns)


def test_loudness_of_a_full_scale_tone_is_what_the_standard_says():
    # ITU-R BS.1770: a 997 Hz sine at full scale in one channel reads -3.01 LUFS.
    tone = np.zeros((2, SAMPLE_RATE * 3))
    tone[0] = np.sin(2 * np.pi * 997 * np.arange(SAMPLE_RATE * 3) / SAMPLE_RATE)
    assert loudness(tone) == pytest.approx(-3.01, abs=0.1)


def test_the_gate_ignores_what_is_far_below_the_rest():
    tone = np.sin(2 * np.pi * 997 * np.arange(SAMPLE_RATE * 6) / SAMPLE_RATE)
    tone[SAMPLE_RATE * 3 :] *= 0.001
    assert loudness(np.stack([tone, tone])) == pytest.approx(0.0, abs=0.3)


def test_a_peak_between_two_samples_is_seen():
    # A sine at a quarter of the rate whose samples all miss its top by 3 dB.
    tone = np.sin(2 * np.pi * (np.arange(SAMPLE_RATE) / 4 + 0.125))
    assert 20 * np.log10(np.abs(tone).max()) == pytest.approx(-3.01, abs=0.01)
    assert true_peak(np.stack([tone, tone])[:, 100:-100]) == pytest.approx(0.0, abs=0.35)


@pytest.mark.parametrize("difference", [10, 5])
def test_the_range_of_two_levels_is_their_difference(difference):
    # EBU Tech 3342, minimum requirements 1 and 2: 20 s of a 1 kHz tone, then 20 s as much softer or louder.
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE * 40) / SAMPLE_RATE)
    tone[SAMPLE_RATE * 20 :] *= 10 ** (-difference / 20)
    assert loudness_range(np.stack([tone, tone])) == pytest.approx(difference, abs=1)


def test_silence_has_no_loudness():
    assert loudness(np.zeros((2, SAMPLE_RATE))) == float("-inf")
    assert loudness_range(np.zeros((2, SAMPLE_RATE * 4))) == 0
