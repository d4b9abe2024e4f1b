"""A minimal HTTP/1.1 server, whose handlers can also write to the connection what no correct server would.

A request is parsed as soon as it is complete, and handled without a task when nothing has to be waited for.

aiohttp's low-level server was tried in its place (3.14.5, 2026-11). It serves all faults, through `request.transport`,
but not all that clients may send: it responds 400 where 431 and 505 are right, and leaves `Expect: 100-continue` and
the size limit by Content-Length to its handlers. It costs more as well: 1.74 ms of CPU per prediction instead of 1.57
(means of six runs each of `providers.simulator.bench`). So this module stays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from .responses import SimulatedResponse

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 200 * 2**20
FULL_BUFFER = 256 * 1024  # bytes that may wait for a slow reader
REASONS = {status.value: status.phrase for status in HTTPStatus} | {499: "Client Closed Request"}
HEAD_END = b"\r\n\r\n"

# A response, or a coroutine that returns one; it returns None when it has written to the connection itself.
HandlerResult = SimulatedResponse | Coroutine[Any, Any, SimulatedResponse | None]


class BadRequest(ValueError):
    """The bytes are not HTTP that this server understands; `status` is the response's."""

    def __init__(self, status: int) -> None:
        super().__init__(REASONS[status])
        self.status = status


class Request:
    """A complete request. Header names are in lower case."""

    __slots__ = ("_query", "body", "connection", "headers", "is_last", "method", "target")

    def __init__(
        self, connection: Connection, method: str, target: str, headers: dict[str, str], is_last: bool
    ) -> None:
        self.connection = connection
        self.method, self.target, self.headers = method, target, headers
        self.is_last = is_last  # the connection closes after its response
        self.body = b""
        self._query: dict[str, str] | None = None

    @property
    def parts(self) -> list[str]:
        """The path, decoded part by part."""
        return [unquote(part) for part in self.target.partition("?")[0].split("/") if part]

    @property
    def query(self) -> dict[str, str]:
        if self._query is None:
            self._query = dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))
        return self._query

    @property
    def origin(self) -> str:
        """The scheme and host by which the caller reached this server."""
        scheme = "https" if self.connection.is_tls else "http"
        return f"{scheme}://{self.headers.get('host', 'localhost')}"


