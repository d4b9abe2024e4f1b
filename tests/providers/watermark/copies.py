"""What people and their messengers make of films and stills."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

QUICK = {"preset": "veryfast", "threads": "1", "x264-params": "log-level=error"}
QUICK_VP9 = {"deadline": "realtime", "cpu-used": "8", "threads": "1"}
CONTAINERS = {"libx264": "mp4", "libvpx-vp9": "webm"}


def decoded(film: Path | io.BytesIO) -> Iterator[np.ndarray]:
    """Yield the planes of a film's frames, as 4:2:0."""
    with av.open(film if isinstance(film, io.BytesIO) else str(film)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="yuv420p")


def lumas(film: Path | io.BytesIO) -> Iterator[np.ndarray]:
    for planes in decoded(film):
        yield planes[: planes.shape[0] * 2 // 3]


def with_grey(lumas: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield planes of 4:2:0 without colour."""
    for luma in lumas:
        yield np.vstack([luma, np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)])


def encoded(
    frames: Iterable[np.ndarray], size: tuple[int, int], *, codec: str = "libx264", bit_rate: int = 0
) -> io.BytesIO:
    """Return frames (planes of 4:2:0) as a film of this size, at a bit rate or at x264's quality 23."""
    out = io.BytesIO()
    options = QUICK if codec == "libx264" else QUICK_VP9
    with av.open(out, "w", format=CONTAINERS[codec]) as film:
        stream: Any = film.add_stream(codec, rate=24, options=options | ({} if bit_rate else {"crf": "23"}))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if bit_rate:
            stream.bit_rate = bit_rate
        for planes in frames:
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            if (frame.width, frame.height) != size:
                frame = frame.reformat(*size, "yuv420p", interpolation="BICUBIC")
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    out.seek(0)
    return out


def turned(luma: np.ndarray, degrees: float, zoom: float = 1.0) -> np.ndarray:
    """Return a frame turned about its middle and enlarged, with black where nothing is."""
    height, width = luma.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    return cv2.warpAffine(luma, matrix, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=16)


def filling(degrees: float, size: tuple[int, int]) -> float:
    """Return by how much an upright frame turned so has to be enlarged to have no empty corners."""
    turn = np.radians(abs(degrees))
    return float(np.cos(turn) + np.sin(turn) * size[1] / size[0])


def jpeg(luma: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
