"""A renderer for tests of the studio: a tiny real film in a third of a second, and misbehaviour by hero name.

CRASH dies every time, CRASH-ONCE the first time, HANG neither moves nor stops (HANG-ONCE the first time), SLOW takes
ten seconds, STEADY three,
NOFACE, UNREADABLE and BROKEN raise, HOARD takes a lot of memory.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from providers.studio.errors import Cancelled, NoFace, UnreadablePhoto
from providers.types import Watermark
from tests.confinement import intruder

# A photo that starts like this is a list of what an intruder would try from inside.
INTRUDE = b"\xff\xd8\xffINTRUDE "
POSTER = b"\xff\xd8\xff\xe0fake poster\xff\xd9"


@dataclass(frozen=True)
class Film:
    video: Path
    poster: Path
    seconds: float
    frames: int
    width: int
    height: int


class Renderer:
    def __init__(self) -> None:
        self.hoard: list[bytearray] = []
        # Opened before the process is confined: what it remembers is read by the renderer that comes after it.
        self.memory = Path(sys.argv[-1]).parent.with_suffix(".memory").open("a+")

    def warm_up(
        self,
        looks: Iterable[str] = (),
        *,
        with_sounds: bool = True,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        assert list(looks)
        if with_sounds:
            return
        time.sleep(float(os.environ.get("FAKE_WARM_UP_SECONDS", "0")))
        if os.environ.get("FAKE_NEVER_WARM"):
            raise RuntimeError("no models")

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
        faceless: str = "",
        watermark: Watermark | None = None,
    ) -> Film:
        assert photo and look and seed
        on_progress(0.0)
        if photo.startswith(INTRUDE):
            attempts, _, told = photo.removeprefix(INTRUDE).decode().partition("::")
            raise UnreadablePhoto(f"successes: {intruder.successes(attempts.split(';'), told)}")
        self.misbehave(hero_name)
        poster, video = folder / "poster.jpg", folder / "film.mp4"
        poster.write_bytes(POSTER)
        on_poster(poster)
        steps, pause = {"SLOW": (200, 0.05), "STEADY": (60, 0.05)}.get(hero_name, (10, 0.02))
        for step in range(steps):
            if should_stop():
                raise Cancelled
            time.sleep(pause)
            on_progress(step / steps)
        frames = write_film(video, f"{seed} watermark={watermark.number}" if watermark is not None else seed)
        on_progress(1.0)
        return Film(video, poster, frames / 24, frames, 64, 64)

    def is_first(self, hero_name: str) -> bool:
        """Tell whether no renderer of this studio was asked this before."""
        self.memory.seek(0)
        if f"{hero_name}\n" in self.memory.read():
            return False
        self.memory.write(f"{hero_name}\n")
        self.memory.flush()
        return True

    def misbehave(self, hero_name: str) -> None:
        if hero_name == "CRASH" or (hero_name == "CRASH-ONCE" and self.is_first(hero_name)):
            os.kill(os.getpid(), signal.SIGKILL)
        if hero_name == "HANG" or (hero_name == "HANG-ONCE" and self.is_first(hero_name)):
            time.sleep(600)
        if hero_name == "NOFACE":
            raise NoFace
        if hero_name == "UNREADABLE":
            raise UnreadablePhoto("not a picture")
        if hero_name == "BROKEN":
            raise RuntimeError("broken")
        if hero_name == "HOARD":
            self.hoard.append(bytearray(os.urandom(1)) * (300 * 2**20))


def write_film(path: Path, seed: str) -> int:
    """Write a real MP4 of twelve dark frames and return their number.

    It names its seed, because a film that equals another person's is refused.
    """
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = seed
        stream = container.add_stream("libx264", rate=24)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for shade in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), shade * 10, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return 12
