"""Warm renderer processes: how they are started, given work, stopped and replaced.

When a renderer dies, makes no progress for too long or takes too long, its prediction is queued again at the front, and
the renderer is started again after a pause that doubles each time. A renderer that uses much memory or has made many
films is replaced between two films. When a silent renderer had no CPU (a stopped process, a frozen container, a busy
machine), its film is not to blame; the queue is told so by `renderer_silent`.

What such a process may do, and how it is spoken to, is in `renderer_process`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Any, Protocol

from .predictions import Prediction
from .renderer_process import Patience, RendererProcess, renderers_folder
from .settings import StudioSettings

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
# After so many starts in a row without a warm renderer the studio reports that it cannot render.
HOPELESS_STARTS = 4


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
        self.confinement = ""

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
                renderer.empty_folder()
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
        if message is None or message["said"] != "warm":
            return False
        self.tell_confinement(str(message.get("confinement"))[:500], is_complete=message.get("is_complete") is True)
        return True

    def tell_confinement(self, confinement: str, *, is_complete: bool) -> None:
        """Say once what confines the renderers, as a warning when this kernel could not do all of it."""
        if confinement != self.confinement:
            self.confinement = confinement
            level = logging.INFO if is_complete else logging.WARNING
            logger.log(level, "renderer_confined by=%r", confinement)

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
        order = self.queue.begin(prediction)
        photo = Path(order.pop("photo")).read_bytes()
        renderer.say(do="render", photo_bytes=len(photo), photo=photo, **order)
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
            elif said == "poster" and (poster := renderer.made("poster.jpg")):
                self.queue.poster_made(prediction, poster)
            elif said == "film" and (film := renderer.made("film.mp4")):
                seconds = {name: message[name] for name in ("render_seconds", "cpu_seconds")}
                self.queue.film_made(prediction, film, **seconds)
                return renderer.memory_bytes() <= self.settings.max_process_bytes
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
        shutil.rmtree(renderers_folder(settings), ignore_errors=True)  # what a studio that was killed has left
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
