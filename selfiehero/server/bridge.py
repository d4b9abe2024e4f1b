"""Django's WSGI handler inside an ASGI server, on a fixed set of threads.

    loop                                           threads (WEB_THREADS)
    collect the body, on disk when it is large ──► run the view, read the first block ┐
    send it, wait until the client has taken it ◄─────────────────────────────────────┘
                                               ──► read the next block …

Database connections live as long as their threads, so Django reuses them. No thread waits for a client: bodies are
collected before a thread is taken, and between two blocks of a film its thread serves others. So a streaming body may
be continued by another thread and must hold no transaction.

When a client disconnects, the view under way ends by itself and its response is closed.

Why not a2wsgi: it has fixed threads too, but a thread of it reads the body from the client and sends the response to
the client. Measured with one thread: beside one upload or download that stalls, another request is not answered within
two seconds; here it is. A small request costs 620 us of CPU there and 145 us here. It also has no bound on how many
requests wait (here a 503 with Retry-After), no limit on bodies, and does not close the response of a client that left
(docs/decisions/0005-wsgi-bridge.md).

Requests that are slow by nature have threads of their own (SLOW): a password's hash takes a quarter of a second of a
core on purpose, and a file that is searched for a watermark up to two, so a crowd that guesses passwords or drops files
would hold all threads and cores that serve everybody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import RLock
from typing import IO, Any

from django.conf import settings

from common.problem import CONTENT_TYPE
from common.security_headers import of_data
from selfiehero.redaction import shown

from . import admission, busy
from .environ import Scope, environ_of
from .limits import WEBHOOK_PREFIX, body_limit, problem, too_large

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# A server that has the whole body already hands it over here, and it is not copied.
BODY_EXTENSION = "selfiehero.body"
# What is read from a streaming response before the client is waited for.
BLOCK_BYTES = 256 * 1024
SPOOL_BYTES = 64 * 1024
# Requests that may wait for a thread; more get a 503, except webhooks and health checks, which always wait.
MOST_WAITING = 500
# The longest wait for a thread. When all of them hang, so does the database, and that may take long.
LONGEST_WAIT_SECONDS = 8.0
UNSHED_PREFIXES = (WEBHOOK_PREFIX, "/healthz", "/readyz")
# Where posts are slow, and how many may wait: the forms of the admin that check or set a password; strangers' files.
SLOW = {
    "passwords": (re.compile(r"/admin/(login/|password_change/|auth/user/(add/|\d+/password/))"), 30),
    "files": (re.compile(r"/verify/"), 8),
}
# For each of them: half of the cores at most.
SLOW_THREADS = max(1, (os.cpu_count() or 1) // 2)

logger = logging.getLogger(__name__)


class ClientGone(Exception):
    """The client disconnected before its request was complete."""


class NoThread(Exception):
    """No thread became free in time."""


@dataclass
class WsgiResponse:
    """A response under way: its head, its first block, and what is left of it."""

    status: int
    headers: Headers
    block: bytes
    rest: Iterator[bytes] | None
    iterable: Iterable[bytes]  # what the application returned (PEP 3333)
    lock: RLock = field(default_factory=RLock, repr=False)  # closing waits for a block that is being read

    def next_block(self) -> bytes:
        """Return the next block; `rest` is None when it was the last."""
        with self.lock:
            if self.rest is None:
                return b""
            self.block = take(self.rest, BLOCK_BYTES)
            if len(self.block) < BLOCK_BYTES:
                self.close()
            return self.block

    def close(self) -> None:
        """Let Django and the view release what the response holds. Safe to repeat."""
        with self.lock:
            self.rest = None
            close, self.iterable = getattr(self.iterable, "close", None), ()
            if close is not None:
                close()


class Bridge:
    """An ASGI application for HTTP that runs a WSGI application on `threads` threads; what is SLOW has a few more."""

    def __init__(self, application: Callable, *, threads: int) -> None:
        self.application = application
        self.threads = threads
        self.lanes = self.slow_lanes()
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=self.thread_name)
        self.awaited = 0  # pieces of work that wait for a thread or are in one
        self.abandoned: set[Future] = set()  # in a thread, although its client has gone

    thread_name = "django"

    def slow_lanes(self) -> list[SlowLane]:
        return [
            SlowLane(self.application, name=name, path=path, most_waiting=most) for name, (path, most) in SLOW.items()
        ]

    @property
    def most_waiting(self) -> int:
        return MOST_WAITING

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            for lane in self.lanes:
                if lane.path.match(scope["path"]):
                    await lane(scope, receive, send)
                    return
        if self.is_overrun(scope["path"]):
            await send_busy(scope, send, retry_after=2)
            return
        if BODY_EXTENSION not in scope.get("extensions", {}) and (refusal := await weighed(scope)):
            await send_refusal(scope, send, refusal)
            return
        try:
            body, length = await collect(scope, receive)
        except ClientGone:
            return
        except OverflowError:
            status, said = too_large(scope["path"])
            await send_plain(send, status, said, [(b"connection", b"close")])
            return
        try:
            environ, is_head = environ_of(scope, body, length), scope["method"] == "HEAD"
            environ[admission.DECIDED] = True
            answer = await self.run(self.begin, time.monotonic(), environ, is_head, patience=LONGEST_WAIT_SECONDS)
        except NoThread:
            body.close()
            self.waited(LONGEST_WAIT_SECONDS)
            await send_busy(scope, send, retry_after=5)
            return
        except Exception:
            # Django answers its views' errors; this one came while its response was read.
            logger.exception("request_failed path=%s", shown(scope["path"]))
            await send_plain(send, 500, FAILED, [])
            return
        await self.send(answer, receive, send)

    def is_overrun(self, path: str) -> bool:
        return self.awaited >= self.threads + self.most_waiting and not path.startswith(UNSHED_PREFIXES)

    def close(self) -> None:
        """Take no more work. Threads that are in a view end by themselves."""
        self.executor.shutdown(wait=False, cancel_futures=True)
        for lane in self.lanes:
            lane.close()

    @property
    def is_busy(self) -> bool:
        return bool(self.awaited or self.abandoned or any(lane.is_busy for lane in self.lanes))

    async def run(self, function: Callable, *arguments: Any, patience: float | None = None) -> Any:
        """Run a function in one of the threads; close what it returns when its client has gone meanwhile.

        Raise NoThread when none began it within `patience`: then it never runs.
        """
        work: Future = self.executor.submit(function, *arguments)
        is_given_up = False

        def give_up() -> None:
            nonlocal is_given_up
            is_given_up = work.cancel()  # does nothing once it runs

        self.awaited += 1
        timer = asyncio.get_running_loop().call_later(patience, give_up) if patience else None
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            if is_given_up:
                raise NoThread from None
            self.abandoned.add(work)
            work.add_done_callback(self.clear_away)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self.awaited -= 1

    def clear_away(self, work: Future) -> None:
        """Close the response of a view whose client has gone."""
        self.abandoned.discard(work)
        if not work.cancelled() and work.exception() is None and isinstance(answer := work.result(), WsgiResponse):
            answer.close()

    def begin(self, queued_at: float, environ: dict[str, Any], is_head: bool) -> WsgiResponse:
        self.waited(time.monotonic() - queued_at)
        return self.start(environ, is_head)

    def waited(self, seconds: float) -> None:
        """Note how long a request waited for one of these threads."""
        admission.gate.door.waited(seconds)

    def start(self, environ: dict[str, Any], is_head: bool) -> WsgiResponse:
        """Run the view and read the first block, which is all of most responses."""
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable:
            head[:] = [
                int(status[:3]),
                [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            ]
            return lambda data: None

        try:
            iterable = self.application(environ, start_response)
        finally:
            environ["wsgi.input"].close()
        answer = WsgiResponse(head[0], head[1], b"", iter(iterable), iterable)
        if is_head:
            answer.close()
            return answer
        try:
            answer.next_block()
        except BaseException:
            answer.close()
            raise
        return answer

    async def send(self, answer: WsgiResponse, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        if answer.rest is None:
            await send({"type": "http.response.body", "body": answer.block})
            return
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await send({"type": "http.response.body", "body": answer.block, "more_body": True})
            while answer.rest is not None and not gone.done():
                block = await self.run(answer.next_block)
                await send({"type": "http.response.body", "body": block, "more_body": answer.rest is not None})
        finally:
            gone.cancel()
            if answer.rest is not None:
                with contextlib.suppress(RuntimeError):  # the threads are shut down
                    await self.run(answer.close)


class SlowLane(Bridge):
    """The few threads for one kind of what is SLOW; a request that finds too many waiting gets a 503."""

    def __init__(self, application: Callable, *, name: str, path: re.Pattern[str], most_waiting: int) -> None:
        self.thread_name, self.path, self._most_waiting = name, path, most_waiting
        super().__init__(application, threads=SLOW_THREADS)

    def slow_lanes(self) -> list[SlowLane]:
        return []

    @property
    def most_waiting(self) -> int:
        return self._most_waiting

    def waited(self, seconds: float) -> None:
        """It is slow by nature: that says nothing of the door."""


FAILED = problem(500, "internal_error", "Internal server error", "Something went wrong on our side.")


async def send_plain(send: Send, status: int, body: bytes, headers: Headers) -> None:
    head = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        *of_data(hsts_seconds=settings.SECURE_HSTS_SECONDS),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def weighed(scope: Scope) -> admission.Refusal | None:
    """Return why a request may not come in; None lets it in."""

    def headers() -> dict[str, str]:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

    gate = admission.gate
    refusal = gate.weigh(scope["method"], scope["path"], headers, gate.latest.get)
    if refusal is not None and (asked := admission.ask_whether_repeated(headers())):
        return None if await asyncio.wrap_future(asked) else refusal
    return refusal


async def send_refusal(scope: Scope, send: Send, refusal: admission.Refusal) -> None:
    headers, body = admission.answer(scope["path"], scope.get("headers", ()), refusal)
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_busy(scope: Scope, send: Send, *, retry_after: int) -> None:
    headers, body = busy.answer(scope["path"], scope.get("headers", ()), retry_after=retry_after)
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def collect(scope: Scope, receive: Receive) -> tuple[IO[bytes], int]:
    """Return the request's whole body and its length. Raise ClientGone, or OverflowError past the limit."""
    whole = scope.get("extensions", {}).get(BODY_EXTENSION)
    if whole is not None:
        length = whole.seek(0, 2)
        whole.seek(0)
        return whole, length
    limit, length = body_limit(scope["path"]), 0
    body = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 closed by the view's thread
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            body.close()
            raise ClientGone
        length += len(message.get("body", b""))
        if length > limit:
            body.close()
            raise OverflowError
        body.write(message.get("body", b""))
        if not message.get("more_body"):
            body.seek(0)
            return body, length


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def take(chunks: Iterator[bytes], size: int) -> bytes:
    """Return at least `size` bytes; fewer, possibly none, only at the end."""
    taken, length = [], 0
    while length < size and (chunk := next(chunks, None)) is not None:
        taken.append(chunk)
        length += len(chunk)
    return taken[0] if len(taken) == 1 else b"".join(taken)
