"""Outgoing webhooks: signed by Standard Webhooks, in order per prediction, repeated until they are accepted.

A progress event is dropped when a newer event follows. All others are sent until the response is a 2xx, or a 410 ends
the prediction's webhooks, or `webhook_patience` (an hour) has passed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from providers import signatures

from .settings import StudioSettings

logger = logging.getLogger(__name__)

PROGRESS_PAUSE = 0.5  # seconds between two progress events of one prediction
KEPT_ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Event:
    """One webhook event. Its `id` is the same for every try; `body` is signed."""

    id: str
    body: bytes = field(repr=False)
    is_progress: bool = False


class EventQueue:
    """The events of one prediction, oldest first, and the task that sends them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.events: list[Event] = []
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.progress_at = 0.0  # monotonic; when the next progress event may be sent
        self.is_closed = False

    def add(self, event: Event) -> None:
        """Append an event, and drop progress events that are waiting."""
        self.events = [waiting for waiting in self.events if not waiting.is_progress] + [event]
        self.changed.set()

    def remove(self, event: Event) -> None:
        self.events = [waiting for waiting in self.events if waiting is not event]


class WebhookSender:
    """Sends the events of all predictions. `on_accepted` is called for each that was accepted, or answered by 410."""

    def __init__(self, settings: StudioSettings, on_accepted: Callable[[str, Event], None]) -> None:
        self.settings = settings
        self.on_accepted = on_accepted
        self.queues: dict[str, EventQueue] = {}
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100, keepalive_timeout=4.0),
            timeout=aiohttp.ClientTimeout(total=settings.webhook_seconds),
            headers={"User-Agent": "selfie-hero-studio/1"},
            auto_decompress=False,
        )

    def send(self, prediction_id: str, url: str, event: Event) -> None:
        """Queue an event behind all earlier ones of this prediction. Returns at once."""
        queue = self.queues.setdefault(prediction_id, EventQueue(url))
        if queue.is_closed:
            return
        queue.add(event)
        if queue.task is None or queue.task.done():
            queue.task = asyncio.create_task(self.send_all(prediction_id, queue))

    def forget(self, prediction_id: str) -> None:
        """Send no more events of this prediction."""
        queue = self.queues.pop(prediction_id, None)
        if queue is not None and queue.task is not None:
            queue.task.cancel()

    async def close(self) -> None:
        tasks = [queue.task for queue in self.queues.values() if queue.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.session.close()

    async def send_all(self, prediction_id: str, queue: EventQueue) -> None:
        """Send the events of a queue, one at a time."""
        while queue.events:
            event = queue.events[0]
            if event.is_progress and not await self.may_send_progress(queue):
                continue
            is_settled = await self.deliver(prediction_id, queue, event)
            queue.remove(event)
            if is_settled:
                self.on_accepted(prediction_id, event)

    async def may_send_progress(self, queue: EventQueue) -> bool:
        """Wait for the pause between progress events; return False when a newer event arrived meanwhile."""
        pause = queue.progress_at - time.monotonic()
        if pause > 0:
            queue.changed.clear()
            if await _set_within(queue.changed, pause):
                return False
        queue.progress_at = time.monotonic() + PROGRESS_PAUSE
        return True

    async def deliver(self, prediction_id: str, queue: EventQueue, event: Event) -> bool:
        """Send one event until it is accepted or answered by 410 (True), or is given up (False)."""
        give_up_at = time.monotonic() + self.settings.webhook_patience.total_seconds()
        first, longest = self.settings.webhook_backoff
        tries = 0
        while True:
            status = await self.post(queue.url, event)
            tries += 1
            if status is not None and 200 <= status < 300:
                return True
            if status == 410:
                logger.info("webhook_unwanted prediction=%s", prediction_id)
                queue.is_closed = True
                queue.events = []
                return True
            logger.info(
                "webhook_not_taken prediction=%s event=%s status=%s tries=%d", prediction_id, event.id, status, tries
            )
            pause = random.uniform(0, min(longest, first * 2 ** min(tries, 30)))  # noqa: S311 not a secret
            if event.is_progress:
                queue.changed.clear()
                if queue.events[0] is not event or await _set_within(queue.changed, pause):
                    return False
            else:
                await asyncio.sleep(pause)
            if time.monotonic() > give_up_at:
                logger.warning("webhook_given_up prediction=%s event=%s", prediction_id, event.id)
                return False

    async def post(self, url: str, event: Event) -> int | None:
        """Send an event once; return the response's status, or None."""
        now = int(time.time())
        secret = self.settings.credentials.webhook_secret
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signatures.sign(secret, message_id=event.id, timestamp=now, body=event.body),
        }
        try:
            async with self.session.post(url, data=event.body, headers=headers, allow_redirects=False) as answer:
                await answer.content.read(KEPT_ANSWER_BYTES)
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
