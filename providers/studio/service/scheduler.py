"""The studio itself: takes orders, lines them up, hands them to renderers, tells what becomes of them.

All of it runs in one event loop, so that what a method does between two `await`s nobody sees half done.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import secrets
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .pool import RendererPool
from .predictions import NotRendering, Prediction, QueueFull, Status, timestamp
from .render_requests import Order, PhotoNotThere, fetch_photo
from .settings import StudioSettings
from .store import Store
from .webhooks import Event, Messenger

logger = logging.getLogger(__name__)

FIRST_GUESS_SECONDS = 8.0  # a film's time, before one was made here
MAX_CRASHES = 1  # renderers that one prediction may cost before it is given up
MAX_STARTS = 6  # renders begun, restarts of the studio and renderers without CPU included
SWEEP_SECONDS = 15.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Studio:
    """One studio and all its predictions. `start` it in a running loop, `close` it at the end."""

    def __init__(self, settings: StudioSettings) -> None:
        self.settings = settings
        self.store = Store(settings.folder)
        self.predictions: dict[str, Prediction] = {}
        self.by_reference: dict[str, Prediction] = {}
        self.by_file_token: dict[str, Prediction] = {}
        self.waiting: deque[Prediction] = deque()
        self.without_photo: set[str] = set()
        self.film_seconds = FIRST_GUESS_SECONDS
        self.is_closing = False
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up what an earlier process left, and start the renderers."""
        self.messenger = Messenger(self.settings, self._taken)
        self.pool = RendererPool(self.settings, self)
        for prediction in self.store.load():
            self._take_up(prediction)
        self.pool.start()
        self._do(self._sweep())

    async def close(self) -> None:
        """Stop: renders go back to the line, webhooks that were not taken are sent by the next process."""
        self.is_closing = True
        await self.pool.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.messenger.close()

    # --- What callers ask for ---------------------------------------------------------------------

    async def submit(self, order: Order, *, origin: str) -> tuple[Prediction, bool]:
        """Return the prediction for this order and whether it is new; a reference has one prediction for ever.

        Raise QueueFull, NotRendering, or BadOrder for its photo.
        """
        known = self.by_reference.get(order.reference)
        if known is not None:
            return known, False
        if self.is_closing or self.pool.is_hopeless:
            raise NotRendering
        if len(self.waiting) + len(self.pool.running) >= self.settings.capacity:
            raise QueueFull(self._seconds_until_a_place())
        photo = order.photo()
        prediction = Prediction(
            reference=order.reference,
            look=order.look,
            hero_name=order.hero_name,
            seed=order.seed or secrets.token_hex(8),
            webhook=order.webhook,
            photo_url=order.photo_url,
            faceless=order.faceless,
            origin=self.settings.public_url or origin,
            is_told=not order.webhook,
        )
        # Known and in line before it is written, so that the same order again finds it.
        self._know(prediction)
        self.waiting.append(prediction)
        self.without_photo.add(prediction.id)
        try:
            await asyncio.to_thread(self.store.create, prediction, photo)
        except BaseException:
            self._unknow(prediction)
            raise
        if prediction.is_final or prediction.id not in self.predictions:  # canceled or deleted meanwhile
            await self._settle_late(prediction)
        else:
            self._photo_next(prediction)
        logger.info("prediction_accepted prediction=%s waiting=%d", prediction.id, len(self.waiting))
        return prediction, True

    def find(self, reference: str) -> list[Prediction]:
        """Return the prediction made for a reference, if there is one."""
        prediction = self.by_reference.get(reference)
        return [prediction] if prediction and not prediction.is_expired(now=datetime.now(UTC)) else []

    def get(self, prediction_id: str) -> Prediction | None:
        prediction = self.predictions.get(prediction_id)
        return prediction if prediction and not prediction.is_expired(now=datetime.now(UTC)) else None

    def file(self, token: str, name: str) -> Path | None:
        """Return the file to serve under this token, or None when there is none (any more)."""
        prediction = self.by_file_token.get(token)
        if prediction is None or prediction.is_expired(now=datetime.now(UTC)):
            return None
        if name == "film.mp4" and prediction.has_film:
            return self.store.film(prediction)
        if name == "poster.jpg" and prediction.has_poster:
            return self.store.poster(prediction)
        return None

    def cancel(self, prediction: Prediction) -> None:
        """Make it canceled, unless it is final, and stop its render."""
        if not prediction.is_final:
            self.pool.stop_render(prediction)  # first: its photo and folder go with the next line
            self._end(prediction, Status.CANCELED)

    def delete(self, prediction: Prediction) -> None:
        """Forget it: photo, film, poster and record are gone when this returns, and no webhook comes any more."""
        self.cancel(prediction)
        self._forget(prediction)
        logger.info("prediction_deleted prediction=%s", prediction.id)

    def view(self, prediction: Prediction) -> dict[str, Any]:
        """Return what callers see of it."""
        status, position = prediction.status, None
        if status == Status.QUEUED and prediction in self.waiting:
            position = self.waiting.index(prediction) + 1
            if position <= self.settings.renderers and not self.pool.warm_count:
                status = Status.STARTING
        return prediction.view(status=status, queue_position=position)

    def health(self) -> dict[str, Any]:
        return {
            "ok": not self.is_closing and not self.pool.is_hopeless,
            "renderers": self.settings.renderers,
            "warm": self.pool.warm_count,
            "running": len(self.pool.running),
            "waiting": len(self.waiting),
        }

    # --- What renderers report --------------------------------------------------------------------

    def next_ready(self) -> Prediction | None:
        """Take the first prediction in line whose photo is here."""
        if self.is_closing:
            return None
        for prediction in self.waiting:
            if prediction.id not in self.without_photo:
                self.waiting.remove(prediction)
                return prediction
        return None

    def begin(self, prediction: Prediction) -> dict[str, Any]:
        prediction.status = Status.RUNNING
        prediction.started_at = timestamp(datetime.now(UTC))
        prediction.start_count += 1
        prediction.progress = 0.0
        self.store.save(prediction)
        self._tell(prediction, "started")
        return {
            "photo": str(self.store.photo(prediction)),
            "look": prediction.look,
            "hero_name": prediction.hero_name,
            "seed": prediction.seed,
            "faceless": prediction.faceless,
            "folder": str(self.store.new_render_folder(prediction)),
        }

    def progressed(self, prediction: Prediction, value: float) -> None:
        if not prediction.is_final and value > prediction.progress:
            prediction.progress = min(1.0, value)
            self._tell(prediction, "progress")

    def poster_made(self, prediction: Prediction, made: Path) -> None:
        if prediction.is_final:
            return
        try:
            self.store.take_poster(prediction, made)
        except OSError as error:  # the film may come yet
            logger.warning("poster_not_kept prediction=%s error=%s", prediction.id, error.strerror)
            return
        prediction.has_poster = True
        self.store.save(prediction)
        self._tell(prediction, "preview")

    def film_made(self, prediction: Prediction, made: Path, *, render_seconds: float, cpu_seconds: float) -> None:
        if prediction.is_final:
            return
        self.film_seconds += 0.3 * (render_seconds - self.film_seconds)
        self.store.take_film(prediction, made)
        prediction.has_film, prediction.progress = True, 1.0
        prediction.render_seconds, prediction.cpu_seconds = render_seconds, cpu_seconds
        self._end(prediction, Status.SUCCEEDED)

    def failed(self, prediction: Prediction, code: str) -> None:
        if not prediction.is_final:
            prediction.error_code = code
            self._end(prediction, Status.FAILED)

    def renderer_lost(self, prediction: Prediction) -> None:
        """Its renderer died or was killed: to the front of the line, once."""
        if prediction.is_final:
            return
        prediction.crash_count += 1
        logger.warning("renderer_lost prediction=%s times=%d", prediction.id, prediction.crash_count)
        if prediction.crash_count > MAX_CRASHES:
            self.failed(prediction, "render_failed")
        else:
            self._line_up_again(prediction)

    def renderer_silent(self, prediction: Prediction) -> None:
        """Its renderer said nothing for too long and had no CPU, which is not its fault: to the front of the line.

        When that happens again, behind the others, who should not wait for all of its tries.
        """
        if prediction.is_final:
            return
        logger.warning("renderer_silent prediction=%s starts=%d", prediction.id, prediction.start_count)
        if prediction.start_count >= MAX_STARTS:
            self.failed(prediction, "render_failed")
        else:
            self._line_up_again(prediction, is_first=prediction.start_count == 1)

    def render_ended(self, prediction: Prediction) -> None:
        """The renderer is out of the prediction's folder, however the render ended."""
        if prediction.id not in self.predictions:
            self.store.remove(prediction)
            return
        if prediction.status == Status.RUNNING:
            if self.is_closing:
                self._line_up_again(prediction)
            else:  # what was made could not be kept
                self.renderer_lost(prediction)
        self.store.end_render(prediction)
        self.pool.wake()

    # --- Inside -----------------------------------------------------------------------------------

    def _know(self, prediction: Prediction) -> None:
        self.predictions[prediction.id] = prediction
        self.by_reference[prediction.reference] = prediction
        self.by_file_token[prediction.file_token] = prediction

    def _unknow(self, prediction: Prediction) -> None:
        self.predictions.pop(prediction.id, None)
        self.by_reference.pop(prediction.reference, None)
        self.by_file_token.pop(prediction.file_token, None)
        self._leave_line(prediction)

    def _forget(self, prediction: Prediction) -> None:
        self._unknow(prediction)
        self.messenger.forget(prediction.id)
        self.store.remove(prediction)

    def _leave_line(self, prediction: Prediction) -> None:
        self.without_photo.discard(prediction.id)
        with contextlib.suppress(ValueError):
            self.waiting.remove(prediction)

    def _line_up_again(self, prediction: Prediction, *, is_first: bool = True) -> None:
        prediction.status, prediction.progress = Status.QUEUED, 0.0
        self.waiting.insert(0 if is_first else len(self.waiting), prediction)
        self.store.save(prediction)
        self.pool.wake()

    def _take_up(self, prediction: Prediction) -> None:
        """Know a prediction of an earlier process again, and go on where that one stopped."""
        if prediction.is_expired(now=datetime.now(UTC)):
            self.store.remove(prediction)
            return
        prediction.origin = self._origin_now(prediction.origin)
        self._know(prediction)
        if prediction.is_final:
            self.store.end_render(prediction)
            if not prediction.is_told:
                self._tell(prediction, prediction.status)
        elif prediction.start_count >= MAX_STARTS:
            self.failed(prediction, "render_failed")
        else:
            prediction.status, prediction.progress = Status.QUEUED, 0.0
            self.waiting.append(prediction)
            self.store.end_render(prediction)
            self.store.save(prediction)
            if not self.store.photo(prediction).exists():
                self.without_photo.add(prediction.id)
                self._photo_next(prediction)

    def _origin_now(self, origin: str) -> str:
        """Return where films kept by an earlier process are served now: on this machine the port may be another."""
        if self.settings.public_url:
            return self.settings.public_url
        host = urlsplit(origin).hostname or ""
        if host in LOOPBACK and self.settings.port:
            return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.port}"
        return origin

    def _photo_next(self, prediction: Prediction) -> None:
        """Make it ready when its photo is here, else fetch the photo."""
        if not self.store.photo(prediction).exists() and prediction.photo_url:
            self._do(self._fetch(prediction))
        else:
            self.without_photo.discard(prediction.id)
            self.pool.wake()

    async def _fetch(self, prediction: Prediction) -> None:
        try:
            photo = await fetch_photo(self.messenger.session, prediction.photo_url)
        except PhotoNotThere as error:
            logger.info("photo_not_there prediction=%s error=%s", prediction.id, error)
            self.failed(prediction, "unreadable_photo")
            return
        if not prediction.is_final:
            self.store.save_photo(prediction, photo)
            prediction.photo_url = ""
            self.store.save(prediction)
            self._photo_next(prediction)

    async def _settle_late(self, prediction: Prediction) -> None:
        """It was canceled or deleted while it was being written: what was written is put right."""
        if prediction.id in self.predictions:
            self.store.save(prediction)
            self.store.end_render(prediction)
        else:
            self.store.remove(prediction)

    def _end(self, prediction: Prediction, status: Status) -> None:
        """Make it final, once; the photo goes now unless a renderer is still at it."""
        now = datetime.now(UTC)
        prediction.status = status
        prediction.finished_at, prediction.expires_at = timestamp(now), timestamp(now + self.settings.keep)
        self._leave_line(prediction)
        self.store.save(prediction)
        self.store.end_render(prediction)
        logger.info("prediction_%s prediction=%s code=%s", status, prediction.id, prediction.error_code or "-")
        self._tell(prediction, status)

    def _tell(self, prediction: Prediction, kind: str) -> None:
        """Send a webhook about it, if its caller wants any."""
        if not prediction.webhook:
            return
        # A final event keeps its id when a restarted studio sends it again; a render begun anew has new ones.
        event_id = f"{prediction.id}.{kind}"
        if not prediction.is_final:
            event_id += f".{prediction.start_count}"
        if kind == "progress":
            event_id += f".{round(prediction.progress * 1000)}"
        now = timestamp(datetime.now(UTC))
        body = {"type": f"prediction.{kind}", "timestamp": now, "prediction": self.view(prediction)}
        event = Event(event_id, json.dumps(body).encode(), is_progress=kind == "progress")
        self.messenger.send(prediction.id, prediction.webhook, event)

    def _taken(self, prediction_id: str, event: Event) -> None:
        prediction = self.predictions.get(prediction_id)
        if prediction is not None and prediction.is_final and event.id == f"{prediction_id}.{prediction.status}":
            prediction.is_told = True
            self.store.save(prediction)

    def _seconds_until_a_place(self) -> int:
        done = max((prediction.progress for prediction in self.pool.running), default=0.0)
        return max(1, math.ceil(self.film_seconds * (1 - done)))

    def _do(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("task_crashed", exc_info=task.exception())

    async def _sweep(self) -> None:
        """Remove what has expired, for as long as the studio runs."""
        while True:
            now = datetime.now(UTC)
            for prediction in list(self.predictions.values()):
                if prediction.is_expired(now=now):
                    self._forget(prediction)
                    logger.info("prediction_expired prediction=%s", prediction.id)
            await asyncio.sleep(SWEEP_SECONDS)
