"""The work on one film: check that browsers can play it, and make a poster. Runs in the sandbox's child."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from jobs.photos.decoding import encode

from .outcomes import (
    CODECS,
    LEAST_EDGE,
    LEAST_SECONDS,
    MOST_EDGE,
    MOST_PIXELS,
    MOST_SECONDS,
    PIXEL_FORMATS,
    POSTER_EDGE,
    BadFilm,
    FilmFacts,
)

POSTER_AT = 0.9  # share of the film: a hero walks out at its end
MOST_PACKETS = 20_000  # a minute at 240 pictures a second, and some
MOST_STREAMS = 8
# A file may be wrong about its length by the last picture, not by more.
LENGTH_TOLERANCE = 1.0

_TURNED = {
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
}


@dataclass(frozen=True)
class _Pictures:
    """A film's length, its first packet, and the packet of the key frame for the poster."""

    seconds: float
    first: av.Packet
    late: av.Packet


def probe(path: str, *, with_poster: bool) -> FilmFacts:
    """Probe the film at a path. Raise OSError when there is no such file, which is not the film's fault."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return probe_open(descriptor, with_poster=with_poster)
    finally:
        os.close(descriptor)


def probe_open(descriptor: int, *, with_poster: bool) -> FilmFacts:
    """Read an open film to its end and decode pictures of it. Raise BadFilm when people could not watch it."""
    os.lseek(descriptor, 0, os.SEEK_SET)  # another child may have read of it already
    try:
        with _opened(descriptor) as container:
            stream = _only_video(container)
            _check_kind(stream)
            declared = _declared_seconds(container, stream)
            _check_seconds(declared)
            pictures = _read(container, stream)
            _check_seconds(pictures.seconds)
            if abs(declared - pictures.seconds) > LENGTH_TOLERANCE:
                raise BadFilm(f"{pictures.seconds:.1f} s of film in a file that says {declared:.1f} s")
            # One picture is decoded, which takes longer than all the rest: the one that people will see, if there is.
            frame = _decoded(stream, pictures.late if with_poster else pictures.first)
            poster = _poster(frame) if with_poster else b""
            width, height = stream.width, stream.height
            if frame.rotation in (90, -90):
                width, height = height, width
            return FilmFacts(width, height, pictures.seconds, stream.codec_context.name, poster)
    except BadFilm:
        raise
    except (av.error.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise BadFilm(f"{type(error).__name__}: {error}"[:200]) from error


def _opened(descriptor: int) -> InputContainer:
    """Open a film by a descriptor, so that a file that names other files or addresses cannot make us open them."""
    options = {"fd": str(descriptor), "protocol_whitelist": "fd", "analyzeduration": "1"}
    # FFmpeg decodes pictures of every stream to learn what the index says already: two thirds of a probe's CPU.
    nothing_decoded: Any = [{"skip_frame": "all"}] * MOST_STREAMS  # PyAV declares texts and takes dictionaries
    return av.open("fd:", format="mp4", options=options, stream_options=nothing_decoded, metadata_errors="replace")


def _only_video(container: InputContainer) -> VideoStream:
    if len(container.streams) > MOST_STREAMS:
        raise BadFilm(f"{len(container.streams)} streams in it")
    streams = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if len(streams) != 1:
        raise BadFilm(f"{len(streams)} streams of pictures in it")
    return streams[0]


def _check_kind(stream: VideoStream) -> None:
    codec = stream.codec_context
    if codec is None or codec.name not in CODECS:
        raise BadFilm(f"a codec not all browsers play: {codec.name if codec is not None else 'unknown'}")
    _check_size(stream.width, stream.height)
    codec.thread_count = 1
    codec.options = {"max_pixels": str(MOST_PIXELS)}


def _check_size(width: int, height: int) -> None:
    is_sane = min(width, height) >= LEAST_EDGE and max(width, height) <= MOST_EDGE and width * height <= MOST_PIXELS
    if not is_sane:
        raise BadFilm(f"{width}×{height} pixels")


def _check_seconds(seconds: float) -> None:
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise BadFilm(f"{seconds:.1f} s long")


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return float((container.duration or 0) / av.time_base)


def _read(container: InputContainer, stream: VideoStream) -> _Pictures:
    """Read every packet of the pictures, because what the index lists has to be in the file."""
    first: av.Packet | None = None
    keys: list[tuple[int, av.Packet]] = []
    start, end, count = None, 0, 0
    for packet in container.demux(stream):
        if packet.size == 0 or packet.pts is None:
            continue  # the end, or nothing to show
        count += 1
        if packet.is_corrupt or count > MOST_PACKETS:
            raise BadFilm("damaged" if packet.is_corrupt else "more pictures than a film has")
        first = first or packet
        if packet.is_keyframe:
            keys.append((packet.pts, packet))
        start = packet.pts if start is None else min(start, packet.pts)
        end = max(end, packet.pts + (packet.duration or 0))
    if start is None or not keys or keys[0][1] is not first:
        raise BadFilm("no picture to begin with")
    assert stream.time_base is not None  # a stream that has pictures with times has their unit
    poster_at = start + (end - start) * POSTER_AT
    late = [packet for pts, packet in keys if pts <= poster_at]
    return _Pictures(float((end - start) * stream.time_base), first, late[-1] if late else first)


def _decoded(stream: VideoStream, packet: av.Packet) -> VideoFrame:
    """Return the picture that a packet alone decodes to."""
    codec = stream.codec_context
    frames = [*codec.decode(packet), *codec.decode(None)]
    if not frames or frames[0].is_corrupt:
        raise BadFilm("no picture could be decoded")
    if frames[0].format.name not in PIXEL_FORMATS:
        raise BadFilm(f"a pixel format not all browsers play: {frames[0].format.name}")
    _check_size(frames[0].width, frames[0].height)
    return frames[0]


def _poster(frame: VideoFrame) -> bytes:
    scale = min(1.0, POSTER_EDGE / max(frame.width, frame.height))
    width, height = (max(1, round(edge * scale)) for edge in (frame.width, frame.height))
    # By NumPy: PyAV's own way to an image copies it line by line, in three times what the conversion takes.
    picture = Image.fromarray(frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="BILINEAR"))
    if frame.rotation in _TURNED:
        picture = picture.transpose(_TURNED[frame.rotation])
    return encode(picture)
