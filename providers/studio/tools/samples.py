"""The pictures of the site: the plain photo, each look on it, and each look as a film that loops.

`python -m providers.studio.tools.samples tests/photos/astronaut.jpg -o static`

All show the face at the same place, so that a page can wipe from one to the other. They have no HUD and no title, and
are small, because the start page loads them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from providers.studio.film.canvas import (
    FRAME_HEIGHT,
    FRAME_WIDTH,
    FRAMES_PER_SECOND,
    PLATE_HEIGHT,
    PLATE_WIDTH,
    camera,
    to_unit,
    wide_blur,
)
from providers.studio.film.city.scenery import Scenery
from providers.studio.film.city.signs import hang_signs
from providers.studio.film.city.weather import make_falls
from providers.studio.film.hero import Hero, Pose
from providers.studio.film.looks import LOOKS, Look
from providers.studio.film.person.photo import read_photo
from providers.studio.film.person.relief import Gesture
from providers.studio.film.person.subject import Subject, analyse, place, warp_photo
from providers.studio.film.render import Renderer
from providers.studio.film.suit.details import paint_details
from providers.studio.film.variation import Variation

SIZE = (540, 960)  # px
SEED = "samples"
LOOP_FRAMES = 88
LOOP_SECONDS = LOOP_FRAMES / FRAMES_PER_SECOND
LOOP_STARTS = 2.762  # s: the visor's reflection is beside the glass then, and when the loop ends
STILL = 30  # the loop's frame that becomes the picture
ZOOM = 1.04
BEFORE_LIMIT, LOOK_LIMIT = 47_000, 57_000  # bytes
WEBP_QUALITY, LOOP_CRF = 62, 33


class Sample:
    """One look on one photo, without HUD, in a camera that comes back to where it was."""

    def __init__(self, renderer: Renderer, subject: Subject, look: Look) -> None:
        variation = Variation.of(SEED)
        # Whole rounds in the loop's time, so that no car jumps.
        rounds = tuple(replace(car, speed=1 / (0.33 * LOOP_SECONDS)) for car in variation.cars)
        variation = replace(variation, cars=rounds, lightning=(), weather="rain", lens_side=1)
        city = hang_signs(renderer.city(look.slug), look, variation.dice("signs"))
        armour = paint_details(renderer.armour(look.slug), look, variation)
        self._hero = Hero(subject, look, armour, variation)
        self._scenery = Scenery(city, look, variation)
        self._behind, self._before = make_falls(look, variation)

    def frame(self, number: int) -> np.ndarray:
        """Return a frame of the loop, BGR, at the site's size."""
        seconds = LOOP_STARTS + number / FRAMES_PER_SECOND
        turn = 2 * np.pi * number / LOOP_FRAMES
        picture = np.empty((FRAME_HEIGHT, FRAME_WIDTH, 4), np.uint8)
        self._scenery.draw(seconds, ZOOM + 0.03 + 0.02 * np.sin(turn), 0, 0, picture)
        self._behind.fall(picture, seconds)
        pose = Pose(
            seconds,
            left=0.95 + 0.10 * np.sin(3 * turn),
            right=0.95 + 0.10 * np.sin(2 * turn + 1),
            gesture=Gesture(
                yaw=3.4 * np.sin(turn),
                pitch=-0.8 * np.sin(turn),
                breath=np.sin(2 * turn),
                gaze_x=-3.0 * np.sin(turn),
                gust=0.6,
                wind=turn,
            ),
        )
        self._hero.draw(still_camera(), pose, picture)
        self._scenery.bloom(picture)
        self._before.fall(picture, seconds)
        return cv2.resize(picture[..., :3], SIZE, interpolation=cv2.INTER_AREA)


def still_camera() -> np.ndarray:
    """The plate -> frame matrix of all samples."""
    return camera(ZOOM, PLATE_WIDTH / 2, PLATE_HEIGHT / 2)


def before(subject: Subject) -> np.ndarray:
    """Return the plain photo where the hero stands, BGR, at the site's size; beyond its edges it goes on, blurred."""
    placement, size = place(subject), (PLATE_WIDTH, PLATE_HEIGHT)
    plate = warp_photo(subject.photo.pixels, placement.matrix, placement.scale)
    inside = cv2.warpAffine(np.full(subject.photo.pixels.shape[:2], 255, np.uint8), placement.matrix, size)
    inside = to_unit(cv2.blur(cv2.erode(inside, np.ones((25, 25), np.uint8)), (25, 25)))[..., None]
    plate = plate * inside + wide_blur(plate, 64, 8) * (1 - inside)
    shown = cv2.warpAffine(plate.astype(np.uint8), still_camera(), (FRAME_WIDTH, FRAME_HEIGHT))
    return cv2.resize(shown, SIZE, interpolation=cv2.INTER_AREA)


def make_samples(photo: bytes, folder: Path) -> dict[str, int]:
    """Write all samples below `folder` (`img`, `films`); return their sizes in bytes."""
    renderer, subject = Renderer(), analyse(read_photo(photo))
    pictures, films = folder / "img", folder / "films"
    for path in (pictures, films):
        path.mkdir(parents=True, exist_ok=True)
    plain = before(subject)
    _write_jpeg(pictures / "before.jpg", plain, BEFORE_LIMIT)
    cv2.imwrite(str(pictures / "before.webp"), plain, [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY])
    made = [pictures / "before.jpg", pictures / "before.webp"]
    for slug, look in LOOKS.items():
        sample = Sample(renderer, subject, look)
        frames = [sample.frame(number) for number in range(LOOP_FRAMES)]
        _write_jpeg(pictures / f"{slug}.jpg", frames[STILL], LOOK_LIMIT)
        _write_loop(films / f"{slug}-loop.mp4", frames)
        made += [pictures / f"{slug}.jpg", films / f"{slug}-loop.mp4"]
    return {str(path.relative_to(folder)): path.stat().st_size for path in made}


def _write_jpeg(path: Path, picture: np.ndarray, limit: int) -> None:
    """Write at the best quality that keeps the file small."""
    for quality in range(88, 40, -2):
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
        data = cv2.imencode(".jpg", picture, options)[1].tobytes()
        if len(data) <= limit:
            break
    path.write_bytes(data)


def _write_loop(path: Path, frames: list[np.ndarray]) -> None:
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.time_base = Fraction(1, FRAMES_PER_SECOND)
        stream.options = {"preset": "slower", "crf": str(LOOP_CRF), "x264-params": "log-level=error"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m providers.studio.tools.samples", description=__doc__.splitlines()[0]
    )
    parser.add_argument("photo", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the folder that holds img and films")
    arguments = parser.parse_args()
    for name, size in make_samples(arguments.photo.read_bytes(), arguments.output).items():
        sys.stdout.write(f"{size / 1000:6.0f} kB  {name}\n")


if __name__ == "__main__":
    main()
