"""The soundtrack of a film: a look's music, played to the film's cues and levelled to the loudness of the web."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .arrangement import arrange
from .loudness import SAMPLE_RATE, level, loudness, true_peak
from .score import Cues, Music

__all__ = ["SAMPLE_RATE", "VARIANTS", "Cues", "Music", "loudness", "soundtrack", "true_peak"]

VARIANTS = 3  # of a look's sound: its pieces in turn, each with other melody, bass and drums; a film's seed chooses one


def soundtrack(pieces: Sequence[Music], cues: Cues, variant: int = 0) -> np.ndarray:
    """Return float32 stereo, 2 x samples, at -16 LUFS; the same for the same arguments."""
    variant %= VARIANTS
    return level(arrange(pieces[variant % len(pieces)], cues, variant))
