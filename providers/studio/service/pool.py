"""The warm renderer processes: started, given work, listened to, stopped, replaced.

A renderer that dies, makes no progress for too long, or does not end at all, loses its prediction to the
front of the line and is started again after a pause that doubles. One that has grown or made many films is replaced
between two films. Silence of a renderer that had no CPU (a stopped process, a frozen container, a busy machine) says
nothing about its film and is told to the desk as that.
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
# After so many starts in a row that never became warm the studio says that it cannot render.
HOPELESS_STARTS = 4
MAX_LINE = 64 * 1024
LOOK_SECONDS, LAST_LOOK_SECONDS = 0.5, 0.05
# A renderer that used the CPU for this share of the time it was waited for was at work, and not only without its turn.
AT_WORK = 0.5
# One film uses one core and a bit; libraries that start a thread per core only get in each other's way.
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
# A renderer reads strangers' photos, so it gets none of the product's secrets.
SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|_URL$")


class Desk(Protocol):
    """Who hands out predictions and hears what becomes of them. Called in the event loop; returns at once."""

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
    """One process and what it says. `messages` ends with None when it is gone."""

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
        """Let it go: it ends by itself when its socket closes, or is killed. Return its exit code."""
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
    """Room for one renderer, kept filled."""

    def __init__(self, settings: StudioSettings, desk: Desk) -> None:
        self.settings = settings
        self.desk = desk
        self.work_arrived = asyncio.Event()
        self.renderer: RendererProcess | None = None
        self.prediction: Prediction | None = None
        self.is_warm = False
        self.cold_starts = 0

    async def keep_filled(self) -> None:
        """Start a renderer and let it work, again and again, until cancelled."""
        while True:
            # Counts every start until a film was made, so that one that dies again and again pauses longer.
            self.cold_starts += 1
            try:
                self.renderer = await RendererProcess.start(self.settings)
                await self.work(self.renderer)
            except Exception:
                # A full disk, no more processes: whatever it is, the slot goes on after a pause.
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
        """Use this renderer until it dies, is worn out or cannot be trusted any more."""
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
                self.desk.render_ended(prediction)
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
            prediction = self.desk.next_ready()
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
        """Make one film and tell the desk how it went. Return whether the renderer is still good."""
        renderer.say(do="render", **self.desk.begin(prediction))
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
                    self.desk.renderer_silent(prediction)
                    return False
                message = None
            if message is None:
                self.desk.renderer_lost(prediction)
                return False
            said = message["said"]
            if said == "progress":
                if message["value"] > best:
                    best = message["value"]
                    stall.renew()
                self.desk.progressed(prediction, message["value"])
            elif said == "poster":
                self.desk.poster_made(prediction, Path(message["path"]))
            elif said == "film":
                seconds = {name: message[name] for name in ("render_seconds", "cpu_seconds")}
                self.desk.film_made(prediction, Path(message["video"]), **seconds)
                return message["process_bytes"] <= self.settings.max_process_bytes
            elif said == "canceled":
                # Asked for, the prediction is final already; out of the blue, it must not wait for ever.
                self.desk.failed(prediction, "render_failed")
                return True
            else:
                is_photo = said in ("no_face", "unreadable_photo")
                logger.info(
                    "render_refused prediction=%s said=%s detail=%s", prediction.id, said, message.get("detail")
                )
                self.desk.failed(prediction, said if is_photo else "render_failed")
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
    """All slots of one studio."""

    def __init__(self, settings: StudioSettings, desk: Desk) -> None:
        self.slots = [Slot(settings, desk) for _ in range(settings.renderers)]
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.tasks = [asyncio.create_task(slot.keep_filled()) for slot in self.slots]

    def wake(self) -> None:
        """Let idle renderers look for work."""
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
        """Whether no renderer becomes warm, time after time."""
        return all(slot.cold_starts > HOPELESS_STARTS and not slot.is_warm for slot in self.slots)

    async def close(self) -> None:
        """Stop all renders and end all renderers."""
        for slot in self.slots:
            if slot.renderer is not None:
                slot.renderer.say(do="stop")
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
