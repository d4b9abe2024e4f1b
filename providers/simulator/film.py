"""The film that every prediction of the simulator returns: a real, short MP4 with sound and its index first.

It is made once, at the start. The copy of each prediction ends in a `free` box with the prediction's name, so that no
two films are equal.
"""

from __future__ import annotations

import math
import struct
import tempfile
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT, FRAMES_PER_SECOND, SECONDS = 144, 256, 12, 1.5
SAMPLE_RATE, AAC_FRAME, TONE = 22_050, 1024, 110.0
BOX_HEADER = 8  # a length and a name


def make_film() -> bytes:
    """Return an MP4 with H.264 pictures and AAC sound."""
    with tempfile.TemporaryDirectory(prefix="simulator-") as folder:
        path = Path(folder) / "film.mp4"
        # faststart reads the file again by its name, so it cannot be written to memory.
        with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as film:
            picture = film.add_stream("libx264", rate=FRAMES_PER_SECOND, options={"preset": "ultrafast", "crf": "34"})
            picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            picture.codec_context.thread_count = 1
            voice = film.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            voice.bit_rate = 32_000
            for number in range(round(FRAMES_PER_SECOND * SECONDS)):
                frame = av.VideoFrame.from_ndarray(_picture(number / (FRAMES_PER_SECOND * SECONDS)), format="rgb24")
                film.mux(picture.encode(frame))
            film.mux(picture.encode(None))
            for start in range(0, round(SAMPLE_RATE * SECONDS), AAC_FRAME):
                sound = av.AudioFrame.from_ndarray(_sound(start), format="fltp", layout="mono")
                sound.sample_rate, sound.pts = SAMPLE_RATE, start
                film.mux(voice.encode(sound))
            film.mux(voice.encode(None))
        return path.read_bytes()


def sign_film(film: bytes, name: str, *, at_least: int = 0) -> bytes:
    """Return the film with the name in a `free` box at its end, padded to a length in bytes."""
    text = name.encode()
    filling = max(0, at_least - len(film) - BOX_HEADER - len(text))
    return film + struct.pack(">I4s", BOX_HEADER + len(text) + filling, b"free") + text + bytes(filling)


def _picture(share: float) -> np.ndarray:
    """Return a frame (HEIGHT x WIDTH x 3, uint8 RGB): a neon stripe at `share` (0..1) of the height on a dark sky."""
    rows = np.linspace(0.0, 1.0, HEIGHT)[:, None]
    glow = np.exp(-(((rows - share) * 9) ** 2)) * np.ones((1, WIDTH))
    return np.stack([20 + 200 * glow, 10 + 30 * rows * np.ones((1, WIDTH)), 50 + 180 * glow], axis=-1).astype(np.uint8)


def _sound(start: int) -> np.ndarray:
    moments = np.arange(start, start + AAC_FRAME) / SAMPLE_RATE
    return (0.1 * np.sin(2 * math.pi * TONE * moments)).astype(np.float32)[None, :]
