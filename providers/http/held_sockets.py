"""A WebSocket held open as a waiting page holds one: it says nothing by itself and answers pings (RFC 6455, 5.5)."""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from providers.errors import Unavailable

from . import addresses, downloads
from .client import USER_AGENT
from .untrusted import check_address

_MOST_HEAD_BYTES = 16 * 1024
_CLOSE, _PING, _PONG = 0x8, 0x9, 0xA


@dataclass(frozen=True)
class Held:
    """How a socket fared: the status of its handshake, how long it was open, and whether it still was at the end."""

    status: int
    seconds: float = 0.0
    is_open: bool = False


def hold(
    text: str, *, headers: Mapping[str, str], seconds: float, connect_seconds: float, trusted: Sequence[str] = ()
) -> Held:
    """Open a WebSocket and keep it for so many seconds; it is closed then.

    Raise Rejected when `untrusted` does not allow the URL, Unavailable when there was no response.
    """
    permit = check_address(text, trusted=trusted)
    url = permit.url
    try:
        raw = addresses.connect(
            url.host,
            url.port,
            each_seconds=connect_seconds,
            deadline=time.monotonic() + connect_seconds,
            public_only=permit.public_only,
        )
    except OSError as error:
        raise Unavailable(f"not reachable: {type(error).__name__}") from error
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(raw))
        try:
            raw.settimeout(connect_seconds)
            wire = raw
            if url.scheme == "https":
                wire = stack.enter_context(downloads.tls_context().wrap_socket(raw, server_hostname=url.host))
            wire.sendall(_handshake(urlsplit(text).netloc, url.target, headers))
            reader = _Reader(wire)
            status = int(reader.until(b"\r\n\r\n", most=_MOST_HEAD_BYTES).split(None, 2)[1])
        except (OSError, ValueError, IndexError) as error:
            raise Unavailable(f"no answer: {type(error).__name__}") from error
        if status != 101:
            return Held(status)
        return _kept(wire, reader, seconds)


def _kept(wire: socket.socket, reader: _Reader, seconds: float) -> Held:
    started = time.monotonic()
    try:
        while (left := started + seconds - time.monotonic()) > 0:
            wire.settimeout(left)
            code, content = reader.frame()
            if code == _CLOSE:
                break
            if code == _PING:
                wire.sendall(_frame(_PONG, content))
        else:
            return Held(101, seconds, is_open=True)
    except TimeoutError:
        with contextlib.suppress(OSError):
            wire.sendall(_frame(_CLOSE, (1000).to_bytes(2)))
        return Held(101, seconds, is_open=True)
    except OSError:
        pass  # it was cut
    return Held(101, time.monotonic() - started)


def _handshake(host: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = {
        "Host": host,
        "User-Agent": USER_AGENT,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET {target} HTTP/1.1\r\n{head}\r\n".encode()


def _frame(code: int, content: bytes) -> bytes:
    """Return a client's whole frame of at most 125 bytes, masked as every frame of a client is."""
    mask = secrets.token_bytes(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(content))
    return bytes([0x80 | code, 0x80 | len(content)]) + mask + masked


class _Reader:
    """Reads from a socket; a connection that ends raises ConnectionError."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire, self._come = wire, b""

    def until(self, mark: bytes, *, most: int) -> bytes:
        while mark not in self._come:
            if len(self._come) > most:
                raise ValueError("too long a head")
            self._more()
        found, _, self._come = self._come.partition(mark)
        return found

    def frame(self) -> tuple[int, bytes]:
        """Return the code and content of the next frame. One that is cut off by a time-out is read on later."""
        length, begin = self._need(2)[1] & 0x7F, 2
        if length > 125:
            begin = 4 if length == 126 else 10
            length = int.from_bytes(self._need(begin)[2:begin])
        whole = self._need(begin + length)
        self._come = whole[begin + length :]
        return whole[0] & 0x0F, whole[begin : begin + length]

    def _need(self, count: int) -> bytes:
        while len(self._come) < count:
            self._more()
        return self._come

    def _more(self) -> None:
        piece = self._wire.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        self._come += piece
