"""The renderers: warm processes that take one prediction each, and are replaced when they die.

A renderer that dies costs one retry of one film; the second time the film has failed. One that
makes no progress is ended. After many films, or with too much memory in use, a renderer is
replaced between films.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from .settings import StudioSettings
from .store import CANCELED, FAILED, QUEUED, RUNNING, STARTING, SUCCEEDED, Prediction, Store

logger = logging.getLogger(__name__)

PROJECT_DIR = Path(__file__).resolve().parents[2]
MAX_TRIES = 2
LINE_BYTES = 64 * 1024
# What a renderer process may see of our environment: no secrets.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "HOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")

# Called with a prediction and what happened: started, progress, preview, succeeded, failed, canceled.
Tell = Callable[[Prediction, str], None]


class Pool:
    """Takes queued predictions in order and has them rendered."""

    def __init__(self, settings: StudioSettings, store: Store, tell: Tell) -> None:
        self.settings = settings
        self.store = store
        self.tell = tell
        self.waiting: deque[Prediction] = deque()
        self.rendering: dict[str, _Renderer] = {}
        self.is_stopping = False
        self.recent_seconds: deque[float] = deque([5.0], maxlen=20)
        self._wake = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self.renderers = [_Renderer(self, number) for number in range(settings.renderers)]

    async def start(self) -> None:
        """Start the renderers, and queue what an earlier process left."""
        for prediction in self.store:
            if prediction.status == QUEUED:
                self.waiting.append(prediction)
        self._tasks = [asyncio.create_task(renderer.run()) for renderer in self.renderers]

    async def stop(self) -> None:
        """End the renderers; what they had is queued again by the next process."""
        self.is_stopping = True
        for renderer in self.renderers:
            renderer.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def has_room(self) -> bool:
        free = sum(renderer.is_free for renderer in self.renderers)
        return len(self.waiting) < self.settings.waiting + free

    def seconds_until_room(self) -> int:
        """Return after how long asking again is worth it."""
        each = sum(self.recent_seconds) / len(self.recent_seconds)
        return max(1, round(each / len(self.renderers)))

    def position(self, prediction: Prediction) -> int:
        """Return how many predictions wait before this one."""
        try:
            return self.waiting.index(prediction)
        except ValueError:
            return 0

    async def add(self, prediction: Prediction, *, first: bool = False) -> None:
        """Put a prediction in line, or at its head."""
        (self.waiting.appendleft if first else self.waiting.append)(prediction)
        async with self._wake:
            self._wake.notify()

    async def next(self) -> Prediction:
        """Wait for the next prediction in line."""
        async with self._wake:
            await self._wake.wait_for(lambda: self.waiting)
            return self.waiting.popleft()

    def cancel(self, prediction: Prediction) -> None:
        """Take a prediction out of the line, or stop its render. A final one stays as it is."""
        if prediction.is_final:
            return
        with contextlib.suppress(ValueError):
            self.waiting.remove(prediction)
        renderer = self.rendering.get(prediction.id)
        if renderer:
            renderer.cancel()
        self.finish(prediction, CANCELED)

    def finish(self, prediction: Prediction, status: str, *, code: str = "", message: str = "") -> None:
        """Write a prediction's end, once."""
        if prediction.is_final:
            return
        now = time.time()
        prediction.status, prediction.error_code, prediction.error_message = status, code, message
        prediction.finished_at, prediction.expires_at = now, now + self.settings.keep_seconds
        if status == SUCCEEDED:
            prediction.progress, prediction.has_video, prediction.has_poster = 1.0, True, True
        self.store.drop_photo(prediction)
        self.store.save(prediction)
        logger.info("studio_%s prediction=%s code=%s", status, prediction.id, code)
        self.tell(prediction, status)