class Connection(asyncio.Protocol):
    """One client connection. Its requests are handled one after the other."""

    def __init__(self, handle: Callable[[Request], HandlerResult], connections: set[Connection]) -> None:
        self.handle = handle
        self.connections = connections
        self.buffer = bytearray()
        self.awaited: Request | None = None  # its head is here, its body is not
        self.task: asyncio.Task[None] | None = None

    # --- asyncio.Protocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # asyncio says base
        self.is_tls = transport.get_extra_info("sslcontext") is not None
        self.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        self.buffer.clear()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.task is None:
            self.work()

    @property
    def is_open(self) -> bool:
        return not self.transport.is_closing()

    # --- Requests -----------------------------------------------------------------------------------

    def work(self) -> None:
        """Handle every request that has arrived completely."""
        while self.task is None and self.is_open:
            try:
                request = self.next_request()
            except BadRequest as error:
                self.send_whole(SimulatedResponse(error.status, str(error).encode(), "text/plain"), "GET", is_last=True)
                return
            if request is None:
                return
            result = self.handle(request)
            if isinstance(result, SimulatedResponse):
                self.send_whole(result, request.method, is_last=request.is_last)
            else:
                self.task = asyncio.get_running_loop().create_task(self.respond_later(request, result))

    async def respond_later(self, request: Request, result: Coroutine[Any, Any, SimulatedResponse | None]) -> None:
        try:
            response = await result
            if response is not None:
                self.send_whole(response, request.method, is_last=request.is_last)
        except Exception:
            logger.exception("simulator_failed method=%s", request.method)
            self.send_whole(SimulatedResponse(500, b"simulator_failed", "text/plain"), request.method, is_last=True)
        self.task = None
        self.work()

    def next_request(self) -> Request | None:
        """Remove one complete request from the buffer and return it, or None. Raise BadRequest."""
        request = self.awaited
        if request is None:
            end = self.buffer.find(HEAD_END)
            if end < 0:
                if len(self.buffer) > MAX_HEAD_BYTES:
                    raise BadRequest(431)
                return None
            request = self.parse_head(bytes(self.buffer[:end]))
            del self.buffer[: end + len(HEAD_END)]
        length = request.headers.get("content-length", "0")
        if request.headers.get("transfer-encoding", "").lower() == "chunked":
            taken = dechunked(self.buffer)
            is_whole = taken is not None
        else:
            if not length.isascii() or not length.isdigit():
                raise BadRequest(400)
            is_whole = len(self.buffer) >= int(length)
            taken = (bytes(self.buffer[: int(length)]), int(length)) if is_whole else None
        if (length.isdigit() and int(length) > MAX_BODY_BYTES) or len(self.buffer) > MAX_BODY_BYTES + MAX_HEAD_BYTES:
            raise BadRequest(413)
        if taken is None:
            if self.awaited is None and request.headers.get("expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.awaited = request
            return None
        request.body, used = taken
        del self.buffer[:used]
        self.awaited = None
        return request

    def parse_head(self, head: bytes) -> Request:
        line, *lines = head.decode("latin-1").split("\r\n")
        try:
            method, target, version = line.split(" ")
        except ValueError:
            raise BadRequest(400) from None
        if not version.startswith("HTTP/1."):
            raise BadRequest(505)
        headers: dict[str, str] = {}
        for one in lines:
            name, colon, value = one.partition(":")
            if not colon:
                raise BadRequest(400)
            headers[name.lower()] = value.strip()
        wish = headers.get("connection", "").lower()
        is_last = wish == "close" or (version == "HTTP/1.0" and wish != "keep-alive")
        return Request(self, method, target, headers, is_last)

    # --- Responses ----------------------------------------------------------------------------------

    def send_whole(self, response: SimulatedResponse, method: str, *, is_last: bool) -> None:
        """Send a complete response."""
        if not self.is_open:
            return
        head = self.head(response, len(response.body), is_last=is_last)
        self.transport.write(head + response.body if method != "HEAD" else head)
        if is_last:
            self.transport.close()

    def head(self, response: SimulatedResponse, length: int | None, *, is_last: bool = False) -> bytes:
        """Return the head of a response; with a length of None its body is chunked."""
        lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}", f"Date: {http_date()}"]
        if response.body or length is None:
            lines.append(f"Content-Type: {response.content_type}")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if length is None:
            lines.append("Transfer-Encoding: chunked")
        elif response.status != 204:
            lines.append(f"Content-Length: {length}")
        if is_last:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    async def write(self, data: bytes) -> None:
        """Write, and wait while the client reads slower than FULL_BUFFER allows."""
        self.transport.write(data)
        while self.is_open and self.transport.get_write_buffer_size() > FULL_BUFFER:
            await asyncio.sleep(0.01)

    def hang_up(self) -> None:
        """Reset the connection."""
        self.transport.abort()


def dechunked(buffer: bytearray) -> tuple[bytes, int] | None:
    """Return a chunked body and the bytes that it took in the buffer, None while it is incomplete. Raise BadRequest."""
    pieces: list[bytes] = []
    position = 0
    while True:
        end = buffer.find(b"\r\n", position)
        if end < 0:
            return None
        try:
            size = int(bytes(buffer[position:end]).partition(b";")[0], 16)
        except ValueError:
            raise BadRequest(400) from None
        position = end + 2
        if size == 0:
            # Trailers are not supported: none of the clients sends any.
            return (b"".join(pieces), position + 2) if len(buffer) >= position + 2 else None
        if len(buffer) < position + size + 2:
            return None
        pieces.append(bytes(buffer[position : position + size]))
        position += size + 2


_date: tuple[int, str] = (0, "")


def http_date() -> str:
    """Return the current HTTP date, formatted once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, formatdate(now, usegmt=True))
    return _date[1]
