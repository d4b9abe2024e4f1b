"""Whether the watermark is seen, and what it survives.

    python -m tests.bench.watermark [--look neon-noir …] [--photo astronaut.jpg …] [--foreign 1000]

Films are drawn by the studio and written twice, with and without it. The copies with it are changed as people and
their messengers change films; the others, and pictures that never were here, are searched for it in vain.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from jobs.photos import decoding
from providers.studio.film.canvas import FRAME_HEIGHT, FRAME_WIDTH
from providers.studio.film.encode import FilmWriter
from providers.studio.film.looks import LOOKS
from providers.studio.film.person.photo import read_photo
from providers.studio.film.render import Renderer, _write_poster
from providers.types import Watermark
from providers.watermark.detect import Detector, Found, flattened
from providers.watermark.embed import Embedder
from tests.providers.watermark.copies import decoded, encoded, filling, jpeg, lumas, turned, with_grey

PHOTOS = Path(__file__).resolve().parents[1] / "photos"
PEOPLE = ("astronaut.jpg", "obama.jpg", "biden.jpg", "guido.jpg")
KEY = b"a key for measuring".ljust(32, b"\0")
FULL, HALF_HD, SMALL = (FRAME_WIDTH, FRAME_HEIGHT), (540, 960), (360, 640)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--look", nargs="*", choices=LOOKS, default=list(LOOKS))
    parser.add_argument("--photo", nargs="*", default=PEOPLE, help="of tests/photos")
    parser.add_argument("--foreign", type=int, default=1000, help="searches where there is no watermark")
    choices = parser.parse_args()
    cv2.setNumThreads(1)
    bench = Bench(choices.foreign)
    renderer = Renderer()
    for look in choices.look:
        for person in choices.photo:
            bench.film(renderer, look, PHOTOS / person)
    bench.foreign_pictures()
    bench.print()
    return 0


@dataclasses.dataclass
class Case:
    """What became of one kind of change."""

    scores: list[float] = dataclasses.field(default_factory=list)
    found: int = 0
    read: int = 0
    wrong: int = 0

    def add(self, found: Found, number: int | None) -> None:
        self.scores.append(found.score)
        self.found += found.is_found
        self.read += found.number is not None and found.number == number
        self.wrong += found.number is not None and found.number != number


class Bench:
    def __init__(self, foreign: int) -> None:
        self.cases: dict[str, Case] = defaultdict(Case)
        self.costs: dict[str, list[float]] = defaultdict(list)
        self.foreign, self.most_foreign = Case(), foreign
        self.detector, self.number = Detector(KEY), 0x5E1F0000

    def film(self, renderer: Renderer, look: str, photo: Path) -> None:
        """Draw a film once, write it with and without the watermark, and try all changes."""
        self.number += 977
        embedder, spent = Timed(Watermark(KEY, self.number)), 0.0
        director = renderer.direct(read_photo(photo.read_bytes()), look=look, hero_name="NOVA-7", seed=photo.stem)
        timeline, sound = LOOKS[look].timeline, renderer.sound(look, 0)
        with tempfile.TemporaryDirectory() as name:
            plain, marked, poster = Path(name) / "plain.mp4", Path(name) / "marked.mp4", Path(name) / "poster.jpg"
            _write_poster(director.frame(timeline.poster_frame), poster, embedder)
            embedder.seconds = 0.0
            with FilmWriter(plain, sound) as one, FilmWriter(marked, sound, embedder) as other:
                for number in range(timeline.frame_count):
                    frame = director.frame(number)
                    one.add(frame)
                    other.add(frame)
                    if number % 12 == 6:
                        self.compare(frame, embedder)
            spent = embedder.seconds
            self.costs["CPU of the watermark in a film, s"].append(spent)
            self.costs["size of the film, of that without"].append(marked.stat().st_size / plain.stat().st_size)
            self.try_film(marked)
            self.try_stills(marked, poster.read_bytes())
            self.search_without(plain)
        sys.stderr.write(f"{look} {photo.stem}: {spent:.3f} s\n")

    def compare(self, frame: np.ndarray, embedder: Embedder) -> None:
        """Note how far a frame with the watermark is from the frame as it was drawn."""
        luma = cv2.cvtColor(frame, cv2.COLOR_BGRA2YUV_I420)[:FRAME_HEIGHT]
        with_it = luma.copy()
        Embedder.add(embedder, with_it)
        self.costs["PSNR of the luma, dB"].append(psnr(luma, with_it))
        self.costs["SSIM of the luma"].append(ssim(luma, with_it))

    def try_film(self, film: Path) -> None:
        shown = [planes[:FRAME_HEIGHT].copy() for planes in decoded(film)]
        began = time.process_time()
        picture = flattened(shown)
        self.costs["CPU to average a film's frames, s"].append(time.process_time() - began)
        self.costs["CPU to find it there, s"].append(self.case("as delivered", picture))
        self.case("540p at 1 Mbit/s", self.again(decoded(film), HALF_HD, bit_rate=1_000_000))
        self.case("360p at 400 kbit/s", self.again(decoded(film), SMALL, bit_rate=400_000))
        self.case("VP9, 540p at 1 Mbit/s", self.again(decoded(film), HALF_HD, bit_rate=1_000_000, codec="libvpx-vp9"))
        some = shown[::2]
        grey = with_grey(turned(luma, 0, 1.05) for luma in some)
        self.case("cropped by 5 %, filled, encoded again", self.again(grey))
        for degrees in (0.5, 2.0, -3.0):
            for fills in (False, True):
                name = f"turned by {abs(degrees):g}°{', enlarged until it fills the frame' if fills else ''}"
                zoom = filling(degrees, FULL) if fills else 1.0
                self.case(name, self.again(with_grey(turned(luma, degrees, zoom) for luma in some)))
        mirrored = with_grey(np.ascontiguousarray(luma[:, ::-1]) for luma in some)
        self.case("mirrored, 540p at 1 Mbit/s", self.again(mirrored, HALF_HD, bit_rate=1_000_000))

    def try_stills(self, film: Path, poster: bytes) -> None:
        shown = [planes[:FRAME_HEIGHT].copy() for planes in decoded(film)]
        stored = decoding.encode(decoding.decode(poster, long_edge=1280, pixels=8_000_000, formats=("JPEG",)))
        as_stored = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_GRAYSCALE)
        self.case("poster and preview as delivered", flattened([as_stored]))
        half = cv2.resize(as_stored, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        self.case("poster, half its size, JPEG 70", flattened([jpeg(half, 70)]))
        self.case("one frame, JPEG 70", flattened([jpeg(shown[len(shown) // 2], 70)]))

    def case(self, name: str, picture: np.ndarray) -> float:
        began = time.process_time()
        found = self.detector.detect(picture)
        self.cases[name].add(found, self.number)
        return time.process_time() - began

    def again(self, frames: Iterable[np.ndarray], size: tuple[int, int] = FULL, **options: Any) -> np.ndarray:
        """Return what is seen in frames after they were encoded again."""
        return flattened(lumas(encoded(frames, size, **options)))

    def search_without(self, film: Path) -> None:
        """Search a film of the studio without a watermark, its copy and its frames."""
        self.search(flattened(lumas(film)), "film")
        self.search(self.again(decoded(film), HALF_HD, bit_rate=1_000_000), "its copy")
        for number, planes in enumerate(decoded(film)):
            if number % 12 == 5:
                self.search(flattened([planes[:FRAME_HEIGHT]]), "frame")

    def search(self, picture: np.ndarray, what: str) -> None:
        if len(self.foreign.scores) < self.most_foreign:
            found = self.detector.detect(picture)
            self.foreign.add(found, None)
            if found.is_found:
                sys.stderr.write(f"FALSE ALARM {what}: {found}\n")

    def foreign_pictures(self) -> None:
        """Search what was made elsewhere: parts of photos, noise, films of other encoders."""
        dice = np.random.default_rng(1)
        for picture in foreign_films(dice):
            self.search(picture, "foreign film")
        photos = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(PHOTOS.glob("*.jpg"))]
        while len(self.foreign.scores) < self.most_foreign:
            luma = photos[dice.integers(len(photos))]
            high = int(dice.integers(luma.shape[0] // 4, luma.shape[0] + 1))
            wide = int(min(luma.shape[1], high * dice.uniform(0.5, 1.5)))
            top, left = dice.integers(luma.shape[0] - high + 1), dice.integers(luma.shape[1] - wide + 1)
            part = luma[top : top + high, left : left + wide]
            grain = dice.normal(0, dice.uniform(0, 12), part.shape)
            part = np.clip(part * dice.uniform(0.5, 1.4) + grain, 0, 255).astype(np.uint8)
            self.search(flattened([jpeg(part, int(dice.integers(40, 95)))]), "photo")

    def print(self) -> None:
        out = sys.stdout.write
        for name, values in self.costs.items():
            median, least, most = statistics.median(values), min(values), max(values)
            out(f"{name}: median {median:.3f}, {least:.3f} to {most:.3f}\n")
        out("| what was done to it | found | number read | wrong number | score, median | least |\n")
        for name, case in self.cases.items():
            count, median = len(case.scores), statistics.median(case.scores)
            out(f"| {name} | {case.found} of {count} | {case.read} | {case.wrong} | {median:.1f}")
            out(f" | {min(case.scores):.1f} |\n")
        scores = sorted(self.foreign.scores)
        if scores:
            out(f"without a watermark: {self.foreign.found} of {len(scores)} found, highest {scores[-5:]}\n")


class Timed(Embedder):
    """An embedder that counts the CPU that it takes of its thread."""

    seconds = 0.0

    def add(self, luma: np.ndarray) -> None:
        began = time.thread_time()
        super().add(luma)
        self.seconds += time.thread_time() - began


def foreign_films(dice: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield what is seen in films that no studio made: drifting noise, and a photo under drifting and still noise."""
    photo = cv2.resize(cv2.imread(str(PHOTOS / "astronaut.jpg"), cv2.IMREAD_GRAYSCALE), FULL)
    grain = dice.normal(0, 1, (FRAME_HEIGHT + 60, FRAME_WIDTH)).astype(np.float32)
    for codec in ("libx264", "libvpx-vp9"):
        for size in (FULL, HALF_HD):
            for ground, strength, moved in ((np.full_like(photo, 128), 30, 1), (photo, 8, 1), (photo, 3, 0)):
                frames = (
                    np.clip(ground + strength * grain[at * moved : at * moved + FRAME_HEIGHT], 0, 255).astype(np.uint8)
                    for at in range(24)
                )
                yield flattened(lumas(encoded(with_grey(frames), size, codec=codec, bit_rate=1_500_000)))


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.mean((one.astype(np.float32) - other) ** 2))))


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Return the structural similarity of two planes (Wang et al. 2004, Gaussian window of 11)."""
    one, other = one.astype(np.float32), other.astype(np.float32)

    def mean(plane: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(plane, (11, 11), 1.5)

    mu, nu = mean(one), mean(other)
    first, second = mean(one * one) - mu * mu, mean(other * other) - nu * nu
    both = mean(one * other) - mu * nu
    brightness = (2 * mu * nu + 6.5025) / (mu * mu + nu * nu + 6.5025)
    return float((brightness * (2 * both + 58.5225) / (first + second + 58.5225)).mean())


if __name__ == "__main__":
    sys.exit(main())
