"""Signed webhooks: in order within a prediction, repeated with backoff until they are taken or it is too late."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import aiohttp

from ..signatures import sign
from .settings import StudioSettings

logger = logging.getLogger(__name__)

PROGRESS = "progress"
PROGRESS_EVERY_SECONDS = 0.5
BACKOFF_FIRST, BACKOFF_CAP = 0.5, 60.0


class _Message:
    def __init__(self, kind: str, url: str, payload: dict[str, Any], on_taken: Callable[[], None]) -> None:
        self.id = f"msg_{uuid.uuid4().hex}"
        self.kind = kind
        self.url = url
        self.body = json.dumps(
            {"type": f"prediction.{kind}", "timestamp": time.time(), "prediction": payload}, separators=(",", ":")
        ).encode()
        self.on_taken = on_taken
        self.give_up_at = 0.0


class WebhookSender:
    """Sends what predictions have to tell; one task for each prediction that has something to say."""

    def __init__(self, settings: StudioSettings, secret: str) -> None:
        self._settings = settings
        self._secret = secret
        self._lines: dict[str, deque[_Message]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._progress_at: dict[str, float] = {}

    def tell(
        self,
        prediction_id: str,
        url: str,
        kind: str,
        payload: dict[str, Any],
        on_taken: Callable[[], None] = lambda: None,
    ) -> None:
        """Send one event. Of progress only the newest waits; every other kind is kept."""
        if not url:
            return
        line = self._lines.setdefault(prediction_id, deque())
        message = _Message(kind, url, payload, on_taken)
        if kind == PROGRESS:
            if line and line[-1].kind == PROGRESS:
                line.pop()
            elif time.monotonic() - self._progress_at.get(prediction_id, 0.0) < PROGRESS_EVERY_SECONDS and not line:
                return
        message.give_up_at = time.monotonic() + self._settings.webhook_give_up_seconds
        line.append(message)
        if prediction_id not in self._tasks:
            self._tasks[prediction_id] = asyncio.create_task(self._work_off(prediction_id))

    def forget(self, prediction_id: str) -> None:
        """Send nothing more of this prediction."""
        self._lines.pop(prediction_id, None)
        self._progress_at.pop(prediction_id, None)
        task = self._tasks.pop(prediction_id, None)
        if task:
            task.cancel()

    async def close(self) -> None:
        """Stop sending."""
        for prediction_id in list(self._tasks):
            self.forget(prediction_id)
        if self._session:
            await self._session.close()

    async def _work_off(self, prediction_id: str) -> None:
        try:
            line = self._lines[prediction_id]
            while line:
                message = line.popleft()
                await self._deliver(message, line)
                if message.kind == PROGRESS:
                    self._progress_at[prediction_id] = time.monotonic()
        finally:
            if self._tasks.get(prediction_id) is asyncio.current_task():
                self._tasks.pop(prediction_id, None)
                self._lines.pop(prediction_id, None)

    async def _deliver(self, message: _Message, line: deque[_Message]) -> None:
        tries = 0
        while time.monotonic() < message.give_up_at:
            status = await self._post(message)
            if status is not None and 200 <= status < 300:
                message.on_taken()
                return
            if status == 410:
                return
            if message.kind == PROGRESS and line:
                return
            tries += 1
            if tries in (1, 5, 20):
                logger.warning("studio_webhook_refused message=%s kind=%s tries=%d", message.id, message.kind, tries)
            await asyncio.sleep(random.uniform(0, min(BACKOFF_CAP, BACKOFF_FIRST * 2**tries)))  # noqa: S311

    async def _post(self, message: _Message) -> int | None:
        """Return the HTTP status, or None when there was no answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._settings.webhook_seconds), trust_env=False
            )
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._secret, message_id=message.id, timestamp=timestamp, body=message.body),
        }
        try:
            async with self._session.post(
                message.url, data=message.body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None
