"""Renders a film from a photo's bytes into a folder, in a renderer process of the studio.

`python -m providers.studio.film.render PHOTO -o OUT.mp4` does it from a terminal.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from providers.faces.eyes import warm_up_eyes
from providers.faces.vision import warm_up_models
from providers.studio.errors import HOLOGRAM, Cancelled, NoFace, UnreadablePhoto
from providers.studio.film.city.city import City
from providers.studio.film.city.scenery import Scenery
from providers.studio.film.city.signs import hang_signs
from providers.studio.film.city.weather import warm_up_weather
from providers.studio.film.music.sound import VARIANTS, soundtrack
from providers.studio.film.person.photo import Photo, read_photo
from providers.studio.film.person.subject import analyse
from providers.studio.film.suit.armour import Armour
from providers.studio.film.suit.details import paint_details
from providers.studio.film.titles.disclosure import lay_disclosure, make_disclosure
from providers.types import Watermark
from providers.watermark.embed import Embedder

from .assets import load_armour, load_city
from .canvas import FRAME_HEIGHT, FRAME_WIDTH
from .encode import FilmWriter, encode_sound, film_title
from .hero import Hero
from .hologram import HologramDirector
from .looks import DEFAULT_LOOK, LOOKS, Look
from .memory import keep_freed_memory
from .shots import Director
from .variation import Variation

ShouldStop = Callable[[], bool]  # whether the render should stop

KEPT_LOOKS = 3  # whose city and suit stay in memory: some 40 MB each, of the 600 MB that a renderer may use
POSTER_QUALITY = 88
POSTER_PROGRESS = 0.10  # the poster's share of the progress; the frames have the rest


def never() -> bool:
    return False


@dataclass(frozen=True)
class Film:
    video: Path
    poster: Path
    seconds: float
    frames: int
    width: int
    height: int


class Renderer:
    """The warm state of a renderer process: models, scenery of the looks used last, sound of the looks used so far.

    There is one per process, with one render at a time: it sets OpenCV to a single thread for the whole process.
    """

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        keep_freed_memory()
        self._sets: OrderedDict[str, tuple[City, Armour]] = OrderedDict()  # the look used last at the end
        self._begun: tuple[str, Armour] | None = None  # what was loaded when the last loading was stopped
        self._sounds: dict[tuple[str, int], bytes] = {}

    def warm_up(self, looks: Iterable[str] = (), *, with_sounds: bool = True, should_stop: ShouldStop = never) -> None:
        """Load the models and the assets of the given looks, so that the first film is as fast as the others.

        Cities and suits are loaded while there is room for them: those of the first looks. Sounds are small, and
        all are made. Raise Cancelled when `should_stop` returns True; what was loaded before is kept.
        """
        warm_up_models()
        warm_up_eyes()
        _check_stop(should_stop)
        warm_up_weather()
        for slug in looks:
            if len(self._sets) < KEPT_LOOKS:
                self._load(slug, should_stop)
            for variant in range(VARIANTS if with_sounds else 0):
                self.sound(slug, variant, should_stop)

    def city(self, look: str) -> City:
        """Return the city of a look."""
        return self._load(look)[0]

    def armour(self, look: str) -> Armour:
        """Return the suit of a look, not yet fitted to a person."""
        return self._load(look)[1]

    def sound(self, look: str, variant: int, should_stop: ShouldStop = never) -> bytes:
        """Return a variant of a look's soundtrack, encoded as AAC in MP4; it is cached."""
        if (look, variant) not in self._sounds:
            _check_stop(should_stop)
            samples = soundtrack(_look(look).music, _look(look).timeline.cues, variant)
            _check_stop(should_stop)
            self._sounds[look, variant] = encode_sound(samples, lambda: _check_stop(should_stop))
        return self._sounds[look, variant]

    def direct(
        self,
        photo: Photo,
        *,
        look: str,
        hero_name: str,
        seed: str,
        faceless: str = "",
        should_stop: ShouldStop = never,
    ) -> Director | HologramDirector:
        """Prepare a film: find the hero, fit and light the suit, and build the street.

        With `faceless` set to HOLOGRAM a picture without a face becomes a hologram. Raise NoFace, or Cancelled
        when `should_stop`, which is called between all stages, returns True.
        """
        style, variation = _look(look), Variation.of(seed)
        self._load(look, should_stop)
        _check_stop(should_stop)
        try:
            subject = analyse(photo)
        except NoFace:
            if faceless != HOLOGRAM:
                raise
            return self._hologram(photo, style, variation, hero_name, should_stop)
        _check_stop(should_stop)
        armour = paint_details(self.armour(look), style, variation)
        _check_stop(should_stop)
        hero = Hero(subject, style, armour, variation, lambda: _check_stop(should_stop))
        _check_stop(should_stop)
        city = hang_signs(self.city(look), style, variation.dice("signs"))
        _check_stop(should_stop)
        return Director(subject, hero, Scenery(city, style, variation), style, variation, hero_name)

    def _hologram(
        self, photo: Photo, style: Look, variation: Variation, hero_name: str, should_stop: ShouldStop
    ) -> HologramDirector:
        _check_stop(should_stop)
        city = hang_signs(self.city(style.slug), style, variation.dice("signs"))
        _check_stop(should_stop)
        return HologramDirector(
            photo, Scenery(city, style, variation), style, variation, hero_name, style.timeline.cues
        )

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
        should_stop: ShouldStop,
        faceless: str = "",
        watermark: Watermark | None = None,
    ) -> Film:
        """Write `poster.jpg` and then `film.mp4` into `folder`, and return the film.

        Both say that a program made them: by a sign that people see, and by the watermark if there is one.

        `on_poster` is called as soon as the poster is written, `on_progress` with rising numbers from 0 to 1, and
        `should_stop` before every stage and every frame. Raise NoFace or UnreadablePhoto for an unusable photo,
        and Cancelled when `should_stop` returns True; after any exception neither file is left.
        """
        timeline = _look(look).timeline
        video, poster = folder / "film.mp4", folder / "poster.jpg"
        partial = folder / "film.mp4.part"
        embedder = Embedder(watermark) if watermark is not None else None
        sign = make_disclosure()
        try:
            _check_stop(should_stop)
            on_progress(0.0)
            picture = read_photo(photo)
            director = self.direct(
                picture, look=look, hero_name=hero_name, seed=seed, faceless=faceless, should_stop=should_stop
            )
            del picture
            _check_stop(should_stop)
            _write_poster(_with(sign, director.frame(timeline.poster_frame)), poster, embedder)
            on_poster(poster)
            on_progress(POSTER_PROGRESS)
            _check_stop(should_stop)
            sound = self.sound(look, Variation.of(seed).dice("music").randrange(VARIANTS), should_stop)
            with FilmWriter(partial, sound, embedder, title=film_title(hero_name)) as writer:
                for number in range(timeline.frame_count):
                    _check_stop(should_stop)
                    writer.add(_with(sign, director.frame(number)))
                    on_progress(POSTER_PROGRESS + (0.99 - POSTER_PROGRESS) * (number + 1) / timeline.frame_count)
            _check_stop(should_stop)
            partial.replace(video)
        except BaseException:
            for path in (partial, video, poster):
                path.unlink(missing_ok=True)
            raise
        on_progress(1.0)
        return Film(video, poster, timeline.seconds, timeline.frame_count, FRAME_WIDTH, FRAME_HEIGHT)

    def _load(self, slug: str, should_stop: ShouldStop = never) -> tuple[City, Armour]:
        """Return a look's city and suit, loaded where needed; the look that was used longest ago makes room."""
        look = _look(slug)
        if slug not in self._sets:
            _check_stop(should_stop)
            if self._begun is None or self._begun[0] != slug:
                self._begun = slug, load_armour(look)
            armour = self._begun[1]
            _check_stop(should_stop)
            city = load_city(look)
            self._begun = None
            while len(self._sets) >= KEPT_LOOKS:
                self._sets.popitem(last=False)
            self._sets[slug] = city, armour
        self._sets.move_to_end(slug)
        return self._sets[slug]


