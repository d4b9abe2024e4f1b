"""A gateway with faults in front of our server, and what an installation looks like."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from jobs import now as present
from jobs.models import Heartbeat
from jobs.now import house
from selfiehero.readiness import gateway as front
from selfiehero.readiness import probe
from tests import factories
from tests.support import raw_server

PING = b"\x89\x04hero"


class Gateway:
    """A proxy in front of our server, with the faults that gateways have. `faults` names those it has now."""

    def __init__(self, server: str) -> None:
        self.server = urlsplit(server)
        self.faults: set[str] = set()
        self.pongs: list[bytes] = []

    def answer(self, connection: Any, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        names = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(names.get(b"content-length", b"0")):
            body += connection.recv(2**20)
        if "redirect" in self.faults:
            connection.sendall(
                b"HTTP/1.1 301 Moved\r\nlocation: https://elsewhere.example/\r\ncontent-length: 0\r\n\r\n"
            )
        elif "log-in page" in self.faults:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>")
        elif "body limit" in self.faults and len(body) > 100_000:
            connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        elif b"upgrade" in names and "no upgrade" not in self.faults:
            connection.sendall(b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
            self._hold(connection)
        else:
            self._pass_on(connection, head, body)

    def _hold(self, connection: Any) -> None:
        """Ping as the server does, and expect a pong; an impatient gateway ends what is idle."""
        connection.settimeout(5)
        connection.sendall(PING)
        came = connection.recv(100)
        self.pongs.append(bytes(byte ^ came[2 + place % 4] for place, byte in enumerate(came[6:])))
        while "idle cut" not in self.faults and connection.recv(100):
            pass

    def _pass_on(self, connection: Any, head: bytes, body: bytes) -> None:
        if "re-encoding" in self.faults and body.startswith(b"{"):
            body = json.dumps(json.loads(body)).encode()
        first, *lines = head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith((b"content-length", b"connection", b"upgrade"))]
        kept += [b"Content-Length: %d" % len(body), b"Connection: close"]
        kept += [b"X-Forwarded-For: 192.0.2.7"] if "proxy" in self.faults else []
        with socket.create_connection((self.server.hostname, self.server.port)) as upstream:
            upstream.sendall(b"\r\n".join([first, *kept]) + b"\r\n\r\n" + body)
            upstream.settimeout(0.3 if "impatience" in self.faults else 20)
            try:
                # It keeps no connection open, so it says so.
                connection.sendall(upstream.recv(65536).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                while piece := upstream.recv(65536):
                    connection.sendall(piece)
            except TimeoutError:
                connection.sendall(b"HTTP/1.1 504 Gateway Time-out\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


@pytest.fixture
def gateway(settings: Any, live_server: Any, monkeypatch: Any) -> Iterator[Gateway]:
    monkeypatch.setattr(front, "SLOW_ANSWER", 0.6)
    monkeypatch.setattr(front, "IDLE_SECONDS", 0.3)
    gateway = Gateway(live_server.url)
    with raw_server.listening(gateway.answer) as address:
        settings.CALLBACK_URL = settings.PUBLIC_URL = address.rstrip("/")
        yield gateway
    with probe._slow:
        pass  # an answer that a gateway did not wait for has been given


@pytest.fixture
def facts() -> present.Facts:
    house._cache.clear()
    for name in ("worker-prepare", "worker-dispatch", "worker-collect", "reconcile"):
        Heartbeat.objects.create(name=name, host="hero-1", seen_at=timezone.now())
    factories.make_provider(slug="wavespeed", title="WaveSpeed", adapter="wavespeed", max_concurrent=100)
    factories.make_provider(slug="fal", title="fal", adapter="fal", max_concurrent=100)
    return present.read(now=timezone.now())
