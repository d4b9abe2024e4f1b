"""A canceled film ends at the next stage or frame."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from providers.studio.errors import Cancelled
from providers.studio.film import encode, render
from providers.studio.film.canvas import FRAME_HEIGHT, FRAME_WIDTH
from providers.studio.film.music.sound import VARIANTS
from providers.studio.film.render import Renderer

pytestmark = pytest.mark.slow

STAGES = (
    "read_photo",
    "paint_details",
    "analyse",
    "Hero",
    "hang_signs",
    "Director",
    "load_armour",
    "load_city",
    "soundtrack",
    "encode_sound",
)


@pytest.fixture
def log(monkeypatch) -> list[str]:
    """The stages of a render, in order; each writes its name."""
    done: list[str] = []

    def logged(name: str, stage):
        def run(*arguments, **choices):
            done.append(name)
            return stage(*arguments, **choices)

        return run

    for name in STAGES:
        monkeypatch.setattr(render, name, logged(name, getattr(render, name)))
    return done


def stop_at(renderer: Renderer, photo: bytes, folder: Path, log: list[str], moment: int) -> None:
    """Render until the question number `moment`, counted from 0, is answered with yes."""
    questions = itertools.count()

    def should_stop() -> bool:
        log.append("?")
        return next(questions) >= moment

    with pytest.raises(Cancelled):
        renderer.render(
            photo,
            look="neon-noir",
            hero_name="",
            seed="stop",
            folder=folder,
            on_progress=lambda value: None,
            on_poster=lambda path: log.append("poster"),
            should_stop=should_stop,
        )


def test_a_cold_renderer_is_asked_before_every_stage(astronaut, tmp_path, log):
    stop_at(Renderer(), astronaut, tmp_path, log, 18)
    assert set(STAGES) < set(log)
    assert "poster" in log
    after_question = [one for before, one in itertools.pairwise(log) if before == "?"]
    # Between two questions there is one stage; the poster's frame belongs to the last one.
    assert sorted(set(after_question) - {"?"}) == sorted([*STAGES, "poster"])
    assert log[-1] == "?"


@pytest.mark.parametrize("moment", range(8))
def test_nothing_is_begun_after_the_yes(renderer, astronaut, tmp_path, log, moment):
    stop_at(renderer, astronaut, tmp_path, log, moment)
    assert log.count("?") == moment + 1
    assert log[-1] == "?"
    assert list(tmp_path.iterdir()) == []


def test_warming_up_stops_too_and_goes_on_later(log):
    renderer, questions = Renderer(), itertools.count()
    with pytest.raises(Cancelled):
        renderer.warm_up(["neon-noir"], should_stop=lambda: next(questions) >= 2)
    begun = list(log)
    assert 0 < len(begun) < 3
    renderer.warm_up(["neon-noir"])
    once = [*["encode_sound"] * VARIANTS, "load_armour", "load_city", *["soundtrack"] * VARIANTS]
    assert sorted(log) == once, "nothing is loaded twice"


class HeldFrames:
    """Stands for `av.VideoFrame`: holds the first frame at the encoder's door until the film is abandoned."""

    def __init__(self) -> None:
        self.count = 0
        self.abandoned = threading.Event()

    def from_ndarray(self, pixels: np.ndarray, format: str) -> av.VideoFrame:
        self.count += 1
        assert self.abandoned.wait(10)
        return av.VideoFrame.from_ndarray(pixels, format=format)


def test_an_abandoned_film_encodes_none_of_the_frames_that_wait(tmp_path, monkeypatch):
    held = HeldFrames()
    monkeypatch.setattr(encode, "av", SimpleNamespace(open=av.open, AudioFrame=av.AudioFrame, VideoFrame=held))
    sound = encode.encode_sound(np.zeros((2, 44100), np.float32))
    frame = np.zeros((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
    writer = encode.FilmWriter(tmp_path / "film.mp4", sound)
    held.abandoned = writer._abandoned
    with pytest.raises(Cancelled), writer:
        for _ in range(encode.QUEUED_FRAMES):
            writer.add(frame)
        raise Cancelled
    assert held.count <= 1
    assert not writer._thread.is_alive()
