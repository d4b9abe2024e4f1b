"""The process in which photos are decoded: `python -m jobs.photos.child SETTINGS`."""

import sys
from typing import Any

from jobs.photos.outcomes import BadPhoto
from jobs.sandbox.child import Work, serve
from jobs.sandbox.wire import Frame, Kind


def load(options: dict[str, Any]) -> Work:
    """Return the work on one photo; `options` are `long_edge` and `pixels`."""
    from jobs.photos import cleaning

    find_faces = cleaning.studio_detector()
    warm(find_faces)

    def clean(order: Frame) -> Frame:
        try:
            photo = cleaning.clean(order.body, find_faces=find_faces, **options)
        except BadPhoto as bad:
            return Frame(Kind.REFUSED, {"code": bad.code, "detail": bad.detail})
        header = {
            "width": photo.width,
            "height": photo.height,
            "faces": photo.faces,
            "face": photo.face,
            "brightness": photo.brightness,
        }
        return Frame(Kind.DONE, header, photo.jpeg)

    return clean


def warm(find_faces) -> None:
    """Load what is loaded on first use: model, kernels, encoder."""
    import cv2
    import numpy as np
    from PIL import Image

    cv2.setNumThreads(1)
    Image.init()
    find_faces(np.full((256, 192, 3), 128, np.uint8))


if __name__ == "__main__":
    serve(sys.argv[1], load)
