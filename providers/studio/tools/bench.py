"""The CPU time of a film, compared with a lower bound: `python -m providers.studio.tools.bench PHOTO`.

The lower bound (floor) decodes the photo once, blends the street's plates without a camera, and encodes as many frames
with the same options and sound. Everything is done several times, looks in turn, and shown as median (minimum to
maximum). CPU is that of the whole process with the encoder's thread; `bench_processes` measures what runs in
processes of its own (a fresh start, the studio over HTTP). Libraries get one thread each, as in a renderer: with two,
OpenBLAS burnt a third of a film's CPU time by waiting.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.studio.service.renderer_process import THREADS

os.environ.update(THREADS)  # read by numpy, av and cv2 when they are imported

import av
import cv2
import numpy as np

from providers.studio.film.canvas import FRAME_HEIGHT, FRAME_WIDTH, PLATE_HEIGHT, PLATE_WIDTH, composite
from providers.studio.film.city.scenery import Scenery
from providers.studio.film.city.signs import hang_signs
from providers.studio.film.city.weather import develop
from providers.studio.film.encode import FilmWriter, encode_sound
from providers.studio.film.hero import Hero
from providers.studio.film.looks import LOOKS
from providers.studio.film.memory import Scratch
from providers.studio.film.music.loudness import MOMENTARY, loudness_range
from providers.studio.film.music.sound import loudness, soundtrack, true_peak
from providers.studio.film.person.cutout import cut_out
from providers.studio.film.person.photo import read_photo
from providers.studio.film.person.relight import relight
from providers.studio.film.person.subject import analyse, place
from providers.studio.film.render import Renderer, never
from providers.studio.film.shots import Director
from providers.studio.film.suit.details import paint_details
from providers.studio.film.suit.suit import wear
from providers.studio.film.variation import Variation
from providers.types import Watermark

from .bench_processes import peak_memory, time_cancels, time_first_films

PAN = 100  # px the floor's plates move
Say = Callable[[str], None]


class Table:
    """Measurements by row and look, each taken several times."""

    def __init__(self, looks: list[str]) -> None:
        self.looks = looks
        self.rows: dict[str, dict[str, list[float]]] = {}

    def add(self, row: str, look: str, figure: float) -> None:
        self.rows.setdefault(row, {}).setdefault(look, []).append(figure)

    @contextmanager
    def timed(self, row: str, look: str) -> Iterator[None]:
        """Add the CPU milliseconds of the block."""
        began = time.process_time()
        yield
        self.add(row, look, (time.process_time() - began) * 1000)

    def lines(self) -> Iterator[str]:
        width = max(len(row) for row in self.rows)
        yield " " * width + "".join(f"{look:>28}" for look in self.looks)
        for row, figures in self.rows.items():
            yield row.ljust(width) + "".join(f"{spread(figures.get(look, [])):>28}" for look in self.looks)


def spread(figures: list[float]) -> str:
    """Median, least and most of some figures."""
    if not figures:
        return "-"
    digits = 0 if max(figures) >= 100 else 2
    median, least, most = statistics.median(figures), min(figures), max(figures)
    return f"{median:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"


def bench_stages(renderer: Renderer, photo: bytes, look: str, table: Table) -> None:
    """Time the stages of a film's preparation, and a frame of every shot."""
    style, variation = LOOKS[look], Variation.of("bench")
    timeline = style.timeline
    with table.timed("read the photo, ms", look):
        picture = read_photo(photo)
    with table.timed("face, mesh, matte", look):
        subject = analyse(picture)
    with table.timed("cut out", look):
        cutout = cut_out(subject, place(subject))
    with table.timed("relight", look):
        figure = relight(cutout, style)
    with table.timed("wear the suit", look):
        wear(figure, renderer.armour(look), style)
    with table.timed("suit's details", look):
        armour = paint_details(renderer.armour(look), style, variation)
    with table.timed("hero: cut out, relight, suit, visor, circuits", look):
        hero = Hero(subject, style, armour, variation)
    with table.timed("signs, rain", look):
        city = hang_signs(renderer.city(look), style, variation.dice("signs"))
        director = Director(subject, hero, Scenery(city, style, variation), style, variation, "BENCH")
    with table.timed("poster frame, title", look):
        director.frame(timeline.poster_frame)
    with table.timed("first scan frame, HUD", look):
        director.frame(0)
    director.frame(int((timeline.cuts[1] + 0.1) * 24))
    for name, start, end in zip(
        ("scan", "hero", "close-up", "title"), (0, *timeline.cuts), (*timeline.cuts, timeline.seconds), strict=True
    ):
        first, last = int(start * 24) + 1, int(end * 24)
        began = time.process_time()
        for number in range(first, last):
            director.frame(number)
        table.add(f"a frame of the {name} shot", look, (time.process_time() - began) * 1000 / (last - first))


