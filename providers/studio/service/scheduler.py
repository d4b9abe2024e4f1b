"""The studio: accepts requests, queues predictions, hands them to renderers and sends webhooks about them.

Everything runs in one event loop, so the steps of a method between two `await`s are atomic.
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
from .render_requests import PhotoNotFetched, RenderRequest, fetch_photo
from .settings import StudioSettings
from .store import Store
from .webhooks import Event, WebhookSender

logger = logging.getLogger(__name__)

FIRST_GUESS_SECONDS = 8.0  # the estimated time of a film before the first was made
MAX_CRASHES = 1  # renderers that may die over one prediction before it fails
MAX_STARTS = 6  # renders begun, restarts of the studio and renderers without CPU included
SWEEP_SECONDS = 15.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Scheduler:
    """A studio and all its predictions. Call `start` in a running event loop, and `close` at the end."""

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
        """Restore the predictions of an earlier process, and start the renderers."""
        self.webhooks = WebhookSender(self.settings, self._on_webhook_accepted)
        self.pool = RendererPool(self.settings, self)
        for prediction in self.store.load():
            self._restore(prediction)
        self.pool.start()
        self._start_task(self._sweep())

    async def close(self) -> None:
        """Stop: renders are queued again, and the next process sends webhooks that were not accepted."""
        self.is_closing = True
        await self.pool.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.webhooks.close()

    # --- The API ----------------------------------------------------------------------------------

    async def submit(self, request: RenderRequest, *, origin: str) -> tuple[Prediction, bool]:
        """Return the prediction for a request, and whether it is new. A reference has one prediction only.

        Raise QueueFull, NotRendering, or BadRenderRequest for its photo.
        """
        known = self.by_reference.get(request.reference)
        if known is not None:
            return known, False
        if self.is_closing or self.pool.is_hopeless:
            raise NotRendering
        if len(self.waiting) + len(self.pool.running) >= self.settings.capacity:
            raise QueueFull(self._seconds_until_room())
        photo = request.photo()
        prediction = Prediction(
            reference=request.reference,
            look=request.look,
            hero_name=request.hero_name,
            seed=request.seed or secrets.token_hex(8),
            webhook=request.webhook,
            photo_url=request.photo_url,
            faceless=request.faceless,
            watermark=request.watermark,
            origin=self.settings.public_url or origin,
            is_told=not request.webhook,
        )
        # Registered and queued before it is stored, so that a repeated request finds it.
        self._register(prediction)
        self.waiting.append(prediction)
        self.without_photo.add(prediction.id)
        try:
            await asyncio.to_thread(self.store.create, prediction, photo)
        except BaseException:
            self._unregister(prediction)
            raise
        if prediction.is_final or prediction.id not in self.predictions:  # canceled or deleted meanwhile
            await self._clean_up_late(prediction)
        else:
            self._prepare_photo(prediction)
        logger.info("prediction_accepted prediction=%s waiting=%d", prediction.id, len(self.waiting))
        return prediction, True

    def find(self, reference: str) -> list[Prediction]:
        """Return the predictions for a reference: one or none."""
        prediction = self.by_reference.get(reference)
        return [prediction] if prediction and not prediction.is_expired(now=datetime.now(UTC)) else []

    def get(self, prediction_id: str) -> Prediction | None:
        prediction = self.predictions.get(prediction_id)
        return prediction if prediction and not prediction.is_expired(now=datetime.now(UTC)) else None

    def file(self, token: str, name: str) -> Path | None:
        """Return the path of a file to serve, or None when there is none (any more)."""
        prediction = self.by_file_token.get(token)
        if prediction is None or prediction.is_expired(now=datetime.now(UTC)):
            return None
        if name == "film.mp4" and prediction.has_film:
            return self.store.film(prediction)
        if name == "poster.jpg" and prediction.has_poster:
            return self.store.poster(prediction)
        return None

    def cancel(self, prediction: Prediction) -> None:
        """Cancel a prediction that is not final, and stop its render."""
        if not prediction.is_final:
            self.pool.stop_render(prediction)  # before its photo and folder are removed
            self._end(prediction, Status.CANCELED)

    def delete(self, prediction: Prediction) -> None:
        """Remove photo, film, poster and record at once, and send no more webhooks."""
        self.cancel(prediction)
        self._forget(prediction)
        logger.info("prediction_deleted prediction=%s", prediction.id)

    def view(self, prediction: Prediction) -> dict[str, Any]:
        """Return a prediction's JSON in the API."""
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

    # --- Called by the renderer pool --------------------------------------------------------------

    def next_ready(self) -> Prediction | None:
        """Remove the first prediction that has its photo from the queue and return it, or None."""
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
        self._send_webhook(prediction, "started")
        return {"photo": str(self.store.photo(prediction)), **prediction.order()}

    def progressed(self, prediction: Prediction, value: float) -> None:
        if not prediction.is_final and value > prediction.progress:
            prediction.progress = min(1.0, value)
            self._send_webhook(prediction, "progress")

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
        self._send_webhook(prediction, "preview")

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
        """Its renderer died or was killed: queue it again at the front, once."""
        if prediction.is_final:
            return
        prediction.crash_count += 1
        logger.warning("renderer_lost prediction=%s times=%d", prediction.id, prediction.crash_count)
        if prediction.crash_count > MAX_CRASHES:
            self.failed(prediction, "render_failed")
        else:
            self._requeue(prediction)

    def renderer_silent(self, prediction: Prediction) -> None:
        """Its renderer said nothing for too long and had no CPU, which is not its fault: queue it again at the front.

        When that happens again, behind the others, who should not wait for all of its tries.
        """
        if prediction.is_final:
            return
        logger.warning("renderer_silent prediction=%s starts=%d", prediction.id, prediction.start_count)
        if prediction.start_count >= MAX_STARTS:
            self.failed(prediction, "render_failed")
        else:
            self._requeue(prediction, is_first=prediction.start_count == 1)

    def render_ended(self, prediction: Prediction) -> None:
        """The renderer no longer uses the prediction's folder, however the render ended."""
        if prediction.id not in self.predictions:
            self.store.remove(prediction)
            return
        if prediction.status == Status.RUNNING:
            if self.is_closing:
                self._requeue(prediction)
            else:  # the film could not be stored
                self.renderer_lost(prediction)
        self.store.end_render(prediction)
        self.pool.wake()

    # --- Inside -----------------------------------------------------------------------------------

    def _register(self, prediction: Prediction) -> None:
        self.predictions[prediction.id] = prediction
        self.by_reference[prediction.reference] = prediction
        self.by_file_token[prediction.file_token] = prediction

    def _unregister(self, prediction: Prediction) -> None:
        self.predictions.pop(prediction.id, None)
        self.by_reference.pop(prediction.reference, None)
        self.by_file_token.pop(prediction.file_token, None)
        self._dequeue(prediction)

    def _forget(self, prediction: Prediction) -> None:
        self._unregister(prediction)
        self.webhooks.forget(prediction.id)
        self.store.remove(prediction)

    def _dequeue(self, prediction: Prediction) -> None:
        self.without_photo.discard(prediction.id)
        with contextlib.suppress(ValueError):
            self.waiting.remove(prediction)

    def _requeue(self, prediction: Prediction, *, is_first: bool = True) -> None:
        prediction.status, prediction.progress = Status.QUEUED, 0.0
        self.waiting.insert(0 if is_first else len(self.waiting), prediction)
        self.store.save(prediction)
        self.pool.wake()

    def _restore(self, prediction: Prediction) -> None:
        """Register a prediction of an earlier process, and continue where that process stopped."""
        if prediction.is_expired(now=datetime.now(UTC)):
            self.store.remove(prediction)
            return
        prediction.origin = self._origin_now(prediction.origin)
        self._register(prediction)
        if prediction.is_final:
            self.store.end_render(prediction)
            if not prediction.is_told:
                self._send_webhook(prediction, prediction.status)
        elif prediction.start_count >= MAX_STARTS:
            self.failed(prediction, "render_failed")
        else:
            prediction.status, prediction.progress = Status.QUEUED, 0.0
            self.waiting.append(prediction)
            self.store.end_render(prediction)
            self.store.save(prediction)
            if not self.store.photo(prediction).exists():
                self.without_photo.add(prediction.id)
                self._prepare_photo(prediction)

    def _origin_now(self, origin: str) -> str:
        """Return the origin of film URLs now: on this machine the port may differ from the earlier process's."""
        if self.settings.public_url:
            return self.settings.public_url
        host = urlsplit(origin).hostname or ""
        if host in LOOPBACK and self.settings.port:
            return f"http://{f'[{host}]' if ':' in host else host}:{self.settings.port}"
        return origin

    def _prepare_photo(self, prediction: Prediction) -> None:
        """Make a prediction ready when its photo is stored, else fetch the photo."""
        if not self.store.photo(prediction).exists() and prediction.photo_url:
            self._start_task(self._fetch(prediction))
        else:
            self.without_photo.discard(prediction.id)
            self.pool.wake()

    async def _fetch(self, prediction: Prediction) -> None:
        try:
            photo = await fetch_photo(self.webhooks.session, prediction.photo_url)
        except PhotoNotFetched as error:
            logger.info("photo_not_there prediction=%s error=%s", prediction.id, error)
            self.failed(prediction, "unreadable_photo")
            return
        if not prediction.is_final:
            self.store.save_photo(prediction, photo)
            prediction.photo_url = ""
            self.store.save(prediction)
            self._prepare_photo(prediction)

    async def _clean_up_late(self, prediction: Prediction) -> None:
        """Correct the files of a prediction that was canceled or deleted while it was being stored."""
        if prediction.id in self.predictions:
            self.store.save(prediction)
            self.store.end_render(prediction)
        else:
            self.store.remove(prediction)

    def _end(self, prediction: Prediction, status: Status) -> None:
        """Make a prediction final. Its photo is removed, at the latest when the renderer has ended."""
        now = datetime.now(UTC)
        prediction.status = status
        prediction.finished_at, prediction.expires_at = timestamp(now), timestamp(now + self.settings.keep)
        self._dequeue(prediction)
        self.store.save(prediction)
        self.store.end_render(prediction)
        logger.info("prediction_%s prediction=%s code=%s", status, prediction.id, prediction.error_code or "-")
        self._send_webhook(prediction, status)

    def _send_webhook(self, prediction: Prediction, kind: str) -> None:
        """Send a webhook about a prediction, if it has one."""
        if not prediction.webhook:
            return
        # A restarted studio sends a final event with the same id again; the events of a new render have new ids.
        event_id = f"{prediction.id}.{kind}"
        if not prediction.is_final:
            event_id += f".{prediction.start_count}"
        if kind == "progress":
            event_id += f".{round(prediction.progress * 1000)}"
        now = timestamp(datetime.now(UTC))
        body = {"type": f"prediction.{kind}", "timestamp": now, "prediction": self.view(prediction)}
        event = Event(event_id, json.dumps(body).encode(), is_progress=kind == "progress")
        self.webhooks.send(prediction.id, prediction.webhook, event)

    def _on_webhook_accepted(self, prediction_id: str, event: Event) -> None:
        prediction = self.predictions.get(prediction_id)
        if prediction is not None and prediction.is_final and event.id == f"{prediction_id}.{prediction.status}":
            prediction.is_told = True
            self.store.save(prediction)

    def _seconds_until_room(self) -> int:
        done = max((prediction.progress for prediction in self.pool.running), default=0.0)
        return max(1, math.ceil(self.film_seconds * (1 - done)))

    def _start_task(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("task_crashed", exc_info=task.exception())

    async def _sweep(self) -> None:
        """Remove expired predictions, for as long as the studio runs."""
        while True:
            now = datetime.now(UTC)
            for prediction in list(self.predictions.values()):
                if prediction.is_expired(now=now):
                    self._forget(prediction)
                    logger.info("prediction_expired prediction=%s", prediction.id)
            await asyncio.sleep(SWEEP_SECONDS)
