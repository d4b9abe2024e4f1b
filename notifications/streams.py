"""The connection of one waiting page as server-sent events, for networks that let no socket through.

    GET /api/v1/jobs/<id>/stream/ ─► retry, then `event: snapshot` with the seq as its id: the present, every newer one
                                  ─► a comment every 15 s, so that no proxy between takes the connection for dead
                                  ─► `event: end` with a socket's close code, and the end of the response

It is an ASGI application of its own beside the bridge to Django: a stream lasts minutes, and the bridge has but a few
threads. The first snapshot is the present whatever the page has seen, and holds all that it missed; only a page that
has the last one already (Last-Event-ID) gets 204, which ends an EventSource for good.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from channels.exceptions import StopConsumer
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from common.problem import CONTENT_TYPE
from common.security_headers import of_data
from jobs import identity
from jobs.intake import problems

from . import messages
from .consumers import DONE, NO_SUCH_JOB, JobConnection, headers_of

HEARTBEAT_SECONDS = 15.0
# A browser's own wait before it connects again. Each gets another one: a restart disconnects all pages at once.
RETRY_MILLISECONDS = (1_000, 10_000)
BUSY_SECONDS = 5

_ADDRESS = re.compile(r"/api/v1/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/stream/?", re.IGNORECASE)
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),  # nginx would keep it until its buffer is full
]
Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Streams:
    """Answers for the streams of jobs; every other request goes to `http`."""

    def __init__(self, http: Application) -> None:
        self.http = http

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        found = _ADDRESS.fullmatch(scope["path"])
        if found is None:
            await self.http(scope, receive, send)
        else:
            await JobStream().answer(UUID(found[1]), scope, receive, send)


class JobStream(JobConnection):
    """A page connected by an event stream."""

    async def answer(self, job_id: UUID, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.begin(job_id, send)
        self.has_started = False
        headers = headers_of(scope)
        self.last_seen = headers.get("last-event-id", "")
        with translation.override(messages.language_of(headers)):
            await self.answer_in_its_language(scope, headers, receive)

    async def answer_in_its_language(self, scope: dict[str, Any], headers: dict[str, str], receive: Any) -> None:
        if scope["method"] != "GET":
            await self.refuse(problems.Problem(405, "method_not_allowed", _("This address does not do that.")))
        elif not identity.is_same_origin_handshake(headers):
            await self.refuse(problems.Problem(403, "forbidden", _("This request came from another site.")))
        else:
            await self.serve(headers, receive)

    def other_events(self) -> tuple[Callable[[], Awaitable[dict[str, Any]]], ...]:
        return (self.heartbeat,)

    async def heartbeat(self) -> dict[str, Any]:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        return {"type": "heartbeat"}

    async def dispatch(self, message: dict[str, Any]) -> None:
        if message["type"] == "heartbeat":
            await self.write(": still here\n\n")
        elif message["type"] == "http.disconnect":
            # A code means that our server drains: the page is still connected and gets it.
            if "code" in message:
                await self.close(message["code"])
            raise StopConsumer
        await super().dispatch(message)
        if self.is_closed:
            raise StopConsumer

    async def forward(self, seq: int, is_final: bool, text: str) -> None:
        """Send a newer snapshot; nothing comes after the last one."""
        if is_final and not self.has_started and self.last_seen == str(seq):
            self.is_closed = True
            await self.respond(204, [], b"")
            return
        await super().forward(seq, is_final, text)
        if is_final:
            await self.close(DONE)

    async def follow(self, receive: Any) -> None:
        if not self.is_closed:
            await super().follow(receive)

    # --- The wire -----------------------------------------------------------------------------------

    async def send_snapshot(self, seq: int, text: str) -> None:
        await self.write(f"event: snapshot\nid: {seq}\ndata: {text}\n\n")

    async def end_connection(self, code: int) -> None:
        if self.has_started:
            await self.write(f"retry: {random.randint(*RETRY_MILLISECONDS)}\n")  # noqa: S311 spreads, hides nothing
            await self.write(f"event: end\ndata: {json.dumps({'code': code})}\n\n", is_last=True)
        elif code == NO_SUCH_JOB:
            await self.refuse(problems.not_found())
        else:
            detail = _("Live news pause for a moment. The job goes on.")
            await self.refuse(problems.Problem(503, "unavailable", detail, retry_after=BUSY_SECONDS))

    async def write(self, text: str, *, is_last: bool = False) -> None:
        if not self.has_started:
            self.has_started = True
            await self.base_send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": _HEADERS + of_data(hsts_seconds=settings.SECURE_HSTS_SECONDS),
                }
            )
            text = f"retry: {random.randint(*RETRY_MILLISECONDS)}\n\n{text}"  # noqa: S311 as above, it hides nothing
        await self.base_send({"type": "http.response.body", "body": text.encode(), "more_body": not is_last})

    async def refuse(self, problem: problems.Problem) -> None:
        headers = [(b"content-type", CONTENT_TYPE.encode())]
        if problem.retry_after is not None:
            headers.append((b"retry-after", b"%d" % problem.retry_after))
        await self.respond(problem.status_code, headers, json.dumps(problem.body()).encode())

    async def respond(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if status != 204:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self.base_send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": headers + of_data(hsts_seconds=settings.SECURE_HSTS_SECONDS),
            }
        )
        await self.base_send({"type": "http.response.body", "body": body})
