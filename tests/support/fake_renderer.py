"""A renderer that makes a real, tiny film in no time, and misbehaves when the hero's name asks for it.

CRASH kills the process, HANG never goes on, SLOW takes 10 s, NOFACE finds none, CRASHONCE kills it the first time.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

from providers.studio.outcomes import Cancelled, NoFace

FRAMES, RATE, WIDTH, HEIGHT = 24, 24, 72, 128


@dataclass(frozen=True)
class Film:
    video: Path
    poster: Path
    seconds: float
    frames: int
    width: int
    height: int


class Renderer:
    def warm_up(self, looks: Iterable[str] = ()) -> None:
        """Nothing to warm."""

    def render(
        self,
        photo: bytes,
        *,
        look: str,
        hero_name: str,
        seed: str,
        folder: Path,
        on_progress: Callable[[float], None],
        on_poster: Callable[[Path], None],
        should_stop: Callable[[], bool],
    ) -> Film:
        assert photo.startswith(b"\xff\xd8")
        if hero_name == "NOFACE":
            raise NoFace
        crashed = folder / "crashed"
        if hero_name == "CRASH" or (hero_name == "CRASHONCE" and not crashed.exists()):
            crashed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        poster = folder / "poster.jpg"
        Image.new("RGB", (WIDTH, HEIGHT), (200, 30, 90)).save(poster)
        on_poster(poster)
        pause = {"SLOW": 10 / FRAMES, "HANG": 3600.0}.get(hero_name, 0.01)
        video = folder / "film.mp4"
        temporary = folder / "film.part.mp4"
        with av.open(str(temporary), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            for number in range(FRAMES):
                end = time.monotonic() + pause
                while time.monotonic() < end:
                    if should_stop():
                        raise Cancelled
                    time.sleep(0.01)
                picture = np.full((HEIGHT, WIDTH, 3), number * 10, np.uint8)
                for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                    container.mux(packet)
                on_progress((number + 1) / FRAMES)
            for packet in stream.encode(None):
                container.mux(packet)
        temporary.rename(video)
        return Film(video, poster, FRAMES / RATE, FRAMES, WIDTH, HEIGHT)
