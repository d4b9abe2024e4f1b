"""The connection of one waiting page: a snapshot on connect, then every newer one.

A socket here (`JobConsumer`), an event stream in `streams`; `JobConnection` is what both share.

    connect ─► join the job's group ─► read the row once ─► send it
    message from the group ─► forward it when it is newer than what was sent

The first snapshot is sent whatever ?after= says the page has: it shows the page that the connection works, and the
position in the queue and signed addresses may be new although the `seq` is not.

Joining comes first, so no change falls between reading and listening. The layer may drop messages; the page reads
again over HTTP. While the layer is away the socket stays open, and `fallback_polling` reads the rows for it.

Channels runs all database calls of a process's consumers on one thread, so one slow query would stall every page; reads
here have threads of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer
from channels.utils import await_many_dispatch
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from jobs import identity, snapshots

from . import messages
from .fallback_polling import fallback_poller
from .layer import AWAY

logger = logging.getLogger(__name__)

DONE, POLICY_VIOLATED, TRY_LATER, NO_SUCH_JOB = 1000, 1008, 1013, 4404
# The page has nothing to send; a few frames are ignored.
MOST_FRAMES = 20
# One person's tabs and phones, by socket or stream. More of them poll.
MOST_SOCKETS_PER_JOB = 20
AFTER_FINAL_SECONDS = 60.0
# The client of the layer gives up after half a second by itself; thousands may be joining at once.
JOIN_SECONDS = 5.0
# Stands for what somebody else published to a job's group; nobody dispatches it.
FOREIGN = {"type": "foreign"}
# A user's line looks again whether it may stay: soon, for what happened while it joined, then now and then.
FIRST_CHECK_SECONDS, CHECK_SECONDS = 3.0, 60.0
# The page gets its snapshot after this all the same.
GREET_SECONDS = 0.8

# Two connections to the database for all sockets: one slow query does not hold all of them.
_threads = ThreadPoolExecutor(2, thread_name_prefix="sockets")


def read(job_id: UUID, headers: dict[str, str]) -> tuple[messages.Body | None, str]:
    """Return the job as its owner sees it, None for anyone else; and who asks."""
    owner, opened = identity.owner_of_headers(headers), identity.opened_by_headers(headers, now=timezone.now())
    return (snapshots.read(job_id, owner, opened) if owner or opened else None), owner


read_in_thread = database_sync_to_async(read, thread_sensitive=False, executor=_threads)


class JobConnection(AsyncConsumer):
    """Sends one page the snapshots of one job; subclasses say over what."""

    def begin(self, job_id: UUID, send: Any) -> None:
        self.base_send = send
        self.job_id = job_id
        self.group = messages.job_group(job_id)
        self.channel_layer, self.channel_name = get_channel_layer(), ""
        self.language = settings.LANGUAGE_CODE
        self.sent_seq = -1
        self.is_joined = asyncio.Event()
        self.joining: asyncio.Future[bool] | None = None
        self.is_closed = self.has_followed = False
        self.owner_group = ""
        self.is_by_link = False
        self.check_after = FIRST_CHECK_SECONDS
        self.ends_at: float | None = None
        self.patience: asyncio.Timeout | None = None

    async def serve(self, headers: dict[str, str], receive: Any) -> None:
        """Send snapshots until the page leaves or the connection is closed."""
        self.language, self.headers = messages.language_of(headers), headers
        self.is_by_link = f"{settings.MAGIC_LINK_COOKIE_NAME}=" in headers.get("cookie", "")
        try:
            if await self.greet(headers):
                await self.follow(receive)
        finally:
            await self.leave()

    # --- What a transport does ----------------------------------------------------------------------

    async def send_snapshot(self, seq: int, text: str) -> None:
        """Send one snapshot to the page."""
        raise NotImplementedError

    async def end_connection(self, code: int) -> None:
        """End the connection with a close code of WebSocket."""
        raise NotImplementedError

    # --- What all of them do --------------------------------------------------------------------------

    async def greet(self, headers: dict[str, str]) -> bool:
        """Send the present snapshot; return False when the connection is closed already."""
        if "cookie" not in headers and "authorization" not in headers:
            return await self.close(NO_SUCH_JOB)
        is_one_too_many = fallback_poller.count(self.job_id) >= MOST_SOCKETS_PER_JOB
        if not is_one_too_many and not fallback_poller.is_away:
            self.joining = asyncio.ensure_future(self.join())
            await asyncio.wait({self.joining}, timeout=GREET_SECONDS)
        try:
            body, owner = await read_in_thread(self.job_id, headers)
        except (OperationalError, InterfaceError) as error:
            logger.warning("socket_not_read error=%s", type(error).__name__)
            return await self.close(TRY_LATER)
        if body is None:
            return await self.close(NO_SUCH_JOB)
        await self.forward(body["seq"], messages.is_final(body), messages.text_of(body, self.language))
        if is_one_too_many:
            return await self.close(TRY_LATER)
        if not self.is_joined.is_set():
            fallback_poller.layer_failed()
        fallback_poller.watch(self)
        if owner.startswith("u:"):
            self.owner_group = messages.owner_group(owner)
            await self.join_owner()
        return True

    async def follow(self, receive: Any) -> None:
        """Forward until the page leaves, or a while after the job's end."""
        self.has_followed = True
        try:
            async with asyncio.timeout_at(self.ends_at) as patience:
                self.patience = patience
                wakers = [receive, self.next_message, *self.other_events(), *self.checks()]
                await await_many_dispatch(wakers, self.dispatch)
        except StopConsumer:
            pass
        except TimeoutError:
            if not patience.expired():
                raise
            await self.close(DONE)

    def other_events(self) -> tuple[Callable[[], Awaitable[dict[str, Any]]], ...]:
        """Return what else wakes this connection, besides the page and the layer."""
        return ()

    # --- Access: visitors keep their cookie, users log out, magic links are ended ------------------------

    def checks(self) -> tuple[Callable[[], Awaitable[dict[str, Any]]], ...]:
        """Return what makes a connection that may lose its access check again, also when nobody says so."""
        return (self.check_is_due,) if self.owner_group or self.is_by_link else ()

    async def check_is_due(self) -> dict[str, Any]:
        await asyncio.sleep(self.check_after)
        self.check_after = CHECK_SECONDS
        return messages.ACCESS_CHANGED

    async def check_access(self) -> None:
        """End the connection when what it was opened with opens this job no more."""
        try:
            body, _owner = await read_in_thread(self.job_id, self.headers)
        except (OperationalError, InterfaceError):
            return  # nobody can tell now; the next check does
        if body is None:
            await self.close(NO_SUCH_JOB)

    # --- Messages: none about a job touches the database ---------------------------------------------

    async def dispatch(self, message: dict[str, Any]) -> None:
        if message["type"] == "job.changed":
            await self.on_job_changed(message)
        elif message["type"] == "access.changed":
            await self.check_access()

    async def on_job_changed(self, message: dict[str, Any]) -> None:
        """Forward what changed, in the language of the page."""
        await self.forward(message["seq"], message["is_final"], messages.text_for(message, self.language))

    async def forward(self, seq: int, is_final: bool, text: str) -> None:
        """Send a snapshot unless a newer one was sent; after the last one the page may stay for a minute."""
        if is_final and self.ends_at is None:
            self.ends_at = asyncio.get_running_loop().time() + AFTER_FINAL_SECONDS
            if self.patience is not None:
                self.patience.reschedule(self.ends_at)
        if seq > self.sent_seq:
            self.sent_seq = seq
            await self.send_snapshot(seq, text)

    async def next_message(self) -> dict[str, Any]:
        await self.is_joined.wait()
        try:
            message = await self.channel_layer.receive(self.channel_name)
        except (ValueError, TypeError, RecursionError):  # no message of ours: the layer unpacks what anybody published
            return FOREIGN
        is_ours = message == messages.ACCESS_CHANGED or messages.is_job_changed(message)
        return message if is_ours else FOREIGN

    async def close(self, code: int) -> bool:
        """End the connection; return False, for the caller to return."""
        if not self.is_closed:
            self.is_closed = True
            await self.end_connection(code)
        return False

    # --- The layer ------------------------------------------------------------------------------------

    async def join(self) -> bool:
        """Join the job's group; return False when the layer is away, and try again later. Safe to repeat."""
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                if not self.channel_name:
                    self.channel_name = await self.channel_layer.new_channel()
                await self.channel_layer.group_add(self.group, self.channel_name)
        except AWAY as error:
            if not fallback_poller.is_away:
                logger.warning("socket_not_joined error=%s", type(error).__name__)
            fallback_poller.layer_failed()
            return False
        self.is_joined.set()
        return await self.join_owner()

    async def join_owner(self) -> bool:
        """Join the group of the user whose line this is, if it is one; return False when the layer is away."""
        if not self.owner_group or not self.is_joined.is_set():
            return True
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await self.channel_layer.group_add(self.owner_group, self.channel_name)
        except AWAY:
            fallback_poller.layer_failed()
            return False
        return True

    async def leave(self) -> None:
        fallback_poller.forget(self)
        if self.joining is not None:
            await asyncio.wait({self.joining})
        if not self.channel_name:
            return
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(JOIN_SECONDS):
                await self.channel_layer.group_discard(self.group, self.channel_name)
                if self.owner_group:
                    await self.channel_layer.group_discard(self.owner_group, self.channel_name)
        if not (self.has_followed and self.is_joined.is_set()):
            await self.forget_channel()

    async def forget_channel(self) -> None:
        """Let the layer forget a channel that was never read: it does so when a reader is canceled."""
        reader = asyncio.ensure_future(self.channel_layer.receive(self.channel_name))
        await asyncio.sleep(0)
        reader.cancel()
        with contextlib.suppress(asyncio.CancelledError, *AWAY):
            await reader


class JobConsumer(JobConnection):
    """A page connected by WebSocket."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.begin(scope["url_route"]["kwargs"]["job_id"], send)
        self.frame_count = 0
        await receive()
        # Refusing the handshake would hide the reason: browsers read the code of an open socket only.
        await send({"type": "websocket.accept"})
        await self.serve(headers_of(scope), receive)

    async def dispatch(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.receive":
            self.frame_count += 1
            if self.frame_count > MOST_FRAMES:
                await self.close(POLICY_VIOLATED)
                raise StopConsumer
        elif message["type"] == "websocket.disconnect":
            raise StopConsumer
        await super().dispatch(message)

    async def send_snapshot(self, seq: int, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})

    async def end_connection(self, code: int) -> None:
        await self.base_send({"type": "websocket.close", "code": code})


def headers_of(scope: dict[str, Any]) -> dict[str, str]:
    """Return the handshake's headers with lower-case names; what came in several is joined as HTTP says."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in headers:
            value = headers[name] + ("; " if name == "cookie" else ",") + value
        headers[name] = value
    return headers
