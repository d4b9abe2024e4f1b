"""Webhooks out: signed by Standard Webhooks, in order per prediction, repeated until they are taken.

A progress event gives way to anything newer. All others are kept until a 2xx takes them, a 410 says
that nobody wants any more, or an hour has passed.
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
    """One thing to tell. `id` stays the same however often it is sent; `body` is what is signed."""

    id: str
    body: bytes = field(repr=False)
    is_progress: bool = False


class Line:
    """The events of one prediction, oldest first, and the task that sends them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.events: list[Event] = []
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.progress_at = 0.0  # monotonic; when the next progress event may be sent
        self.is_refused = False

    def add(self, event: Event) -> None:
        """Put an event at the end; a progress event that waits gives way to it."""
        self.events = [waiting for waiting in self.events if not waiting.is_progress] + [event]
        self.changed.set()

    def take_off(self, event: Event) -> None:
        self.events = [waiting for waiting in self.events if waiting is not event]


class Messenger:
    """Sends the events of all predictions. `on_taken` hears of each event that was taken or refused for good."""

    def __init__(self, settings: StudioSettings, on_taken: Callable[[str, Event], None]) -> None:
        self.settings = settings
        self.on_taken = on_taken
        self.lines: dict[str, Line] = {}
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=100, keepalive_timeout=4.0),
            timeout=aiohttp.ClientTimeout(total=settings.webhook_seconds),
            headers={"User-Agent": "selfie-hero-studio/1"},
            auto_decompress=False,
        )

    def send(self, prediction_id: str, url: str, event: Event) -> None:
        """Send an event after all earlier ones of this prediction. Returns at once."""
        line = self.lines.setdefault(prediction_id, Line(url))
        if line.is_refused:
            return
        line.add(event)
        if line.task is None or line.task.done():
            line.task = asyncio.create_task(self.work(prediction_id, line))

    def forget(self, prediction_id: str) -> None:
        """Send nothing more of this prediction."""
        line = self.lines.pop(prediction_id, None)
        if line is not None and line.task is not None:
            line.task.cancel()

    async def close(self) -> None:
        tasks = [line.task for line in self.lines.values() if line.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.session.close()

    async def work(self, prediction_id: str, line: Line) -> None:
        """Send what waits in this line, one event at a time."""
        while line.events:
            event = line.events[0]
            if event.is_progress and not await self.may_send_progress(line):
                continue
            is_settled = await self.deliver(prediction_id, line, event)
            line.take_off(event)
            if is_settled:
                self.on_taken(prediction_id, event)

    async def may_send_progress(self, line: Line) -> bool:
        """Keep the pause between progress events; return False when something newer came meanwhile."""
        pause = line.progress_at - time.monotonic()
        if pause > 0:
            line.changed.clear()
            if await _set_within(line.changed, pause):
                return False
        line.progress_at = time.monotonic() + PROGRESS_PAUSE
        return True

    async def deliver(self, prediction_id: str, line: Line, event: Event) -> bool:
        """Send one event until it is taken or refused for good (True), or is given up (False)."""
        give_up_at = time.monotonic() + self.settings.webhook_patience.total_seconds()
        first, longest = self.settings.webhook_backoff
        tries = 0
        while True:
            status = await self.post(line.url, event)
            tries += 1
            if status is not None and 200 <= status < 300:
                return True
            if status == 410:
                logger.info("webhook_unwanted prediction=%s", prediction_id)
                line.is_refused = True
                line.events = []
                return True
            logger.info(
                "webhook_not_taken prediction=%s event=%s status=%s tries=%d", prediction_id, event.id, status, tries
            )
            pause = random.uniform(0, min(longest, first * 2 ** min(tries, 30)))  # noqa: S311 not a secret
            if event.is_progress:
                line.changed.clear()
                if line.events[0] is not event or await _set_within(line.changed, pause):
                    return False
            else:
                await asyncio.sleep(pause)
            if time.monotonic() > give_up_at:
                logger.warning("webhook_given_up prediction=%s event=%s", prediction_id, event.id)
                return False

    async def post(self, url: str, event: Event) -> int | None:
        """Send an event once; return the status it was answered with, or None."""
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
