"""The process in which strangers' files are opened: `python -m jobs.labels.child SETTINGS`.

It reads their labels, and decodes their frames for the search for a watermark. It knows no key: what is searched goes
to another process (`watermark_child`), which opens no files.
"""

import sys
from typing import Any

from jobs.sandbox.child import Work, serve
from jobs.sandbox.wire import Frame, Kind


def load(options: dict[str, Any]) -> Work:
    """Return the work on one file; `options` are `anchors` and `organisations`."""
    import av.logging
    import av.subtitles.stream  # what is loaded on first use: a confined process can load no more
    import cv2
    import numpy.ma  # noqa: F401
    from PIL import Image

    from .manifest_reader import Reader
    from .pictures import NoPicture, flat_picture

    cv2.setNumThreads(1)
    av.logging.set_level(None)
    Image.init()
    reader = Reader(options["anchors"], options["organisations"])
    reader.read(b"\xff\xd8\xff\xd9", "image/jpeg")

    def label(order: Frame) -> Frame:
        return Frame(Kind.DONE, reader.read(order.body, order.header["kind"]))

    def picture(order: Frame) -> Frame:
        try:
            flat = flat_picture(order.body, order.header["kind"])
        except NoPicture as reason:
            return Frame(Kind.REFUSED, {"detail": str(reason)})
        return Frame(Kind.DONE, {"height": flat.shape[0]}, flat.astype("<f2").tobytes())

    works = {"label": label, "picture": picture}

    def work(order: Frame) -> Frame:
        return works[order.header["work"]](order)

    return work


if __name__ == "__main__":
    serve(sys.argv[1], load)
