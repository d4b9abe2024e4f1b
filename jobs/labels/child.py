"""The process in which strangers' files are read for labels: `python -m jobs.labels.child SETTINGS`."""

import sys
from typing import Any

from jobs.sandbox.child import Work, serve
from jobs.sandbox.wire import Frame, Kind


def load(options: dict[str, Any]) -> Work:
    """Return the work on one file; `options` are `anchors` and `organisations`."""
    from .manifest_reader import Reader

    reader = Reader(options["anchors"], options["organisations"])
    reader.read(b"\xff\xd8\xff\xd9", "image/jpeg")  # what is loaded on first use: a confined process can load no more

    def work(order: Frame) -> Frame:
        return Frame(Kind.DONE, reader.read(order.body, order.header["kind"]))

    return work


if __name__ == "__main__":
    serve(sys.argv[1], load)
