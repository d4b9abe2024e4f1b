"""Films of every kind that a provider might send, made here, and ways to spoil them."""

import io
import struct
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.logging
import numpy

av.logging.set_level(None)


def film(
    *,
    seconds: float = 1.0,
    size: tuple[int, int] = (64, 48),
    rate: int = 8,
    codec: str = "h264",
    pixels: str = "yuv420p",
    pictures: int = 1,
    sound: str = "",
    container: str = "mp4",
    muxing: dict[str, str] | None = None,
    coding: dict[str, str] | None = None,
    noisy: bool = False,
) -> bytes:
    """Return a real film; `pictures` is the number of streams with pictures in it."""
    draw = _noise if noisy else _picture
    with tempfile.NamedTemporaryFile() as file:  # the index can be moved to the front of a file only
        with av.open(file.name, "w", format=container, options=muxing or {}) as output:
            _fill(output, seconds, size, rate, codec, pixels, pictures, sound, coding or {}, draw)
        return Path(file.name).read_bytes()


def _fill(
    output,
    seconds: float,
    size: tuple[int, int],
    rate: int,
    codec: str,
    pixels: str,
    pictures: int,
    sound: str,
    coding: dict[str, str],
    draw: Callable[[int, tuple[int, int]], av.VideoFrame],
) -> None:
    streams = [output.add_stream(codec, rate=rate, options=coding) for _ in range(pictures)]
    for stream in streams:
        stream.width, stream.height, stream.pix_fmt = *size, pixels
    track = output.add_stream(sound, rate=48000, layout="mono") if sound else None
    for number in range(round(seconds * rate)):
        for stream in streams:
            output.mux(stream.encode(draw(number, size)))
    if track is not None:
        output.mux(_silence(track, seconds))
        output.mux(track.encode())
    for stream in streams:
        output.mux(stream.encode())


def sound_alone() -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        track = output.add_stream("aac", rate=48000, layout="mono")
        output.mux(_silence(track, 1.0))
        output.mux(track.encode())
    return buffer.getvalue()


def index_first(**choices) -> bytes:
    return film(muxing={"movflags": "faststart"}, **choices)


def in_fragments(**choices) -> bytes:
    return film(muxing={"movflags": "frag_keyframe+empty_moov+default_base_moof"}, **choices)


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each box."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        length, name = struct.unpack_from(">I4s", data, start)
        yield name, start, start + length
        start += length


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def inside(data: bytes, *path: bytes) -> tuple[int, int]:
    """Return where the content of a box lies, by the names that lead to it."""
    start, end = 0, len(data)
    for name in path:
        start, end = next((first + 8, last) for found, first, last in boxes(data, start, end) if found == name)
    return start, end


def first_picture(data: bytes) -> tuple[int, int]:
    """Return where the bytes of the first picture lie."""
    with av.open(io.BytesIO(data)) as container:
        packet = next(container.demux(video=0))
        return packet.pos, packet.pos + packet.size


def patched(data: bytes, path: list[bytes], offset: int, content: bytes) -> bytes:
    """Return a film in which some bytes of a box are others."""
    start, _ = inside(data, *path)
    return data[: start + offset] + content + data[start + offset + len(content) :]


def turned(data: bytes) -> bytes:
    """Return a film whose header says that it was filmed with the camera on its side (a quarter to the right)."""
    # The nine numbers of a track's matrix, ISO/IEC 14496-12, 8.3.2.
    return patched(
        data, [b"moov", b"trak", b"tkhd"], 40, struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    )


def _picture(number: int, size: tuple[int, int]) -> av.VideoFrame:
    """Return a picture with a bright upper left quarter."""
    width, height = size
    pixels = numpy.full((height, width, 3), number * 9 % 128, dtype=numpy.uint8)
    pixels[: height // 2, : width // 2] = 255
    return av.VideoFrame.from_ndarray(pixels, format="rgb24")


def _noise(number: int, size: tuple[int, int]) -> av.VideoFrame:
    """Return a picture that takes many bytes."""
    chance = numpy.random.default_rng(number)
    return av.VideoFrame.from_ndarray(chance.integers(0, 256, (size[1], size[0], 3), dtype=numpy.uint8), format="rgb24")


def _silence(track, seconds: float) -> list[av.Packet]:
    packets = []
    for start in range(0, int(48000 * seconds), 960):
        frame = av.AudioFrame.from_ndarray(numpy.zeros((1, 960), dtype=numpy.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, start
        packets += track.encode(frame)
    return packets
