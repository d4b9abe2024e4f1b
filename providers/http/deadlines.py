"""Connections with one deadline for DNS, connection, handshake, sending, head and body.

The timeout of `requests` and urllib3 is per read, so a byte per second would hold a thread forever. Here each thread
sets the deadline of its call, and no step waits longer.
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
    """Set the deadline of this thread's next call, in seconds from now; return it as a monotonic time."""
    _local.deadline = time.monotonic() + seconds
    return _local.deadline


def seconds_left(deadline: float) -> float:
    """Return the time until the deadline. Raise TimeoutError when there is none."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def pieces(raw: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    """Yield the parts of a body as they arrive. Waiting for whole chunks would let a slow body exceed the deadline."""
    while piece := raw.read1(65536, decode_content=False):
        yield piece


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket until the deadline."""

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
    """A response that is read within the deadline this thread had when the request was sent."""

    def __init__(self, sock: Any, *arguments: Any, **choices: Any) -> None:
        super().__init__(sock, *arguments, **choices)
        self.fp = io.BufferedReader(_DeadlineReader(sock, self.fp.detach(), _local.deadline))

    def begin(self) -> None:
        super().begin()
        lengths = self.headers.get_all("Content-Length", [])
        if len({length.strip() for line in lengths for length in line.split(",")}) > 1:
            # urllib3 raises an error for it too, but without closing the connection.
            raise http.client.HTTPException("an answer of two lengths")


class _KeepsDeadline(urllib3.connection.HTTPConnection):
    """Connects and sends within the deadline. urllib3 would apply the connection's timeout to sending a whole photo."""

    public_only: ClassVar[bool] = False
    sock: Any
    response_class = _DeadlineResponse

    def _new_conn(self) -> socket.socket:
        # The timeout of the socket is also that of a whole TLS handshake (CPython's ssl module).
        try:
            return addresses.connect(
                self._dns_host,
                self.port,
                each_seconds=self.timeout or 0.0,
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


class _HTTPConnection(_KeepsDeadline):
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
# Pools that connect only to hosts whose every address is public, and only by https.
PUBLIC_POOLS: dict[str, Any] = {"https": _PublicHTTPSPool}
