"""A small S3 over real HTTP that refuses the checksums of newer clients, as several S3s do that are not Amazon's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

REFUSED = b"<Error><Code>InvalidRequest</Code><Message>A header is not supported.</Message></Error>"
GONE = b"<Error><Code>NoSuchKey</Code></Error>"


class StrictBucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        names = {name.lower() for name in self.headers}
        is_new = any(name.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")) for name in names)
        if is_new or "aws-chunked" in self.headers.get("Content-Encoding", ""):
            self.answer(400, REFUSED)
            return
        self.files[urlsplit(self.path).path] = body
        self.answer(200)

    def do_GET(self) -> None:
        found = self.files.get(urlsplit(self.path).path)
        self.answer(404, GONE) if found is None else self.answer(200, found)

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        self.files.pop(urlsplit(self.path).path, None)
        self.answer(204)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def strict_s3() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the address of a running one, and its files by path."""
    files: dict[str, bytes] = {}
    handler = type("Handler", (StrictBucket,), {"files": files})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", files
        server.shutdown()
        thread.join()
