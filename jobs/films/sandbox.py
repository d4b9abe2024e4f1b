"""Films and posters, opened in a child process of its own (`jobs.sandbox`).

    facts = sandbox.probe(path, with_poster=True)
    jpeg = sandbox.poster(data)

A file that ends the child, or uses up its CPU, is a bad one. No answer in time is a delay of ours and says nothing
about the file: SandboxUnavailable.
"""

import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from jobs.photos import upload_checks
from jobs.photos.outcomes import BadPhoto
from jobs.photos.sandbox import size_of_bare_jpeg
from jobs.sandbox import parent
from jobs.sandbox.parent import OrderFailed, SandboxUnavailable
from jobs.sandbox.wire import BadFrame, Frame, Kind

from . import boxes
from .outcomes import CODECS, MOST_EDGE, MOST_SECONDS, POSTER_EDGE, BadFilm, BadPoster, FilmFacts

__all__ = ["FilmSandbox", "SandboxUnavailable", "shared_sandbox"]

POSTER_LIMITS = upload_checks.Limits(bytes=5 * 2**20, pixels=8_000_000, shorter_edge=16)
POSTER_FORMATS = ("JPEG", "PNG", "WEBP")


class FilmSandbox(parent.Sandbox):
    """Probes films and decodes posters. Safe to use from several threads, one file at a time."""

    def __init__(
        self,
        *,
        cpu_seconds: int = 3,
        memory_bytes: int = 512 * 2**20,
        files_per_child: int = 1000,
        start_seconds: float = 12,
        module: str = "jobs.films.child",
    ) -> None:
        super().__init__(
            module,
            name="films",
            cpu_seconds=cpu_seconds,
            memory_bytes=memory_bytes,
            orders_per_child=files_per_child,
            start_seconds=start_seconds,
            poster_pixels=POSTER_LIMITS.pixels,
            poster_formats=POSTER_FORMATS,
        )

    def probe(
        self, path: Path, *, with_poster: bool = True, wall_seconds: float = 8, queue_seconds: float = 20
    ) -> FilmFacts:
        """Return what a film is. Raise BadFilm for one that people could not watch."""
        boxes.inspect(path)
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        order = Frame(Kind.ORDER, {"work": "film", "with_poster": with_poster}, file=file)
        try:
            result = self.ask(
                order,
                lambda answer: _film(answer, with_poster),
                wall_seconds=wall_seconds,
                queue_seconds=queue_seconds,
            )
        except OrderFailed as failed:
            raise BadFilm(str(failed)) from failed
        finally:
            os.close(file)
        if isinstance(result, BadFilm):
            raise result
        return result

    def poster(self, data: bytes, *, wall_seconds: float = 8, queue_seconds: float = 20) -> bytes:
        """Return a picture as a bare JPEG of at most 1280 pixels. Raise BadPoster for one that cannot be shown."""
        try:
            upload_checks.inspect(data, limits=POSTER_LIMITS)
        except BadPhoto as bad:
            raise BadPoster(str(bad)) from bad
        order = Frame(Kind.ORDER, {"work": "poster"}, data)
        try:
            result = self.ask(order, _poster, wall_seconds=wall_seconds, queue_seconds=queue_seconds)
        except OrderFailed as failed:
            raise BadPoster(str(failed)) from failed
        if isinstance(result, BadPoster):
            raise result
        return result


@lru_cache(maxsize=1)
def shared_sandbox() -> FilmSandbox:
    """Return the sandbox of this process: one child, however many lanes there are."""
    return FilmSandbox()


def _film(answer: Frame, with_poster: bool) -> FilmFacts | BadFilm:
    header = answer.header
    if answer.kind is Kind.REFUSED:
        return BadFilm(str(header.get("detail", ""))[:500])
    # Any: the child may be in somebody else's hands, so each is checked below.
    named: Any = header
    width, height, seconds, codec = (named.get(name) for name in ("width", "height", "seconds", "codec"))
    is_sound = (
        all(type(edge) is int and 0 < edge <= MOST_EDGE for edge in (width, height))
        and type(seconds) is float
        and math.isfinite(seconds)
        and 0 < seconds <= MOST_SECONDS
        and type(codec) is str
        and codec in CODECS
        and bool(answer.body) == with_poster
    )
    if not is_sound:
        raise BadFrame("an answer that is no film's facts")
    if with_poster:
        size_of_bare_jpeg(answer.body, long_edge=POSTER_EDGE)
    return FilmFacts(width, height, seconds, codec, answer.body)


def _poster(answer: Frame) -> bytes | BadPoster:
    if answer.kind is Kind.REFUSED:
        return BadPoster(str(answer.header.get("detail", ""))[:500])
    size_of_bare_jpeg(answer.body, long_edge=POSTER_EDGE)
    return answer.body