class _Renderer:
    """One renderer process and whatever replaces it."""

    def __init__(self, pool: Pool, number: int) -> None:
        self.pool = pool
        self.number = number
        self.process: asyncio.subprocess.Process | None = None
        self.is_warm = False
        self.prediction: Prediction | None = None
        self.films = 0
        self.rss = 0

    @property
    def is_free(self) -> bool:
        return self.prediction is None

    async def run(self) -> None:
        """Keep a process alive and feed it."""
        backoff = 0.5
        while not self.pool.is_stopping:
            try:
                await self._serve()
            except (ConnectionError, EOFError, OSError, ValueError, TimeoutError) as error:
                logger.warning("studio_renderer_lost number=%d error=%s", self.number, type(error).__name__)
            was_warm = self.is_warm
            self.end()
            await self._lost()
            # One that came up may be replaced at once: what killed it has two tries and no more.
            backoff = 0.5 if was_warm else min(15.0, backoff * 2)
            if not was_warm:
                await asyncio.sleep(backoff)

    def end(self) -> None:
        """Kill the process, if there is one."""
        if self.process and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        self.is_warm = False

    def cancel(self) -> None:
        """Ask the process to stop the present render."""
        if self.process and self.process.stdin and not self.process.stdin.is_closing():
            self.process.stdin.write(b'{"order": "cancel"}\n')

    async def _serve(self) -> None:
        self.films, self.rss = 0, 0
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "providers.studio.worker",
            self.pool.settings.renderer,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=PROJECT_DIR,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            limit=LINE_BYTES,
        )
        await self._news()
        self.is_warm = True
        while self.films < self.pool.settings.recycle_after and self.rss < self.pool.settings.recycle_rss:
            prediction = await self._next_or_death()
            if prediction.is_final:
                continue
            self.prediction = prediction
            self.pool.rendering[prediction.id] = self
            await self._render(prediction)
            self._let_go()

    async def _next_or_death(self) -> Prediction:
        """Wait for work, but notice when the idle process dies."""
        assert self.process is not None
        waiting = asyncio.ensure_future(self.pool.next())
        dying = asyncio.ensure_future(self.process.wait())
        try:
            await asyncio.wait({waiting, dying}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                return waiting.result()
            raise EOFError("the idle renderer died")
        finally:
            dying.cancel()
            if not waiting.done():
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await waiting

    async def _render(self, prediction: Prediction) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        folder = self.pool.store.path(prediction)
        prediction.status, prediction.started_at = RUNNING, time.time()
        prediction.tries += 1
        self.pool.store.save(prediction)
        self.pool.tell(prediction, "started")
        order = {
            "order": "render",
            "photo": str(folder / "photo.jpg"),
            "folder": str(folder),
            "look": prediction.look,
            "hero_name": prediction.hero_name,
            "seed": prediction.seed,
        }
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()
        while True:
            news = await self._news(self.pool.settings.stall_seconds)
            if self._took(prediction, news):
                return

    def _took(self, prediction: Prediction, news: dict[str, Any]) -> bool:
        """Take over one piece of news; return whether the render is over."""
        match news["news"]:
            case "progress":
                if not prediction.is_final:
                    prediction.progress = max(prediction.progress, min(0.999, float(news["value"])))
                    self.pool.tell(prediction, "progress")
                return False
            case "poster":
                if not prediction.is_final:
                    prediction.has_poster = True
                    self.pool.store.save(prediction)
                    self.pool.tell(prediction, "preview")
                return False
            case "done":
                self.films, self.rss = self.films + 1, int(news["rss"])
                prediction.render_seconds, prediction.cpu_seconds = news["seconds"], news["cpu_seconds"]
                self.pool.recent_seconds.append(float(news["seconds"]))
                self.pool.finish(prediction, SUCCEEDED)
                return True
            case "failed":
                self.films += 1
                self.pool.finish(prediction, FAILED, code=news["code"], message=news["message"])
                return True
            case "canceled":
                self.films += 1
                self.pool.finish(prediction, CANCELED)
                return True
        return False

    async def _news(self, seconds: float = 120.0) -> dict[str, Any]:
        assert self.process is not None
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), seconds)
        if not line:
            raise EOFError("the renderer ended")
        return json.loads(line)

    def _let_go(self) -> None:
        if self.prediction:
            self.pool.rendering.pop(self.prediction.id, None)
        self.prediction = None

    async def _lost(self) -> None:
        """A process died: its film gets one more try, at the head of the line."""
        prediction = self.prediction
        self._let_go()
        if prediction is None or prediction.is_final or self.pool.is_stopping:
            return
        if prediction.tries >= MAX_TRIES:
            self.pool.finish(prediction, FAILED, code="render_failed", message="the renderer died twice")
            return
        prediction.status = STARTING
        self.pool.store.save(prediction)
        await self.pool.add(prediction, first=True)


async def every(seconds: float, do: Callable[[], Awaitable[None] | None]) -> None:
    """Do something again and again, whatever comes of it."""
    while True:
        await asyncio.sleep(seconds)
        try:
            result = do()
            if result is not None:
                await result
        except Exception:
            logger.exception("studio_chore_failed")