def bench_film(renderer: Renderer, photo: bytes, look: str, seed: str, table: Table) -> float:
    """Make a film as a warm worker does, and return its CPU seconds."""
    began, wall = time.process_time(), time.monotonic()
    poster: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        film = renderer.render(
            photo,
            look=look,
            hero_name="BENCH",
            seed=seed,
            folder=Path(folder),
            on_progress=lambda progress: None,
            on_poster=lambda path: poster.append(time.process_time() - began),
            should_stop=never,
            watermark=Watermark(bytes(32), 1),
        )
        cost, seconds = time.process_time() - began, time.monotonic() - wall
        megabytes = film.video.stat().st_size / 1e6
        with av.open(str(film.video)) as container:
            heard = np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
    table.add("poster, CPU ms", look, poster[0] * 1000)
    table.add(f"film of {film.frames} frames, CPU ms", look, cost * 1000)
    table.add("film, wall ms", look, seconds * 1000)
    table.add("film, MB", look, megabytes)
    table.add("film, seconds", look, film.seconds)
    table.add("its sound as decoded, LUFS", look, loudness(heard))
    table.add("its sound as decoded, true peak, dB", look, true_peak(heard))
    table.add("its sound as decoded, range of 0.4 s windows, LU", look, loudness_range(heard, MOMENTARY))
    return cost


def bench_floor(renderer: Renderer, photo: bytes, look: str, table: Table) -> float:
    """Decode, blend and encode with the least possible work, and return the CPU seconds."""
    timeline = LOOKS[look].timeline
    city, samples, count = renderer.city(look), soundtrack(LOOKS[look].music, timeline.cues), timeline.frame_count
    plates = [cv2.resize(plate, (FRAME_WIDTH + PAN, FRAME_HEIGHT + PAN)) for plate in (city.far, city.mid, city.near)]
    dice, scratch = Variation.of("floor"), Scratch()
    picture = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        hero = cv2.cvtColor(cv2.resize(read_photo(photo).pixels, (PLATE_WIDTH, PLATE_HEIGHT)), cv2.COLOR_BGR2BGRA)
        hero[: PLATE_HEIGHT // 2] = 0  # a person who fills half of the frame
        with FilmWriter(Path(folder) / "floor.mp4", encode_sound(samples)) as writer:
            for number in range(count):
                far, mid, near, front = (
                    plate[shift : shift + FRAME_HEIGHT, shift : shift + FRAME_WIDTH]
                    for plate, shift in zip((*plates, hero), [number * PAN // count] * 4, strict=True)
                )
                np.copyto(picture, far)
                for layer in (mid, near, front):
                    composite(picture, layer, scratch)
                develop(picture, dice.dice("grain", number))
                writer.add(picture)
        megabytes = (Path(folder) / "floor.mp4").stat().st_size / 1e6
    cost = time.process_time() - began
    table.add("floor (decode, blend 4 plates, grain, encode), CPU ms", look, cost * 1000)
    table.add("floor, MB", look, megabytes)
    return cost


def bench(photo: bytes, looks: list[str], rounds: int, say: Say) -> None:
    """Print the CPU times of stages, films and floors in a warm renderer."""
    renderer, table = Renderer(), Table(looks)
    for look in looks:
        with table.timed("first load of models and look, ms", look):
            renderer.warm_up([look])
    for look in looks:
        bench_stages(renderer, photo, look, Table(looks))  # the first time costs more and is not counted
    for number in range(rounds):
        for look in looks:
            bench_stages(renderer, photo, look, table)
            film = bench_film(renderer, photo, look, f"bench {number}", table)
            table.add("film / floor", look, film / bench_floor(renderer, photo, look, table))
    for line in table.lines():
        say(line)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m providers.studio.tools.bench", description="Time a film's stages.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--look", choices=list(LOOKS), help="one look; all without it")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (3)")
    parser.add_argument("--cancels", type=int, default=20, help="films canceled at a random moment (20)")
    arguments = parser.parse_args()
    looks = [arguments.look] if arguments.look else list(LOOKS)

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    bench(arguments.photo.read_bytes(), looks, arguments.rounds, say)
    cpu, wall, peak = time_first_films(arguments.photo, looks, arguments.rounds)
    say(f"first film of a fresh process, imports and sound included: CPU {spread(cpu)} s, wall {spread(wall)} s")
    say(f"its memory: {spread(peak)} MB at its peak")
    say(f"a worker with all looks warm and photos of 12 megapixels: {peak_memory(arguments.photo):.0f} MB at its peak")
    if arguments.cancels:
        stopped, killed = time_cancels(arguments.photo, arguments.cancels)
        say(f"{len(stopped)} cancels over HTTP, until the renderer is free: {spread(stopped)} s, {killed} by force")


if __name__ == "__main__":
    main()
