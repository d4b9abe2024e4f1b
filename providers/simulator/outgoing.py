"""The simulator's HTTP client, for webhooks and photos. Idle connections are reused for `IDLE_SECONDS`."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .wire import dechunked

MOST_AT_ONCE = 512
IDLE_SECONDS = 4.0  # less than what servers usually keep a silent connection for
HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 64 * 1024
Endpoint = tuple[str, str, int]  # scheme, host, port


class NoResponse(Exception):
    """There was no complete response; the message is one word that says why."""


@dataclass(slots=True, frozen=True)
class Reply:
    """A response; its body is cut at the length that the caller gave."""

    status: int
    body: bytes = field(repr=False)


class OutgoingConnection(asyncio.Protocol):
    """A connection to one endpoint, used for one call at a time."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.head: tuple[int, dict[str, str]] | None = None
        self.waiter: asyncio.Future[Reply] | None = None
        self.max_bytes = 0
        self.is_closed = False
        self.can_stay = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]  # asyncio says base

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if self.waiter is None or self.waiter.done():
            return
        reply = None
        with contextlib.suppress(ValueError):
            reply = self.parse(is_end=True)
        if reply is not None:
            self.waiter.set_result(reply)
        else:
            self.waiter.set_exception(NoResponse(type(exc).__name__ if exc else "closed"))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.waiter is None or self.waiter.done():
            self.transport.abort()  # unsolicited data
            return
        try:
            reply = self.parse(is_end=False)
        except ValueError:
            self.waiter.set_exception(NoResponse("not_http"))
            self.transport.abort()
            return
        if reply is not None:
            self.waiter.set_result(reply)

    async def ask(self, message: bytes, max_bytes: int) -> Reply:
        self.waiter = asyncio.get_running_loop().create_future()
        self.max_bytes, self.can_stay = max_bytes, False
        self.buffer.clear()
        self.head = None
        self.transport.write(message)
        return await self.waiter

    def parse(self, *, is_end: bool) -> Reply | None:
        """Return the response once it is complete or exceeds `max_bytes`, else None. Raise ValueError."""
        if self.head is None:
            end = self.buffer.find(HEAD_END)
            if end < 0:
                if len(self.buffer) > MAX_HEAD_BYTES:
                    raise ValueError("endless head")
                return None
            self.head = read_head(bytes(self.buffer[:end]))
            del self.buffer[: end + len(HEAD_END)]
        status, headers = self.head
        length = headers.get("content-length")
        is_whole = is_end
        if status in (204, 304):
            is_whole, body = True, b""
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            taken = dechunked(self.buffer)
            is_whole, body = taken is not None, taken[0] if taken else b""
        elif length is not None:
            is_whole = len(self.buffer) >= int(length)
            body = bytes(self.buffer[: int(length)]) if is_whole else b""
        else:
            body = bytes(self.buffer) if is_end else b""
        if is_whole:
            self.can_stay = not is_end and headers.get("connection", "").lower() != "close"
            return Reply(status, body[: self.max_bytes])
        return Reply(status, bytes(self.buffer[: self.max_bytes])) if len(self.buffer) > self.max_bytes else None


def read_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return status and headers. Raise ValueError when it is not HTTP."""
    line, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = line.partition(" ")
    if not version.startswith("HTTP/"):
        raise ValueError("not HTTP")
    return int(rest[:3]), {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}


class Outgoing:
    """Makes calls, without redirects, retries or decoding."""

    def __init__(self) -> None:
        self.idle: dict[Endpoint, list[tuple[float, OutgoingConnection]]] = {}
        self.slots = asyncio.Semaphore(MOST_AT_ONCE)
        self.tls: ssl.SSLContext | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        seconds: float | None,
        max_bytes: int = 64 * 1024,
    ) -> Reply:
        """Make a call and return the response. Raise NoResponse."""
        try:
            endpoint, target, host = read_url(url)
        except ValueError as error:
            raise NoResponse("bad_address") from error
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in (headers or {}).items())]
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        message = ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "reendpoint") + body
        connection: OutgoingConnection | None = None
        async with self.slots:
            try:
                async with asyncio.timeout(seconds):
                    connection = self._take_idle(endpoint) or await self._connect(endpoint)
                    return await connection.ask(message, max_bytes)
            except TimeoutError:
                raise NoResponse("timeout") from None
            except OSError as error:
                raise NoResponse(type(error).__name__) from error
            finally:
                if connection is not None:
                    self._put_back(endpoint, connection)

    def _take_idle(self, endpoint: Endpoint) -> OutgoingConnection | None:
        idle = self.idle.get(endpoint)
        now = asyncio.get_running_loop().time()
        while idle:
            since, connection = idle.pop()
            if not connection.is_closed and now - since < IDLE_SECONDS:
                return connection
            connection.transport.close()
        return None

    async def _connect(self, endpoint: Endpoint) -> OutgoingConnection:
        scheme, host, port = endpoint
        if scheme == "https" and self.tls is None:
            self.tls = ssl.create_default_context()
        tls = self.tls if scheme == "https" else None
        _transport, connection = await asyncio.get_running_loop().create_connection(
            OutgoingConnection, host, port, ssl=tls
        )
        return connection

    def _put_back(self, endpoint: Endpoint, connection: OutgoingConnection) -> None:
        if connection.can_stay and not connection.is_closed:
            self.idle.setdefault(endpoint, []).append((asyncio.get_running_loop().time(), connection))
        else:
            connection.transport.abort()

    def close(self) -> None:
        for connections in self.idle.values():
            for _since, connection in connections:
                connection.transport.abort()
        self.idle.clear()


def read_url(url: str) -> tuple[Endpoint, str, str]:
    """Return endpoint, target and host header of an http(s) URL. Raise ValueError for anything else."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(letter <= " " for letter in url):
        raise ValueError("no http address")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    return (parts.scheme, parts.hostname, port), target, parts.netloc.rpartition("@")[2]
