"""The process in which photos are decoded: `python -m jobs.photos.child SETTINGS`."""

import sys
from typing import Any

from jobs.sandbox.child import Work, serve
from jobs.sandbox.wire import Frame, Kind

from .outcomes import BadPhoto
from .upright import FindFaces, IsFace


def load(options: dict[str, Any]) -> Work:
    """Return the work on one photo; `options` are `long_edge` and `pixels`."""
    from . import cleaning

    find_faces, is_face = cleaning.studio_detector(), cleaning.studio_check()
    warm(find_faces, is_face)

    def clean(order: Frame) -> Frame:
        try:
            photo = cleaning.clean(
                order.body,
                find_faces=find_faces,
                is_face=is_face,
                allow_no_face=order.header.get("allow_no_face") is True,
                at=order.header.get("at"),
                **options,
            )
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


def warm(find_faces: FindFaces, is_face: IsFace) -> None:
    """Load what is loaded on first use: models, kernels, encoder."""
    import cv2
    import numpy as np
    import numpy.ma  # a confined process can load no more
    from PIL import Image

    from providers.faces.vision import Face

    cv2.setNumThreads(1)
    Image.init()
    grey = np.full((256, 192, 3), 128, np.uint8)
    find_faces(grey)
    is_face(grey, Face(64, 64, 64, 64, 1.0, keypoints=((80, 80), (112, 80))))


if __name__ == "__main__":
    serve(sys.argv[1], load)
