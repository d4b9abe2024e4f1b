"""Warm renderer processes: how they are started, given work, stopped and replaced.

When a renderer dies, makes no progress for too long or takes too long, its prediction is queued again at the front, and
the renderer is started again after a pause that doubles each time. A renderer that uses much memory or has made many
films is replaced between two films. When a silent renderer had no CPU (a stopped process, a frozen container, a busy
machine), its film is not to blame; the queue is told so by `renderer_silent`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any, Protocol

from confinement.processor_time import cpu_seconds

from .predictions import Prediction
from .settings import PROJECT_DIR, StudioSettings

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
# After so many starts in a row without a warm renderer the studio reports that it cannot render.
HOPELESS_STARTS = 4
MAX_LINE = 64 * 1024
LOOK_SECONDS, LAST_LOOK_SECONDS = 0.5, 0.05
# A silent renderer that used the CPU for this share of the time was at work; with less it did not get the CPU.
AT_WORK = 0.5
# One film uses little more than one core. Libraries that start a thread per core would slow each other down.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# A renderer decodes untrusted photos, so it gets none of the product's secrets.
SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|_URL$")


class RenderQueue(Protocol):
    """The source of predictions, and the receiver of results. Its methods run in the event loop and return at once."""

    def next_ready(self) -> Prediction | None: ...
    def begin(self, prediction: Prediction) -> dict[str, Any]: ...
    def progressed(self, prediction: Prediction, value: float) -> None: ...
    def poster_made(self, prediction: Prediction, made: Path) -> None: ...
    def film_made(self, prediction: Prediction, made: Path, *, render_seconds: float, cpu_seconds: float) -> None: ...
    def failed(self, prediction: Prediction, code: str) -> None: ...
    def renderer_lost(self, prediction: Prediction) -> None: ...
    def renderer_silent(self, prediction: Prediction) -> None: ...
    def render_ended(self, prediction: Prediction) -> None: ...


class Patience:
    """Seconds that a renderer is waited for, and whether it used the CPU meanwhile.

    Counted only while this process runs: a look counts for LOOK_SECONDS at most, however late it ends.
    """

    def __init__(self, renderer: RendererProcess, seconds: float) -> None:
        self.renderer, self.seconds = renderer, seconds
        self.renew()

    def renew(self) -> None:
        self.left, self.cpu_before = self.seconds, self.renderer.cpu_seconds()

    def count(self, seconds: float) -> None:
        self.left -= min(seconds, LOOK_SECONDS)

    @property
    def was_at_work(self) -> bool:
        return self.renderer.cpu_seconds() - self.cpu_before >= AT_WORK * self.seconds


class RendererProcess:
    """One process and its messages. `messages` ends with None when the process is gone."""

    def __init__(self, process: asyncio.subprocess.Process, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self.writer = writer
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.is_gone = asyncio.Event()
        self.listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, settings: StudioSettings) -> RendererProcess:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "providers.studio.service.worker"),
                    *(str(theirs.fileno()), str(os.getpid()), settings.renderer, ",".join(settings.looks)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    cwd=PROJECT_DIR,
                    env=THREADS | {name: value for name, value in os.environ.items() if not SECRET.search(name)},
                )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        made = cls(process, writer)
        made.listening = asyncio.create_task(made.listen(reader))
        return made

    async def listen(self, reader: asyncio.StreamReader) -> None:
        try:
            async for line in reader:
                self.messages.put_nowait(json.loads(line))
        except (ConnectionError, ValueError) as error:
            logger.warning("renderer_not_understood pid=%d error=%s", self.process.pid, type(error).__name__)
        finally:
            self.is_gone.set()
            self.messages.put_nowait(None)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)

    async def next_message(self, *patiences: Patience) -> dict[str, Any] | None:
        """Return what it says next, None when it is gone. Raise TimeoutError when one of the patiences is at its end.

        What has arrived is returned also when the time is over: it was this process that did not look.
        """
        clock = asyncio.get_running_loop().time
        while True:
            began, left = clock(), min(patience.left for patience in patiences)
            try:
                async with asyncio.timeout(max(LAST_LOOK_SECONDS, min(left, LOOK_SECONDS))):
                    return await self.messages.get()
            except TimeoutError:
                if left <= 0:
                    raise
            finally:
                for patience in patiences:
                    patience.count(clock() - began)

    def say(self, **message: Any) -> None:
        if not self.writer.is_closing():
            self.writer.write(json.dumps(message).encode() + b"\n")

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    async def end(self, *, patience: float) -> int:
        """Close its socket, upon which it ends, and kill it after `patience` seconds. Return its exit code."""
        self.writer.close()
        try:
            await asyncio.wait_for(self.process.wait(), patience)
        except TimeoutError:
            self.kill()
            await self.process.wait()
        if self.listening is not None:
            await self.listening
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        return self.process.returncode or 0


class Slot:
    """One of the pool's renderers, which is replaced whenever it ends."""

    def __init__(self, settings: StudioSettings, queue: RenderQueue) -> None:
        self.settings = settings
        self.queue = queue
        self.work_arrived = asyncio.Event()
        self.renderer: RendererProcess | None = None
        self.prediction: Prediction | None = None
        self.is_warm = False
        self.cold_starts = 0

    async def keep_filled(self) -> None:
        """Start a renderer and let it work, and repeat that until cancelled."""
        while True:
            # Counts the starts since the last film, so that the pauses grow while renderers die.
            self.cold_starts += 1
            try:
                self.renderer = await RendererProcess.start(self.settings)
                await self.work(self.renderer)
            except Exception:
                # A full disk, no more processes: the slot continues after a pause, whatever the error is.
                logger.exception("renderer_given_up")
            finally:
                await self.let_go()
            if self.cold_starts:
                await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (self.cold_starts - 1)))

    async def let_go(self) -> None:
        self.is_warm = False
        renderer, self.renderer = self.renderer, None
        if renderer is not None:
            code = await renderer.end(patience=self.settings.stop_seconds)
            logger.info("renderer_ended pid=%d code=%d", renderer.process.pid, code)

    async def work(self, renderer: RendererProcess) -> None:
        """Give a renderer work until it dies, has to be replaced or failed unexpectedly."""
        if not await self.becomes_warm(renderer):
            return
        self.is_warm = True
        logger.info("renderer_warm pid=%d", renderer.process.pid)
        films = 0
        while films < self.settings.films_per_process:
            prediction = await self.next_prediction(renderer)
            if prediction is None:
                return
            self.prediction = prediction
            try:
                is_sound = await self.render(renderer, prediction)
            finally:
                self.prediction = None
                self.queue.render_ended(prediction)
            if not is_sound:
                return
            self.cold_starts = 0
            films += 1

    async def becomes_warm(self, renderer: RendererProcess) -> bool:
        try:
            message = await asyncio.wait_for(renderer.messages.get(), self.settings.warm_up_seconds)
        except TimeoutError:
            logger.error("renderer_too_slow_to_warm_up pid=%d", renderer.process.pid)
            renderer.kill()
            return False
        return message is not None and message["said"] == "warm"

    async def next_prediction(self, renderer: RendererProcess) -> Prediction | None:
        """Wait for work; return None when the renderer died meanwhile."""
        while not renderer.is_gone.is_set():
            prediction = self.queue.next_ready()
            if prediction is not None:
                return prediction
            self.work_arrived.clear()
            waits = [asyncio.create_task(event.wait()) for event in (self.work_arrived, renderer.is_gone)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        return None

    async def render(self, renderer: RendererProcess, prediction: Prediction) -> bool:
        """Render one film and report the result to the queue. Return whether the renderer can be used again."""
        renderer.say(do="render", **self.queue.begin(prediction))
        best = -1.0
        stall, whole = Patience(renderer, self.settings.stall_seconds), Patience(renderer, self.settings.film_seconds)
        while True:
            try:
                message = await renderer.next_message(stall, whole)
            except TimeoutError:
                was_at_work = (stall if stall.left <= 0 else whole).was_at_work
                logger.error(
                    "render_hung prediction=%s pid=%d at=%.2f at_work=%s",
                    prediction.id,
                    renderer.process.pid,
                    best,
                    was_at_work,
                )
                renderer.kill()
                if not was_at_work:
                    self.queue.renderer_silent(prediction)
                    return False
                message = None
            if message is None:
                self.queue.renderer_lost(prediction)
                return False
            said = message["said"]
            if said == "progress":
                if message["value"] > best:
                    best = message["value"]
                    stall.renew()
                self.queue.progressed(prediction, message["value"])
            elif said == "poster":
                self.queue.poster_made(prediction, Path(message["path"]))
            elif said == "film":
                seconds = {name: message[name] for name in ("render_seconds", "cpu_seconds")}
                self.queue.film_made(prediction, Path(message["video"]), **seconds)
                return message["process_bytes"] <= self.settings.max_process_bytes
            elif said == "canceled":
                # If the studio asked for it, the prediction is already final; if not, it must not wait forever.
                self.queue.failed(prediction, "render_failed")
                return True
            else:
                is_photo = said in ("no_face", "unreadable_photo")
                logger.info(
                    "render_refused prediction=%s said=%s detail=%s", prediction.id, said, message.get("detail")
                )
                self.queue.failed(prediction, said if is_photo else "render_failed")
                return is_photo

    def stop(self, prediction: Prediction) -> bool:
        """Stop this prediction's render within `stop_seconds`; return whether it was being rendered here."""
        renderer = self.renderer
        if self.prediction is not prediction or renderer is None:
            return False
        renderer.say(do="stop")

        def insist() -> None:
            if self.prediction is prediction and self.renderer is renderer:
                logger.info("renderer_killed_to_stop prediction=%s", prediction.id)
                renderer.kill()

        asyncio.get_running_loop().call_later(self.settings.stop_seconds, insist)
        return True


class RendererPool:
    """All renderers of one studio."""

    def __init__(self, settings: StudioSettings, queue: RenderQueue) -> None:
        self.slots = [Slot(settings, queue) for _ in range(settings.renderers)]
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.tasks = [asyncio.create_task(slot.keep_filled()) for slot in self.slots]

    def wake(self) -> None:
        """Let idle renderers ask for a prediction."""
        for slot in self.slots:
            slot.work_arrived.set()

    def stop_render(self, prediction: Prediction) -> None:
        for slot in self.slots:
            if slot.stop(prediction):
                return

    @property
    def warm_count(self) -> int:
        return sum(slot.is_warm for slot in self.slots)

    @property
    def running(self) -> list[Prediction]:
        return [slot.prediction for slot in self.slots if slot.prediction is not None]

    @property
    def is_hopeless(self) -> bool:
        """Whether every renderer has failed to become warm HOPELESS_STARTS times in a row."""
        return all(slot.cold_starts > HOPELESS_STARTS and not slot.is_warm for slot in self.slots)

    async def close(self) -> None:
        """Stop all renders and end all renderers."""
        for slot in self.slots:
            if slot.renderer is not None:
                slot.renderer.say(do="stop")
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
