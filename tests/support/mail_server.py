"""A mail server on a port of this machine that takes every mail and keeps its bytes: `with MailServer() as server:`."""

from __future__ import annotations

import socketserver
import threading
from typing import Any

from tests.support.processes import free_port


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"220 mail.example\r\n")
        while command := self.rfile.readline()[:4].strip().upper():
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                server.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
            if command == b"QUIT":
                return


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a client without TLS and password needs. `mails` are those it took."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[bytes] = []
        super().__init__(("127.0.0.1", self.port), _Session)

    def __enter__(self) -> MailServer:
        threading.Thread(target=self.serve_forever, name="mail server", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
