"""daphne's HTTP request, channel and WebSocket, with limits, timeouts and draining."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import tempfile
import time
from http import HTTPStatus
from io import BytesIO
from typing import IO, Any

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketProtocol
from django.conf import settings
from twisted.internet import reactor
from twisted.internet.interfaces import IPushProducer
from twisted.web.http import HTTPChannel, _GenericHTTPChannelProtocol
from zope.interface import implementer

from common.problem import CONTENT_TYPE
from common.security_headers import of_data

from . import admission
from .drain import draining
from .limits import address_too_long, bad_request, body_limit, head_too_large, no_room, problem, too_large
from .peers import PeerLimit
from .targets import SOCKETS, read_target

logger = logging.getLogger(__name__)

# Larger bodies are kept in an unnamed file.
IN_MEMORY_BYTES = 64 * 1024
HEAD_SECONDS = 20.0
# A body may take this long for each byte it declares, and no longer than the longest.
SLOWEST_BYTES_PER_SECOND = 64 * 1024
LONGEST_BODY_SECONDS = 120.0
# A refused body is read and dropped for a moment, so that its sender gets to read the answer.
REFUSED_SECONDS, REFUSED_BYTES = 5.0, 32 * 1024 * 1024
STALLED_SECONDS = 60.0
# Descriptors kept from connections, for the database, Redis and files; how often the open ones are counted.
KEPT_FILES, COUNT_SECONDS = 128, 0.25
# Twisted calls 422 "Unknown Status".
PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}


@implementer(IPushProducer)
class Request(WebRequest):
    """One HTTP request: size and time limits while it arrives, backpressure while it is answered."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Twisted would parse every form by itself, only for daphne to ignore the result.
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)
        self._limit = self._length = 0
        self._is_refused = self._has_arrived = self._is_undecided = False
        self._expects: list[bytes] | None = None
        self._arrives_by = time.monotonic() + HEAD_SECONDS
        self._stalled_since: float | None = None
        self._taken = asyncio.Event()
        self._taken.set()

    # --- Arriving ----------------------------------------------------------------------------------

    def gotLength(self, length: int | None) -> None:
        """Refuse by the declared length, or make room for the body."""
        self._path = self.channel._path.partition(b"?")[0].decode("latin-1")
        self._limit = body_limit(self._path)
        if self.channel.host_of_target:
            self.requestHeaders.setRawHeaders(b"host", [self.channel.host_of_target])
        # Only a trusted proxy may set this, and ours does not.
        self.requestHeaders.removeHeader(b"daphne-root-path")
        if length is not None and length > self._limit:
            self._refuse(*too_large(self._path))
            return
        expected = self._limit if length is None else length
        self._arrives_by += min(LONGEST_BODY_SECONDS, expected / SLOWEST_BYTES_PER_SECOND)
        try:
            self.content = BytesIO() if expected <= IN_MEMORY_BYTES else temporary_file()
        except OSError:
            self._refuse(*no_room())
            return
        self._ask_admission()

    def _ask_admission(self) -> None:
        """Refuse a new job that there is no room for. Nothing is read while the database is asked about its key."""
        method = self.channel._command.decode("latin-1")
        refusal = admission.gate.weigh(method, self._path, self._headers, admission.gate.latest.get)
        if refusal is None:
            return
        asked = admission.ask_whether_repeated(self._headers())
        if asked is None:
            self._send_away(refusal)
            return
        self._expects = self.requestHeaders.getRawHeaders(b"Expect")
        self.requestHeaders.removeHeader(b"Expect")
        self._is_undecided = True
        self.channel._networkProducer.pauseProducing()
        asked.add_done_callback(lambda done: reactor.callFromThread(self._decided, refusal, done.result()))

    def _decided(self, refusal: admission.Refusal, is_repeated: bool) -> None:
        """Go on where `_ask_admission` stopped."""
        self._is_undecided = False
        if self.channel is None:
            return
        self.channel._networkProducer.resumeProducing()
        if not is_repeated:
            self._send_away(refusal)
        elif self._expects and not self._has_arrived:
            self.channel._send100Continue()
        if self._has_arrived:
            self.process()

    def _send_away(self, refusal: admission.Refusal) -> None:
        headers, body = admission.answer(self._path, self._pairs(), refusal)
        self._refuse(503, body, headers)

    def _pairs(self) -> list[tuple[bytes, bytes]]:
        return [(name.lower(), value) for name, values in self.requestHeaders.getAllRawHeaders() for value in values]

    def _headers(self) -> dict[str, str]:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._pairs()}

    def handleContentChunk(self, data: bytes) -> None:
        self._length += len(data)
        if self._is_refused:
            if self._length > REFUSED_BYTES:
                self.channel.forceAbortClient()
            return
        if self._length > self._limit:
            self._refuse(*too_large(self._path))
            return
        try:
            self.content.write(data)
        except OSError:
            self._refuse(*no_room())

    def _refuse(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Answer now, and drop the rest of the body."""
        self._is_refused = True
        self.content.close() if self.content else None
        self.content = BytesIO()
        self._length = 0
        self._arrives_by = time.monotonic() + REFUSED_SECONDS
        self.requestHeaders.removeHeader(b"Expect")  # Twisted would ask for the body right after this
        self.channel.persistent = False
        self.channel.transport.write(last_answer(status, body, headers))
        if status != HTTPStatus.SERVICE_UNAVAILABLE:  # one line for each would be a crowd's
            logger.info("request_refused status=%s", status)

    def process(self) -> None:
        self._has_arrived = True
        if self._is_undecided:
            return None
        if self._is_refused:
            self.channel.loseConnection()
            return None
        if not self.requestHeaders.hasHeader(b"content-length"):
            self.requestHeaders.removeHeader(b"transfer-encoding")
        if not self._path.startswith(SOCKETS):
            self.requestHeaders.removeHeader(b"upgrade")  # no socket is there: answered as without (RFC 9110, 7.8)
        cookies = self.requestHeaders.getRawHeaders(b"cookie") or ()
        if len(cookies) > 1:  # daphne would join those of a socket by commas, which makes one cookie of them
            self.requestHeaders.setRawHeaders(b"cookie", [b"; ".join(cookies)])
        return super().process()

    def hand_over_body(self) -> IO[bytes]:
        """Return the body as the file it is in; the caller closes it."""
        body, self.content = self.content, BytesIO()
        return body

    # --- Answering ---------------------------------------------------------------------------------

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and draining.is_set():
            self.end_connection()
        if message["type"] == "http.response.body" and not self.finished and self.channel is not None:
            if not message.get("more_body"):
                if self.producer:
                    self.unregisterProducer()
            elif not self.producer:
                self.registerProducer(self, True)
        super().handle_reply(message)
        if message["type"] == "http.response.start" and self.code in PHRASES:
            self.code_message = PHRASES[self.code]

    async def until_taken(self) -> None:
        """Return when the client has taken most of what was sent, or is gone."""
        await self._taken.wait()

    def pauseProducing(self) -> None:
        self._stalled_since = time.monotonic()
        self._taken.clear()

    def resumeProducing(self) -> None:
        self._stalled_since = None
        self._taken.set()

    def stopProducing(self) -> None:
        self.resumeProducing()

    def connectionLost(self, reason: Any) -> None:
        self.resumeProducing()
        if self.producer:
            self.unregisterProducer()
        super().connectionLost(reason)

    def handle_exception(self, exception: BaseException) -> None:
        """Answer 500, or abort a response that was already under way: a part must not look complete."""
        if self._response_started:
            self.channel.forceAbortClient()
        else:
            super().handle_exception(exception)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        title = status_text.decode("latin-1")
        said = problem(status, title.lower().replace(" ", "_"), title, f"{body.rstrip('.')}.")
        headers = [
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", b"%d" % len(said)),
            *of_data(hsts_seconds=settings.SECURE_HSTS_SECONDS),
        ]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": said})

    # --- Ending ------------------------------------------------------------------------------------

    def check_timeouts(self) -> None:
        if self.finished or self.channel is None:
            return
        now = time.monotonic()
        if not self._has_arrived:
            if now > self._arrives_by:
                self.channel.forceAbortClient()
        elif not self._response_started:
            super().check_timeouts()
        elif self._stalled_since is not None and now - self._stalled_since > STALLED_SECONDS:
            self.channel.forceAbortClient()

    def end_connection(self) -> None:
        """Close the connection after this request."""
        self.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        self.channel.persistent = False

    def drain(self, code: int) -> None:
        """Finish this request and close. An event stream would never finish, so its application gets a disconnect."""
        if self.channel is None or not self._has_arrived:
            return
        if not self._response_started:
            self.end_connection()
        elif self.responseHeaders.getRawHeaders(b"content-type", [b""])[0].startswith(b"text/event-stream"):
            self.channel.persistent = False
            self.application_queue.put_nowait({"type": "http.disconnect", "code": code})


class Channel(HTTPChannel):
    """One connection. Twisted alone would send no answer to a long line, and no body to a malformed head."""

    _line_timer: Any = None
    host_of_target = b""
    _path: Any

    def lineLengthExceeded(self, line: bytes) -> None:
        is_address = not self.requests
        self._end(*(address_too_long() if is_address else head_too_large()))

    def _respondToBadRequestAndDisconnect(self) -> None:
        self._end(*bad_request())

    # --- What a request may not be: one that proxies and servers read differently (RFC 9112, 5.2, 6.1 and 3.2) -----

    def lineReceived(self, line: bytes) -> None:
        is_in_head = not self._HTTPChannel__first_line
        if is_in_head and (line[:1] in (b" ", b"\t") or (not line and not self._has_one_host())):
            self._respondToBadRequestAndDisconnect()
            return
        super().lineReceived(line)
        if self.requests:
            self._stop_line_timer()
        if not is_in_head and not self._HTTPChannel__first_line and not self.transport.disconnecting:
            self._read_target()

    def _read_target(self) -> None:
        try:
            self._path, self.host_of_target = read_target(self._path)
        except ValueError:
            self._respondToBadRequestAndDisconnect()

    def headerReceived(self, line: bytes) -> bool:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"transfer-encoding" and (
            value.strip(b" \t").lower() != b"chunked" or self._version != b"HTTP/1.1"
        ):
            self._respondToBadRequestAndDisconnect()
            return False
        return super().headerReceived(line)

    def _has_one_host(self) -> bool:
        pending = self._HTTPChannel__header.partition(b":")[0].strip().lower() == b"host"
        count = len(self.requests[-1].requestHeaders.getRawHeaders(b"host", [])) + pending
        return count == 1 or (count == 0 and self._version == b"HTTP/1.0")

    # --- A line that drips ------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if not self.requests and self._line_timer is None:
            self._line_timer = reactor.callLater(HEAD_SECONDS, self.forceAbortClient)
        super().dataReceived(data)

    def connectionLost(self, reason: Any) -> None:
        self._stop_line_timer()
        super().connectionLost(reason)

    def _stop_line_timer(self) -> None:
        timer, self._line_timer = self._line_timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _end(self, status: int, body: bytes) -> None:
        self.transport.write(last_answer(status, body))
        self.loseConnection()
        logger.info("request_refused status=%s", status)


class HTTP(HTTPFactory):
    """Makes requests of the class above."""

    def protocol(self) -> _GenericHTTPChannelProtocol:
        return _GenericHTTPChannelProtocol(Channel())

    def log(self, request: Any) -> None:
        """Write nothing: Twisted would make a line for a log that nobody reads. Ours is `log.log_access`."""

    _counted_at, _open_files, _since = float("-inf"), 0, 0
    _peers = PeerLimit(kept_files=KEPT_FILES)

    def buildProtocol(self, addr: Any) -> Any:
        if self._is_full() or self._peers.refuses(addr):
            return None  # Twisted closes the connection
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol

    def _is_full(self) -> bool:
        """Tell whether the process would soon have no descriptor left for its database and its files."""
        self._since += 1
        if time.monotonic() - self._counted_at > COUNT_SECONDS:
            self._counted_at, self._since = time.monotonic(), 0
            self._open_files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        is_full = self._open_files + self._since > resource.getrlimit(resource.RLIMIT_NOFILE)[0] - KEPT_FILES
        if is_full and self._since <= 1:
            logger.warning("connections_refused open_files=%s", self._open_files)
        return is_full


class Socket(WebSocketProtocol):
    """One WebSocket that may be closed with any code of RFC 6455."""

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        # Frames that come after our close frame are dropped.
        if self.state == self.STATE_OPEN:
            super().onMessage(payload, isBinary)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        # A handshake that autobahn itself refuses never came to onConnect.
        if hasattr(self, "server"):
            super().onClose(wasClean, code, reason)

    def serverClose(self, code: int | None = None) -> None:
        # autobahn's own sendClose knows 1000 and 3000 to 4999 only.
        self.sendCloseFrame(code=code or 1000)

    def drain(self, code: int) -> None:
        if self.state == self.STATE_OPEN:
            self.serverClose(code)
        elif self.state == self.STATE_CONNECTING and hasattr(self, "handshake_deferred"):
            self.serverReject()


def last_answer(status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> bytes:
    """Return a whole response, for a connection that is closed after it; a problem unless `headers` say otherwise."""
    if headers is None:
        headers = [
            (b"Content-Type", CONTENT_TYPE.encode()),
            (b"Content-Length", b"%d" % len(body)),
            *of_data(hsts_seconds=settings.SECURE_HSTS_SECONDS),
        ]
    lines = (
        b"HTTP/1.1 %d %s" % (status, PHRASES[status]),
        b"Connection: close",
        *(name + b": " + value for name, value in headers),
        b"",
        body,
    )
    return b"\r\n".join(lines)


def temporary_file() -> IO[bytes]:
    return tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)
