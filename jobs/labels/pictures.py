"""The frames of strangers' films and stills, for the search for a watermark. Runs in the sandbox's child."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame

from jobs.photos import decoding
from jobs.photos.outcomes import BadPhoto
from providers.watermark.detect import flattened

FILM = "video/mp4"
CODECS = frozenset({"h264", "hevc", "vp9"})
PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})  # the luma comes first
MOST_PIXELS = 4096 * 2304
MOST_STILL_PIXELS = 40_000_000
STILL_EDGE = 1920  # twice what the search needs of an upright picture, and all of a phone's screen
MOST_FRAMES = 150  # a film of the studio has 138
# Films of others may be larger and longer: the frames that this much CPU allows are enough to look at.
ENOUGH_CPU_SECONDS = 1.8


class NoPicture(Exception):
    """The file shows nothing that can be searched."""


def flat_picture(data: bytes, kind: str) -> np.ndarray:
    """Return what a film or a still is searched by (`providers.watermark.detect.flattened`). Raise NoPicture."""
    try:
        return flattened(_of_film(data) if kind == FILM else _of_still(data))
    except (ValueError, BadPhoto, av.error.FFmpegError) as error:
        raise NoPicture(f"{type(error).__name__}: {error}"[:200]) from error


def _of_still(data: bytes) -> Iterator[np.ndarray]:
    picture = decoding.decode(data, long_edge=STILL_EDGE, pixels=MOST_STILL_PIXELS, formats=("JPEG", "MPO"))
    yield np.asarray(picture.convert("L"))


def _of_film(data: bytes) -> Iterator[np.ndarray]:
    enough = time.process_time() + ENOUGH_CPU_SECONDS
    # Nothing that the file names is opened: a film in memory has no place of its own to start from.
    options = {"protocol_whitelist": "", "analyzeduration": "1"}
    with av.open(io.BytesIO(data), format="mp4", options=options, metadata_errors="replace") as container:
        if not container.streams.video:
            raise NoPicture("no pictures in it")
        stream = container.streams.video[0]
        codec = stream.codec_context
        if codec is None or codec.name not in CODECS or codec.width * codec.height > MOST_PIXELS:
            raise NoPicture("no film that is known here")
        codec.thread_count = 1
        codec.options = {"max_pixels": str(MOST_PIXELS)}
        assert isinstance(container, InputContainer)  # opened to be read
        for number, frame in enumerate(container.decode(stream)):
            yield _luma(frame)
            if number + 1 >= MOST_FRAMES or time.process_time() > enough:
                return


def _luma(frame: VideoFrame) -> np.ndarray:
    luma: np.ndarray
    if frame.format.name in PLANAR:
        plane = frame.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    else:
        luma = frame.to_ndarray(format="gray")
    return np.ascontiguousarray(np.rot90(luma, frame.rotation // 90)) if frame.rotation else luma
