"""Connections that keep a deadline for everything: name, connection, handshake, sending, head and body.

The timeout of `requests` and urllib3 is per read: a byte a second would hold a thread for ever. Here each thread says
when its call has to be over, and no step waits beyond that.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import urllib3
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from . import addresses

_local = threading.local()


def start(seconds: float) -> float:
    """Let this thread's next call be over in so many seconds; return that moment on the monotonic clock."""
    _local.deadline = time.monotonic() + seconds
    return _local.deadline


def seconds_left(deadline: float) -> float:
    """Return the time until the deadline. Raise TimeoutError when there is none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def pieces(raw: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield what has come of a body, as it comes: waiting for whole chunks would let a drip outlive its deadline."""
    while piece := raw.read1(65536, decode_content=False):
        yield piece


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket, and waits for no byte beyond the deadline."""

    def __init__(self, sock: Any, raw: Any, deadline: float) -> None:
        super().__init__()
        self._sock, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(seconds_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    """Reads head and body within this thread's deadline, as it was when the request was sent."""

    def __init__(self, sock: Any, *arguments: Any, **choices: Any) -> None:
        super().__init__(sock, *arguments, **choices)
        self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach(), _local.deadline))

    def begin(self) -> None:
        super().begin()
        lengths = self.headers.get_all("Content-Length", [])
        if len({length.strip() for line in lengths for length in line.split(",")}) > 1:
            # urllib3 refuses it too, but only where nobody closes the connection any more.
            raise http.client.HTTPException("an answer of two lengths")


class _KeepsDeadline:
    """Connects and sends within the deadline; urllib3 would give a whole photo no more time than a connection."""

    public_only: ClassVar[bool] = False
    sock: Any
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        # The handshake that may follow has the socket's timeout for the whole of itself (CPython's ssl module).
        try:
            return addresses.connect(
                self._dns_host,
                self.port,
                each_seconds=self.timeout,
                deadline=_local.deadline,
                public_only=self.public_only,
                options=self.socket_options,
            )
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(seconds_left(_local.deadline))
        super().send(data)


class _HTTPConnection(_KeepsDeadline, urllib3.connection.HTTPConnection):
    pass


class _HTTPSConnection(_KeepsDeadline, urllib3.connection.HTTPSConnection):
    pass


class _PublicHTTPSConnection(_HTTPSConnection):
    public_only = True


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


class _PublicHTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _PublicHTTPSConnection


POOLS: dict[str, Any] = {"http": _HTTPPool, "https": _HTTPSPool}
# To whatever name the connection goes: every address of it is public, or there is no connection. There is no http here.
PUBLIC_POOLS: dict[str, Any] = {"https": _PublicHTTPSPool}
