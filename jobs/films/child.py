"""The process in which films and their posters are opened: `python -m jobs.films.child SETTINGS`."""

import sys
from typing import Any

from jobs.photos.outcomes import BadPhoto
from jobs.sandbox.child import Work, serve
from jobs.sandbox.wire import Frame, Kind

from .outcomes import POSTER_EDGE, BadFilm


def load(options: dict[str, Any]) -> Work:
    """Return the work on one film or poster; `options` are `poster_pixels` and `poster_formats`."""
    import av.logging
    import av.subtitles.stream  # what is loaded on first use: a confined process can load no more
    import numpy.ma  # noqa: F401
    from PIL import Image

    from jobs.photos import decoding

    from . import probe

    av.logging.set_level(None)
    Image.init()

    def film(order: Frame) -> Frame:
        assert order.file is not None  # every order of a film brings its file
        facts = probe.probe_open(order.file, with_poster=order.header["with_poster"])
        header = {"width": facts.width, "height": facts.height, "seconds": facts.seconds, "codec": facts.codec}
        return Frame(Kind.DONE, header, facts.poster)

    def poster(order: Frame) -> Frame:
        pixels, formats = options["poster_pixels"], options["poster_formats"]
        picture = decoding.decode(order.body, long_edge=POSTER_EDGE, pixels=pixels, formats=formats)
        return Frame(Kind.DONE, {}, decoding.encode(picture))

    works = {"film": film, "poster": poster}

    def work(order: Frame) -> Frame:
        try:
            return works[order.header["work"]](order)
        except (BadFilm, BadPhoto) as bad:
            return Frame(Kind.REFUSED, {"detail": str(bad)[:500]})

    return work


if __name__ == "__main__":
    serve(sys.argv[1], load)
