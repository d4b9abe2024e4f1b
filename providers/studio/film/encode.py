"""Writes a film: H.264 in a thread of its own (PyAV releases the GIL), AAC sound, and the index at the front.

Through PyAV this process uses x264 (GPL-2.0-or-later); see NOTICE.md.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from providers.studio.film.music.loudness import SAMPLE_RATE
from providers.watermark.embed import Embedder

from .canvas import FRAME_HEIGHT, FRAME_WIDTH, FRAMES_PER_SECOND

# Two B-frames and CABAC on `ultrafast` cost 40 % less than `superfast` at crf 25, for films of the same size
# with 0.5 dB more PSNR. Adaptive quantisation would cost 1 dB, scene-cut detection 1 ms.
X264 = {
    "preset": "ultrafast",
    "crf": "26",
    "threads": "1",
    "x264-params": "keyint=48:bframes=2:b-adapt=0:cabac=1:deblock=1,0,0:8x8dct=1",
}
SOUND_BITS = 128_000  # a second
PRODUCT = "Selfie Hero"
DESCRIPTION = "A film by Selfie Hero, made from a photo by a program (AI)."
QUEUED_FRAMES = 4  # each 1.4 MB
AAC_FRAME = 1024  # samples

# OpenCV converts by BT.601, and players expect BT.709 of a film of this size. These turn the first into the second:
# Cb and Cr (rows, from columns) and what is added to the luma.
CHROMA_TO_709 = ((1.018640, 0.114618), (0.075049, 1.025327))
MIDDLE = 64  # stands for no change of luma while it is a byte without a sign
LUMA_TO_709 = (-0.115550, -0.207938)


def encode_sound(samples: np.ndarray, check_stop: Callable[[], None] = lambda: None) -> bytes:
    """Encode float32 stereo (2 x samples) as AAC in an MP4 container, in memory.

    `check_stop` is called for every second of sound and may raise.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        stream.bit_rate = SOUND_BITS
        for number, start in enumerate(range(0, samples.shape[1], AAC_FRAME)):
            if number % (SAMPLE_RATE // AAC_FRAME) == 0:
                check_stop()
            block = np.ascontiguousarray(samples[:, start : start + AAC_FRAME])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = SAMPLE_RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def film_title(hero_name: str) -> str:
    """Return what a player shows as the title of a hero's film."""
    return f"{hero_name} · {PRODUCT}" if hero_name else PRODUCT


def to_bt709(picture: np.ndarray) -> None:
    """Turn an I420 picture (3/2 height x width, limited range) from BT.601 into BT.709, in place.

    Both are linear, so a player that enlarges the chroma shows the same colours as before.
    """
    height, width = picture.shape[0] * 2 // 3, picture.shape[1]
    planes = picture[height:].reshape(2, height // 2, width // 2)
    blue, red = planes[0], planes[1]
    shift = cv2.addWeighted(blue, LUMA_TO_709[0], red, LUMA_TO_709[1], MIDDLE - 128 * sum(LUMA_TO_709))
    planes[:] = [cv2.addWeighted(blue, row[0], red, row[1], 128 - 128 * sum(row)) for row in CHROMA_TO_709]
    luma = picture[:height]
    # Where black meets a strong colour the sum may leave the range of a byte: it is clipped and does not wrap around.
    enlarged = cv2.resize(shift, (width, height), interpolation=cv2.INTER_LINEAR)
    cv2.addWeighted(luma, 1, enlarged, 1, -MIDDLE, luma)


class FilmWriter:
    """Encodes frames into a film, with a watermark if there is one.

    Use it as a context manager; after an exception the film is incomplete.
    """

    def __init__(self, path: Path, sound: bytes, embedder: Embedder | None = None, *, title: str = PRODUCT) -> None:
        self._path, self._sound, self._embedder, self._title = path, sound, embedder, title
        self._frames: queue.Queue[np.ndarray | None] = queue.Queue(QUEUED_FRAMES)
        shape = (FRAME_HEIGHT * 3 // 2, FRAME_WIDTH)
        self._buffers, self._count = [np.empty(shape, np.uint8) for _ in range(QUEUED_FRAMES + 2)], 0
        self._abandoned = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="film-writer", daemon=True)

    def __enter__(self) -> FilmWriter:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._abandoned.set()
        self._put(None)
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def add(self, frame: np.ndarray) -> None:
        """Queue a BGRA frame. Raise the error of the encoder's thread, if it had one."""
        # When one frame is being encoded and the queue is full, the oldest buffer is free again.
        picture = self._buffers[self._count % len(self._buffers)]
        self._count += 1
        cv2.cvtColor(frame, cv2.COLOR_BGRA2YUV_I420, picture)
        to_bt709(picture)
        if self._embedder is not None:
            self._embedder.add(picture[:FRAME_HEIGHT])
        self._put(picture)
        if self._error is not None:
            raise self._error

    def _put(self, picture: np.ndarray | None) -> None:
        while self._thread.is_alive():
            try:
                return self._frames.put(picture, timeout=0.2)
            except queue.Full:
                continue
        return None

    def _run(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - it is raised again in the renderer's thread
            self._error = error

    def _write(self) -> None:
        sound = av.open(io.BytesIO(self._sound))
        # faststart reads the file again by its name, so it cannot be written to memory.
        film = av.open(str(self._path), "w", format="mp4", options={"movflags": "faststart"})
        film.metadata.update(title=self._title, description=DESCRIPTION)
        with sound, film:
            picture = film.add_stream("libx264", rate=FRAMES_PER_SECOND, options=X264)
            picture.width, picture.height, picture.pix_fmt = FRAME_WIDTH, FRAME_HEIGHT, "yuv420p"
            context = picture.codec_context
            context.thread_count = 1
            context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
            context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
            voice = film.add_stream_from_template(sound.streams.audio[0])
            assert isinstance(sound, InputContainer)  # opened to be read
            for packet in sound.demux(audio=0):
                if packet.dts is not None:
                    packet.stream = voice
                    film.mux(packet)
            while (pixels := self._frames.get()) is not None:
                if not self._abandoned.is_set():
                    film.mux(picture.encode(av.VideoFrame.from_ndarray(pixels, format="yuv420p")))
            if not self._abandoned.is_set():
                film.mux(picture.encode(None))
