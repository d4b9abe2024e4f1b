"""What a film costs, stage by stage, in CPU time: `python -m providers.studio.bench PHOTO`."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .cutout import cut_out
from .details import paint_details
from .hero import Hero
from .looks import DEFAULT_LOOK, LOOKS
from .photo import read_photo
from .relight import relight
from .render import Renderer
from .scenery import Scenery
from .shots import Director
from .signs import hang_signs
from .subject import analyse, place
from .suit import wear
from .variation import Variation

Report = Callable[[str, float], None]


def bench(photo: bytes, look: str, films: int, report: Report) -> None:
    """Report the CPU milliseconds of every stage, warm, and of some whole films."""
    renderer = Renderer()
    with _timed("start: models, plates, sound", report):
        renderer.warm_up([look])
    style, variation = LOOKS[look], Variation.of("bench")
    timeline = style.timeline
    renderer.direct(read_photo(photo), look=look, hero_name="BENCH", seed="bench").frame(timeline.poster_frame)
    with _timed("read the photo", report):
        picture = read_photo(photo)
    with _timed("face, mesh, matte", report):
        subject = analyse(picture)
    with _timed("cut out", report):
        cutout = cut_out(subject, place(subject))
    with _timed("relight", report):
        figure = relight(cutout, style)
    with _timed("wear the suit", report):
        wear(figure, renderer.armour(look), style)
    with _timed("hero (the three above, visor, circuits)", report):
        hero = Hero(subject, style, paint_details(renderer.armour(look), style, variation), variation)
    with _timed("signs, rain", report):
        city = hang_signs(renderer.city(look), style, variation.dice("signs"))
        director = Director(subject, hero, Scenery(city, style, variation), style, variation, "BENCH")
    with _timed("poster frame, title", report):
        director.frame(timeline.poster_frame)
    with _timed("first scan frame, HUD", report):
        director.frame(0)
    director.frame(int(3.6 * 24))
    for name, start, end in zip(
        ("scan", "hero", "close-up", "title"), (0, *timeline.cuts), (*timeline.cuts, timeline.seconds), strict=True
    ):
        first, last = int(start * 24) + 1, int(end * 24)
        began = time.process_time()
        for number in range(first, last):
            director.frame(number)
        report(f"a frame of the {name} shot", (time.process_time() - began) * 1000 / (last - first))
    for number in range(films):
        _film(renderer, photo, look, number, report)


def _film(renderer: Renderer, photo: bytes, look: str, number: int, report: Report) -> None:
    began, wall = time.process_time(), time.monotonic()
    poster: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        film = renderer.render(
            photo,
            look=look,
            hero_name="BENCH",
            seed=str(number),
            folder=Path(folder),
            on_progress=lambda progress: None,
            on_poster=lambda path: poster.append(time.process_time() - began),
            should_stop=lambda: False,
        )
        size = film.video.stat().st_size
    report(f"film {number + 1}: poster", poster[0] * 1000)
    cpu, elapsed = time.process_time() - began, time.monotonic() - wall
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    note = f"film {number + 1}: {film.frames} frames, {size / 1e6:.1f} MB, wall {elapsed:.1f} s, peak {memory} MB"
    report(note, cpu * 1000)


@contextmanager
def _timed(name: str, report: Report) -> Iterator[None]:
    began = time.process_time()
    yield
    report(name, (time.process_time() - began) * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m providers.studio.bench", description="Time a film's stages.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--look", choices=list(LOOKS), default=DEFAULT_LOOK)
    parser.add_argument("--films", type=int, default=2)
    arguments = parser.parse_args()
    bench(
        arguments.photo.read_bytes(),
        arguments.look,
        arguments.films,
        lambda name, cost: print(f"{cost:8.1f} ms  {name}", flush=True),  # noqa: T201 - a report for a terminal
    )


if __name__ == "__main__":
    main()
