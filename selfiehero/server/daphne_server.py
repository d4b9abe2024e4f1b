"""The web server: daphne, with what a public upload needs around it.

    too long a body     refused by its declared length before it is read, cut when it declares none (413)
    slow clients        a request must arrive in time; who stops reading a film for a minute is let go
    films               wait for the client, so that a slow phone costs neither a thread nor the film in memory
    SIGTERM, Ctrl-C     /readyz turns red, no new connections, requests under way finish, sockets close with 1012

Written against daphne 4.2.3 and Twisted 26.10: its tests show when one of them changes.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import daphne.server  # installs the reactor, so before anything else of Twisted
from daphne.ws_protocol import WebSocketFactory
from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogBeginner,
)

from .bridge import BODY_EXTENSION
from .drain import draining
from .log import log_access
from .protocols import HTTP, Socket

logger = logging.getLogger(__name__)

BACKLOG = 1024
RESTARTING = 1012
# A view that takes longer is answered with 503; our longest writes a 12 MB photo to disk.
HTTP_SECONDS = 60
DRAIN_SECONDS = 20.0
# Long enough for sockets to say goodbye and for a kept connection to learn that it is over.
SHORTEST_DRAIN_SECONDS = 0.5
LONGEST_SOCKET_SECONDS = 6 * 3600
SOCKET_MESSAGE_BYTES = 4096


class CannotListen(Exception):
    """The address cannot be bound; the message says what to do."""


class Server(daphne.server.Server):
    """The server on `host` and `port`, until a signal stops it."""

    def __init__(self, application: Callable, *, host: str, port: int, logs_access: bool = False) -> None:
        super().__init__(
            application,
            endpoints=["our own"],
            signal_handlers=False,
            action_logger=log_access if logs_access else None,
            http_timeout=HTTP_SECONDS,
            websocket_timeout=LONGEST_SOCKET_SECONDS,
            websocket_connect_timeout=10,
            websocket_max_message_size=SOCKET_MESSAGE_BYTES,
            websocket_max_frame_size=SOCKET_MESSAGE_BYTES,
            ping_interval=20,
            ping_timeout=30,
            server_name="",
        )
        self.host, self.port_number = host, port
        self.connections: dict[Any, dict[str, Any]] = {}
        self.draining_since = 0.0

    def run(self) -> None:
        """Serve until a signal. Raise CannotListen when the address cannot be bound."""
        observer = FilteringLogObserver(
            STDLibLogObserver("selfiehero.twisted"), [LogLevelFilterPredicate(LogLevel.critical)]
        )
        globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
        self.http_factory = HTTP(self)
        self.ws_factory = WebSocketFactory(self, server=self.server_name)
        self.ws_factory.protocol = Socket
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=self.ping_timeout,
            failByDrop=False,  # say why: a close frame before the connection ends
            allowNullOrigin=True,  # notifications.routing decides about origins
            openHandshakeTimeout=self.websocket_handshake_timeout,
            maxMessagePayloadSize=self.websocket_max_message_size,
            maxFramePayloadSize=self.websocket_max_frame_size,
        )
        self.listen()
        loop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.on_signal, number)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        logger.info("web_listening host=%s port=%s", self.host, self.port_number)
        reactor.run(installSignalHandlers=False)
        end_tasks(loop)

    def listen(self) -> None:
        try:
            self.listener = reactor.listenTCP(self.port_number, self.http_factory, backlog=BACKLOG, interface=self.host)
        except CannotListenError as error:
            raise CannotListen(listen_message(self.host, self.port_number, error.socketError)) from error

    # --- Requests ------------------------------------------------------------------------------

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue | None:
        """Start the application; the body goes along as the file it is in, not through a queue in memory."""
        if scope["type"] == "http":
            scope["extensions"] = {BODY_EXTENSION: protocol.hand_over_body()}
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        await super().handle_reply(protocol, message)
        if message.get("more_body"):
            await protocol.until_taken()

    # --- Housekeeping: one odd connection must not end it for all ---------------------------------

    def application_checker(self) -> None:
        try:
            super().application_checker()
        except Exception:
            logger.exception("application_checker_failed")
            reactor.callLater(1, self.application_checker)

    def timeout_checker(self) -> None:
        for protocol in list(self.connections):
            try:
                protocol.check_timeouts()
            except Exception:
                logger.exception("timeout_check_failed")
        reactor.callLater(2, self.timeout_checker)

    # --- The end ---------------------------------------------------------------------------------

    def on_signal(self, number: int) -> None:
        """Drain; at the second signal end at once."""
        if draining.is_set():
            sys.stdout.flush()
            os._exit(128 + number)
        draining.set()
        self.draining_since = time.monotonic()
        logger.info("web_draining connections=%s", sum(1 for _ in self.open_connections()))
        self.listener.stopListening()
        for protocol in list(self.open_connections()):
            protocol.drain(RESTARTING)
        self.stop_when_drained()

    def stop_when_drained(self) -> None:
        waited = time.monotonic() - self.draining_since
        open_count = sum(1 for _ in self.open_connections())
        if waited < SHORTEST_DRAIN_SECONDS or (open_count and waited < DRAIN_SECONDS):
            reactor.callLater(0.05, self.stop_when_drained)
            return
        if open_count:
            logger.warning("web_drain_cut connections=%s", open_count)
        reactor.stop()

    def open_connections(self) -> Iterator[Any]:
        """Requests and sockets that have not ended; a kept connection between two requests is neither."""
        return (protocol for protocol, details in self.connections.items() if "disconnected" not in details)


def end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs in the loop and give it a moment to clean up."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


def listen_message(host: str, port: int, error: OSError) -> str:
    """Return why the address cannot be bound and what to do."""
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program: stop it, or choose another port with PORT."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has: choose one above 1023 with PORT."
    return f"{host} is not an address of this machine: choose another with HOST."
