"""A vendor that answers what a test lays down, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PAYLOADS = Path(__file__).parent.parent / "providers" / "payloads"


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ScriptedVendor:
    """`vendor.on("POST /predictions", (201, {…}))`; of several answers the last one stays. Anything else is 404."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._script: dict[str, deque[tuple[int, Any, dict[str, str]]]] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.vendor = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def on(self, call: str, *answers: tuple[Any, ...]) -> None:
        """Lay down answers: (status, body) or (status, body, headers); a body is JSON, bytes or a recorded payload."""
        self._script[call] = deque((one[0], one[1], one[2] if one[2:] else {}) for one in answers)

    def asked(self, call: str) -> list[Seen]:
        return [seen for seen in self.seen if f"{seen.method} {seen.path}" == call]

    @property
    def calls(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def answer(self, seen: Seen) -> tuple[int, bytes, dict[str, str]]:
        self.seen.append(seen)
        answers = self._script.get(f"{seen.method} {seen.path}")
        if not answers:
            return 404, b'{"detail": "nothing here"}', {}
        status, body, headers = answers.popleft() if len(answers) > 1 else answers[0]
        if isinstance(body, Path):
            body = body.read_bytes().replace(b"BASE", self.url.encode())
        return status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    vendor: ScriptedVendor


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(self.command, parts.path, dict(parse_qsl(parts.query)), headers, body)
        status, answer, extra = self.server.vendor.answer(seen)
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _serve
