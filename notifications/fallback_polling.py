"""Fallback polling: reads the rows for all open sockets together while the channel layer is away.

    every POLL_SECONDS, while a socket is open: does Redis answer?
      yes ─► sockets that could not join do so now
      no, or it was away within TAIL_SECONDS ─► read the `seq` of all jobs watched here ─► snapshots of the newer ones

Five thousand pages that poll instead would be 2,500 requests a second; this is ten short queries every two. After an
outage it goes on for a while: the layer needs a moment to subscribe again, and so do those who publish.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from uuid import UUID

import redis.asyncio
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError

from common import redis_clients
from jobs import snapshots
from jobs.models import Job

from . import messages
from .layer import AWAY

if TYPE_CHECKING:
    from .consumers import JobConnection

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
TAIL_SECONDS = 10.0
BATCH = 500
# Sockets that join again after an outage, per poll and process: thousands at once would hold up the loop.
JOINS = 500

_thread = ThreadPoolExecutor(1, thread_name_prefix="fallback-polling")


def newer(known: dict[UUID, int]) -> list[messages.Body]:
    """Return the snapshots of those of these jobs that are further than the `seq` beside them."""
    changed, ids = [], list(known)
    for first in range(0, len(ids), BATCH):
        rows = Job.objects.filter(id__in=ids[first : first + BATCH]).values_list("id", "seq")
        changed += [job_id for job_id, seq in rows if seq > known[job_id]]
    return [
        body
        for first in range(0, len(changed), BATCH)
        for body in snapshots.snapshots_for(changed[first : first + BATCH])
    ]


newer_in_thread = database_sync_to_async(newer, thread_sensitive=False, executor=_thread)


class FallbackPoller:
    """The open sockets of this process, and one task that polls for them while there are any."""

    def __init__(self) -> None:
        self.watched: dict[UUID, set[JobConnection]] = defaultdict(set)
        self.away_at = float("-inf")
        self._task: asyncio.Task | None = None
        self._has_failed = False

    def watch(self, consumer: JobConnection) -> None:
        self.watched[consumer.job_id].add(consumer)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def forget(self, consumer: JobConnection) -> None:
        group = self.watched.get(consumer.job_id, set())
        group.discard(consumer)
        if not group:
            self.watched.pop(consumer.job_id, None)

    @property
    def is_away(self) -> bool:
        """Whether the layer failed since about the last poll, so that no other socket has to wait for it."""
        return time.monotonic() - self.away_at < POLL_SECONDS + 1.0

    def count(self, job_id: UUID) -> int:
        """Return how many sockets of a job are open here."""
        return len(self.watched[job_id]) if job_id in self.watched else 0

    def layer_failed(self) -> None:
        """Note that a socket found the layer away."""
        self.away_at = time.monotonic()

    async def _run(self) -> None:
        clients = [
            redis_clients.async_client(url, timeout=settings.REDIS_TIMEOUT) for url in settings.CHANNELS_REDIS_URLS
        ]
        try:
            while self.watched:
                await asyncio.sleep(POLL_SECONDS)
                try:
                    await self._poll(clients)
                except Exception:
                    logger.exception("fallback_polling_failed")
        finally:
            for client in clients:
                with contextlib.suppress(*AWAY):
                    await client.aclose()

    async def _poll(self, clients: Sequence[redis.asyncio.Redis]) -> None:
        try:
            await asyncio.gather(*(client.ping() for client in clients))
        except AWAY:
            self.layer_failed()
        else:
            await self._join_again()
        if time.monotonic() - self.away_at < TAIL_SECONDS:
            await self._send_newer()

    async def _join_again(self) -> None:
        outside = [one for group in self.watched.values() for one in group if not one.is_joined.is_set()]
        for consumer in outside[:JOINS]:
            if not await consumer.join():
                return

    async def _send_newer(self) -> None:
        """Send what is newer than what each page was sent; nothing while the database is away."""
        known = {job_id: min(one.sent_seq for one in group) for job_id, group in self.watched.items() if group}
        try:
            bodies = await newer_in_thread(known)
        except (OperationalError, InterfaceError) as error:
            if not self._has_failed:
                logger.warning("fallback_polling_without_database error=%s", type(error).__name__)
            self._has_failed = True
            return
        self._has_failed = False
        for body in bodies:
            message = messages.job_changed(body)
            for consumer in list(self.watched.get(UUID(body["id"]), ())):
                with contextlib.suppress(Exception):  # this one leaves just now; its own task says why
                    await consumer.on_job_changed(message)


fallback_poller = FallbackPoller()
