"""The process that searches pictures for a watermark: `python -m jobs.labels.watermark_child SETTINGS`.

The key comes with each order, over the pipe; command lines can be read by others on the machine. Files of strangers are
opened elsewhere (`child`), so that what breaks a decoder finds no key.
"""

import sys
from typing import Any

from jobs.sandbox.child import Work, serve
from jobs.sandbox.wire import Frame, Kind


def load(options: dict[str, Any]) -> Work:
    """Return the work on one picture."""
    import cv2
    import numpy as np

    from providers.watermark.detect import Detector
    from providers.watermark.sizes import FLAT_WIDTH, KEY_BYTES

    cv2.setNumThreads(1)
    detectors: dict[bytes, Detector] = {}

    def work(order: Frame) -> Frame:
        key = bytes.fromhex(order.header["key"])
        picture = np.frombuffer(order.body, "<f2").reshape(-1, FLAT_WIDTH).astype(np.float32)
        detector = detectors.setdefault(key, Detector(key))
        found = detector.detect(np.nan_to_num(picture.clip(-4, 4)))
        return Frame(Kind.DONE, {"is_found": found.is_found, "number": found.number})

    # What is loaded on first use: a confined process can load no more.
    work(Frame(Kind.ORDER, {"key": bytes(KEY_BYTES).hex()}, bytes(2 * FLAT_WIDTH * FLAT_WIDTH)))
    detectors.clear()
    return work


if __name__ == "__main__":
    serve(sys.argv[1], load)
