"""What a film that came in really is, found by opening it, and a poster when none came with it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import av
import av.error

MIN_SECONDS, MAX_SECONDS = 0.5, 60.0
POSTER_AT = 0.9  # share of the film


class BadFilm(ValueError):
    """The file is not a film that people could watch."""


@dataclass(frozen=True)
class FilmFacts:
    """Width and height in pixels, length in seconds, and a JPEG from late in the film."""

    width: int
    height: int
    seconds: float
    codec: str
    poster: bytes


def probe(path: Path) -> FilmFacts:
    """Open a film and decode a picture of it. Raise BadFilm when that fails or it is no MP4 of sane length."""
    with path.open("rb") as film:
        if film.read(12)[4:8] != b"ftyp":
            raise BadFilm("not an MP4 file")
    try:
        with av.open(str(path), format="mp4") as container:
            if not container.streams.video:
                raise BadFilm("no pictures in it")
            stream = container.streams.video[0]
            seconds = _seconds(container, stream)
            if not MIN_SECONDS <= seconds <= MAX_SECONDS:
                raise BadFilm(f"{seconds:.1f} s long")
            container.seek(int(seconds * POSTER_AT * av.time_base))
            frame = next(container.decode(stream), None)
            if frame is None:
                container.seek(0)
                frame = next(container.decode(stream), None)
            if frame is None:
                raise BadFilm("no picture could be decoded")
            poster = io.BytesIO()
            frame.to_image().save(poster, "JPEG", quality=88)
            return FilmFacts(stream.width, stream.height, seconds, stream.codec_context.name, poster.getvalue())
    except (av.error.FFmpegError, StopIteration, OSError, ValueError) as error:
        if isinstance(error, BadFilm):
            raise
        raise BadFilm(f"{type(error).__name__}") from error


def _seconds(container, stream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float((container.duration or 0) / av.time_base)
