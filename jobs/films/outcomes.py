"""The outcomes for a film's file: its facts, or BadFilm."""

from dataclasses import dataclass

LEAST_SECONDS, MOST_SECONDS = 0.5, 60.0
LEAST_EDGE, MOST_EDGE = 16, 4096
MOST_PIXELS = 4096 * 2304  # upright or not; a decoder keeps up to 17 such pictures
POSTER_EDGE = 1280
CODECS = frozenset({"h264"})
PIXEL_FORMATS = frozenset({"yuv420p", "yuvj420p"})


class BadFilm(ValueError):
    """The file is not a film that people could watch."""


class BadPoster(ValueError):
    """The file is not a picture that can be shown."""


@dataclass(frozen=True, slots=True)
class FilmFacts:
    """Width and height in pixels as it is shown, length in seconds, and a JPEG from the film if one was asked for."""

    width: int
    height: int
    seconds: float
    codec: str
    poster: bytes