def _look(slug: str) -> Look:
    if slug not in LOOKS:
        raise ValueError(f"unknown look: {slug}")
    return LOOKS[slug]


def _check_stop(should_stop: ShouldStop) -> None:
    if should_stop():
        raise Cancelled


def _with(sign: np.ndarray, frame: np.ndarray) -> np.ndarray:
    lay_disclosure(frame, sign)
    return frame


def _write_poster(frame: np.ndarray, path: Path, embedder: Embedder | None) -> None:
    picture = np.ascontiguousarray(frame[..., :3])
    if embedder is not None:
        picture = embedder.added_to(picture)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, POSTER_QUALITY])
    partial = path.with_suffix(".part")
    partial.write_bytes(data.tobytes())
    partial.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m providers.studio.film.render", description="Make one film.")
    parser.add_argument("photo", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the film; its poster goes beside it as .jpg")
    parser.add_argument("--look", choices=list(LOOKS), default=DEFAULT_LOOK)
    parser.add_argument("--name", default="", help="the hero's name")
    parser.add_argument("--seed", default="studio", help="varies the film")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            film = Renderer().render(
                arguments.photo.read_bytes(),
                look=arguments.look,
                hero_name=arguments.name,
                seed=arguments.seed,
                folder=Path(folder),
                on_progress=lambda progress: print(f"\r{progress:4.0%}", end="", file=sys.stderr, flush=True),  # noqa: T201
                on_poster=lambda poster: None,
                should_stop=never,
            )
            shutil.move(film.video, arguments.output)
            shutil.move(film.poster, arguments.output.with_suffix(".jpg"))
    except NoFace:
        sys.stderr.write(f"Nobody's face was found in {arguments.photo}. Try a photo from the front, in good light.\n")
        return 1
    except (UnreadablePhoto, OSError) as error:
        sys.stderr.write(f"{arguments.photo}: {error}\n")
        return 1
    sys.stderr.write(f"\r{arguments.output}: {film.width}x{film.height}, {film.seconds} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
