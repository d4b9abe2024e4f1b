"""Whether the watermark is seen, and what it survives.

    python -m tests.bench.watermark [--look neon-noir …] [--photo astronaut.jpg …] [--foreign 1000]
    python -m tests.bench.watermark --seeds 5 --few --foreign 0

Films are drawn by the studio and written twice, with and without it. The copies with it are changed as people and
their messengers change films; the others, and pictures that never were here, are searched for it in vain.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import io
import itertools
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
from tests.providers.watermark.scenes import drawn_pictures

PHOTOS = Path(__file__).resolve().parents[1] / "photos"
PEOPLE = ("astronaut.jpg", "obama.jpg", "biden.jpg", "guido.jpg")
KEY = b"a key for measuring".ljust(32, b"\0")
FULL, HALF_HD, SMALL = (FRAME_WIDTH, FRAME_HEIGHT), (540, 960), (360, 640)
SIZES = (SMALL, HALF_HD, FULL, (640, 360), (480, 480), (432, 768))  # of films of others


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--look", nargs="*", choices=LOOKS, default=list(LOOKS))
    parser.add_argument("--photo", nargs="*", default=PEOPLE, help="of tests/photos")
    parser.add_argument("--seeds", type=int, default=1, help="films of each look and photo, drawn differently")
    parser.add_argument("--few", action="store_true", help="only as delivered and at 540p: for many films")
    parser.add_argument("--foreign", type=int, default=1000, help="films of others that are searched in vain")
    choices = parser.parse_args()
    cv2.setNumThreads(1)
    bench = Bench(choices.foreign, is_few=choices.few)
    renderer = Renderer()
    for look, person, seed in itertools.product(choices.look, choices.photo, range(choices.seeds)):
        bench.film(renderer, look, PHOTOS / person, seed)
    bench.foreign()
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
    def __init__(self, foreign: int, *, is_few: bool) -> None:
        self.cases: dict[str, Case] = defaultdict(Case)
        self.costs: dict[str, list[float]] = defaultdict(list)
        self.foreign_films, self.is_few = foreign, is_few
        self.without: dict[str, Case] = defaultdict(Case)
        self.detector, self.number, self.searched = Detector(KEY), 0x5E1F0000, 0

    def film(self, renderer: Renderer, look: str, photo: Path, seed: int) -> None:
        """Draw a film once, write it with and without the watermark, and try all changes."""
        self.number += 977
        embedder, spent = Timed(Watermark(KEY, self.number)), 0.0
        director = renderer.direct(
            read_photo(photo.read_bytes()), look=look, hero_name="NOVA-7", seed=f"{photo.stem} {seed}"
        )
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
            if not self.is_few:
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
        if self.is_few:
            return
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
        self.search(flattened(lumas(film)), "film of the studio")
        self.search(self.again(decoded(film), HALF_HD, bit_rate=1_000_000), "copy of it")
        for number, planes in enumerate(decoded(film)):
            if number % 12 == 5:
                self.search(flattened([planes[:FRAME_HEIGHT]]), "frame of it")

    def search(self, picture: np.ndarray, what: str) -> None:
        # Each time another key, as chance may please one and not the other.
        self.searched += 1
        found = Detector(hashlib.sha256(b"foreign %d" % self.searched).digest()).detect(picture)
        self.without[what].add(found, None)
        if found.is_found:
            sys.stderr.write(f"FALSE ALARM {what}: {found}\n")

    def foreign(self) -> None:
        """Search what was made elsewhere: drawn pictures, films of noise, and slow pans over parts of photos."""
        dice = np.random.default_rng(1)
        for name, luma in (*drawn_pictures().items(), *drawn_pictures(FULL).items()):
            self.search(flattened([luma]), name)
        for picture in films_of_noise(dice):
            self.search(picture, "film of noise")
        photos = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted(PHOTOS.glob("*.jpg"))]
        for _ in range(self.foreign_films):
            self.search(flattened(lumas(film_of(photos[dice.integers(len(photos))], dice))), "film of a photo")

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
        for name, case in self.without.items():
            out(f"without, {name}: {case.found} of {len(case.scores)} found, highest {max(case.scores):.1f}\n")


class Timed(Embedder):
    """An embedder that counts the CPU that it takes of its thread."""

    seconds = 0.0

    def add(self, luma: np.ndarray) -> None:
        began = time.thread_time()
        super().add(luma)
        self.seconds += time.thread_time() - began


def films_of_noise(dice: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield what is seen in films of drifting noise, and of a photo under drifting and still noise."""
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


def film_of(photo: np.ndarray, dice: np.random.Generator) -> io.BytesIO:
    """Return a film of half a second: a slow pan and zoom over a part of a photo, with grain, at a chance bit rate."""
    wide, high = SIZES[dice.integers(len(SIZES))]
    part = min(photo.shape[1] / wide, photo.shape[0] / high) * dice.uniform(0.4, 0.9)
    left, top = dice.uniform(0, photo.shape[1] - part * wide), dice.uniform(0, photo.shape[0] - part * high)
    drift, zoom = dice.uniform(-1.5, 1.5, 2), dice.uniform(0.998, 1.002)
    light, strength = dice.uniform(0.5, 1.3), dice.uniform(0, 8)
    grain = dice.normal(0, 1, (high, wide)).astype(np.float32) * strength

    def frames() -> Iterator[np.ndarray]:
        for number in range(12):
            scale = part * zoom**number
            shown = np.array([[scale, 0, left + drift[0] * number], [0, scale, top + drift[1] * number]], np.float32)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            frame = cv2.warpAffine(photo, shown, (wide, high), flags=flags, borderMode=cv2.BORDER_REFLECT)
            noise = np.roll(grain, tuple(dice.integers(0, 64, 2)), (0, 1))
            yield np.clip(frame * light + noise, 0, 255).astype(np.uint8)

    codec = ("libx264", "libvpx-vp9")[int(dice.random() < 0.2)]
    rate = int(dice.integers(300, 3000)) * 1000
    return encoded(with_grey(frames()), (wide, high), codec=codec, bit_rate=rate)


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
