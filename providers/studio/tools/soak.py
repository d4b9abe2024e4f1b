"""Many films in a row on one renderer, whose process is watched: `python -m providers.studio.tools.soak --films 1000`.

The renderer is the studio's (`pool`, `worker`). Photos have several sizes; looks, names and seeds change with every
film; some films are canceled at a random time, and some photos are bad. At the end it prints which laws (limits that
must hold) were kept; the exit code is 1 when one was not.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from providers.studio.service.credentials import Credentials
from providers.studio.service.pool import RendererPool
from providers.studio.service.predictions import Prediction, Status
from providers.studio.service.settings import LOOKS, PROJECT_DIR, StudioSettings

MEGAPIXELS = (1, 2, 4, 8, 12)  # of the photos
NAMES = ("NOVA-7", "", "Ada", "Ирина", "さくら", "A VERY LONG HERO NAME 24")
CANCELED, BAD = 0.05, 0.05  # of all films
FILM_SECONDS = 5.0  # within which a film is canceled
REPORT_EVERY = 50  # films
WARM_FILMS = 50  # films after which memory may not grow any more
COMPARED_FILMS = 100  # the first and the last so many are compared

Say = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """The laws. Megabytes are 2**20 bytes."""

    peak_megabytes: float = 600
    growth_megabytes: float = 30
    wall_drift: float = 0.10  # by how much of it the median may rise
    more_files: int = 2  # open files and threads, compared with after the first films


@dataclass(frozen=True)
class Facts:
    """Memory, open files and threads of a process."""

    megabytes: float
    peak_megabytes: float
    open_files: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> Facts:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        values = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.split()}
        megabytes, peak = (int(values[name]) / 1024 for name in ("VmRSS", "VmHWM"))
        return cls(megabytes, peak, len(os.listdir(f"/proc/{pid}/fd")), int(values["Threads"]))


@dataclass(frozen=True)
class PlannedFilm:
    photo: Path
    expected: str  # film, canceled, no_face or unreadable_photo
    cancel_after: float = 0.0  # seconds


@dataclass
class Soak:
    """The queue that the pool takes films from and reports to."""

    films: int
    photos: list[Path]
    bad_photos: dict[str, Path]  # by the code they fail with
    folder: Path
    seed: str
    say: Say
    renderer: str = StudioSettings.renderer
    canceled: float = CANCELED  # of all films
    bad: float = BAD
    walls: list[float] = field(default_factory=list)
    processor_times: list[float] = field(default_factory=list)
    facts: list[Facts] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    begun: int = 0
    ended: int = 0

    async def run(self) -> None:
        """Make all films, one after the other; return when the last has ended."""
        no_credentials = Credentials(api_key="", webhook_secret="")
        settings = StudioSettings(
            folder=self.folder, credentials=no_credentials, films_per_process=self.films + 1, renderer=self.renderer
        )
        self.done = asyncio.Event()
        self.pool = RendererPool(settings, self)
        self.pool.start()
        try:
            await self.done.wait()
        finally:
            await self.pool.close()

    def plan(self, number: int) -> PlannedFilm:
        dice = random.Random(f"{self.seed}.{number}")  # noqa: S311 - no secret
        photo, chance = self.photos[number % len(self.photos)], dice.random()
        if chance < self.canceled:
            return PlannedFilm(photo, "canceled", dice.uniform(0, FILM_SECONDS))
        if chance < self.canceled + self.bad:
            code = dice.choice(sorted(self.bad_photos))
            return PlannedFilm(self.bad_photos[code], code)
        return PlannedFilm(photo, "film")

    # --- Called by the pool -------------------------------------------------------------

    def next_ready(self) -> Prediction | None:
        if self.begun == self.films:
            return None
        number, self.begun = self.begun, self.begun + 1
        return Prediction(
            reference=str(number),
            look=LOOKS[(number + number // len(self.photos)) % len(LOOKS)],  # every photo in every look
            hero_name=NAMES[number % len(NAMES)],
            seed=f"{self.seed}.{number}",
            webhook="",
            photo_url="",
            origin="",
        )

    def begin(self, prediction: Prediction) -> dict[str, Any]:
        self.current = self.plan(int(prediction.reference))
        self.outcome, self.began_at = "", time.monotonic()
        if self.current.expected == "canceled":
            self.canceling = asyncio.get_running_loop().call_later(self.current.cancel_after, self.cancel, prediction)
        return {"photo": str(self.current.photo), **prediction.order()}

    def cancel(self, prediction: Prediction) -> None:
        prediction.status = Status.CANCELED
        self.pool.stop_render(prediction)

    def progressed(self, prediction: Prediction, value: float) -> None:
        pass

    def poster_made(self, prediction: Prediction, made: Path) -> None:
        if not made.exists():
            self.failures.append(f"film {prediction.reference}: no poster")

    def film_made(self, prediction: Prediction, made: Path, *, render_seconds: float, cpu_seconds: float) -> None:
        self.outcome = "film" if is_playable(made) else "a film that cannot be played"
        self.walls.append(render_seconds)
        self.processor_times.append(cpu_seconds)

    def failed(self, prediction: Prediction, code: str) -> None:
        self.outcome = "canceled" if prediction.status == Status.CANCELED else code

    def renderer_lost(self, prediction: Prediction) -> None:
        self.outcome = "renderer lost"

    def renderer_silent(self, prediction: Prediction) -> None:
        self.outcome = "renderer silent"

    def render_ended(self, prediction: Prediction) -> None:
        expected = self.current.expected
        if expected == "canceled":
            self.canceling.cancel()
            if self.outcome == "film":  # it was faster than the cancel
                expected = "film"
        self.outcomes[self.outcome] = self.outcomes.get(self.outcome, 0) + 1
        if self.outcome != expected:
            self.failures.append(f"film {prediction.reference}: {self.outcome or 'nothing'} instead of {expected}")
        self.ended += 1
        renderer = self.pool.slots[0].renderer
        if renderer is not None and self.outcome not in ("renderer lost", "renderer silent"):
            self.facts.append(Facts.of(renderer.process.pid))
        if self.ended % REPORT_EVERY == 0 or self.ended == self.films:
            self.report()
        if self.ended == self.films:
            self.done.set()

    def report(self) -> None:
        def median(values: list[float]) -> float:
            return statistics.median(values[-REPORT_EVERY:] or [0.0])

        line = f"{self.ended:5} films   CPU {median(self.processor_times):5.2f} s   wall {median(self.walls):5.2f} s"
        if self.facts:
            now = self.facts[-1]
            line += f"   {now.megabytes:4.0f} MB, peak {now.peak_megabytes:4.0f} MB"
            line += f"   {now.open_files} open files, {now.threads} threads"
        self.say(f"{line}   {len(self.failures)} failures")


def verdicts(soak: Soak, limits: Limits) -> list[tuple[bool, str]]:
    """Return, for every law, whether it was kept and a text with its figures."""
    laws = [(not soak.failures and soak.ended == soak.films, f"{len(soak.failures)} failures {soak.outcomes}")]
    if not soak.facts or len(soak.walls) < 2:
        return [*laws, (False, "too few films to judge")]
    # Where there are few films, a third of them warms the renderer, and the halves are compared.
    warm, last = soak.facts[min(WARM_FILMS, len(soak.facts) // 3)], soak.facts[-1]
    compared = min(COMPARED_FILMS, len(soak.walls) // 2)
    first_wall, last_wall = statistics.median(soak.walls[:compared]), statistics.median(soak.walls[-compared:])
    growth, drift = last.megabytes - warm.megabytes, last_wall / first_wall - 1
    more = max(last.open_files - warm.open_files, last.threads - warm.threads)
    return [
        *laws,
        (last.peak_megabytes <= limits.peak_megabytes, f"peak {last.peak_megabytes:.0f} of {limits.peak_megabytes} MB"),
        (growth <= limits.growth_megabytes, f"grown by {growth:.0f} of {limits.growth_megabytes} MB since warm"),
        (drift <= limits.wall_drift, f"wall {first_wall:.2f} s, then {last_wall:.2f} s ({drift:+.0%})"),
        (more <= limits.more_files, f"{more} more open files or threads since warm"),
    ]


def is_playable(path: Path) -> bool:
    try:
        with av.open(str(path)) as film:
            return film.streams.video[0].frames > 0
    except (av.FFmpegError, IndexError):
        return False


def read_pixels(path: Path) -> np.ndarray:
    """Return the picture in BGR. Raise ValueError for a file that is none."""
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise ValueError(f"{path} is no picture")
    return pixels


def make_photos(source: Path, folder: Path) -> tuple[list[Path], dict[str, Path]]:
    """Write every photo of a folder in all sizes, and photos that no film can be made of, by what is said of them."""
    made = []
    for original in sorted(source.glob("*.jpg")):
        pixels = read_pixels(original)
        for megapixels in MEGAPIXELS:
            scale = (megapixels * 1e6 / (pixels.shape[0] * pixels.shape[1])) ** 0.5
            made.append(folder / f"{original.stem}-{megapixels}.jpg")
            cv2.imwrite(str(made[-1]), cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
    bad = {"unreadable_photo": folder / "broken.jpg", "no_face": folder / "wall.png"}
    bad["unreadable_photo"].write_bytes(b"\xff\xd8\xff\xe0 no photo")
    cv2.imwrite(str(bad["no_face"]), np.full((900, 700, 3), 140, np.uint8))
    return made, bad


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m providers.studio.tools.soak", description="Make many films in a row."
    )
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--photos", type=Path, default=PROJECT_DIR / "tests" / "photos")
    parser.add_argument("--seed", default="soak", help="another seed, other films")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos, bad = make_photos(arguments.photos, folder)
        if not photos:
            say(f"No photos in {arguments.photos}.")
            return 2
        soak = Soak(arguments.films, photos, bad, folder, arguments.seed, say)
        asyncio.run(soak.run())
    judged = verdicts(soak, Limits())
    for failure in soak.failures[:20]:
        say(failure)
    for kept, text in judged:
        say(f"{'kept  ' if kept else 'BROKEN'}  {text}")
    return 0 if all(kept for kept, _ in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
