"""An S3 bucket for tests: what boto3 needs of one, over HTTP, kept in a dictionary."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
from django.core.files.storage import storages

from jobs import storage
from jobs.storage_guard import breaker

NAME = "photos"


class FakeBucket:
    """`files` by key, each with its content and the time that it was stored at."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, datetime]] = {}
        self.calls: list[str] = []
        self.allows_origin = ""  # what its CORS rule lets read
        bucket = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _key(self) -> str:
                bucket.calls.append(f"{self.command} {self.path}")
                return unquote(urlsplit(self.path).path).removeprefix(f"/{NAME}").removeprefix("/")

            def _answer(self, status: int, content: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                if self.headers.get("Origin") and bucket.allows_origin:
                    headers["Access_Control_Allow_Origin"] = bucket.allows_origin
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", headers.pop("length", str(len(content))))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def do_PUT(self) -> None:
                key = self._key()
                content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if "aws-chunked" in self.headers.get("Content-Encoding", ""):
                    content = _unchunked(content)
                bucket.files[key] = (content, datetime.now(UTC))
                self._answer(200, ETag='"x"')

            def do_GET(self) -> None:
                key = self._key()
                if not key:
                    self._list(parse_qs(urlsplit(self.path).query).get("prefix", [""])[0])
                elif key in bucket.files:
                    content, at = bucket.files[key]
                    self._answer(200, content, ETag='"x"', Last_Modified=format_datetime(at, usegmt=True))
                else:
                    self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

            do_HEAD = do_GET

            def do_DELETE(self) -> None:
                bucket.files.pop(self._key(), None)
                self._answer(204)

            def _list(self, prefix: str) -> None:
                rows = "".join(
                    f"<Contents><Key>{escape(key)}</Key><LastModified>{at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                    f"<Size>{len(content)}</Size></Contents>"
                    for key, (content, at) in sorted(bucket.files.items())
                    if key.startswith(prefix)
                )
                head = f"<Name>{NAME}</Name><IsTruncated>false</IsTruncated>"
                self._answer(200, f"<ListBucketResult>{head}{rows}</ListBucketResult>".encode())

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _unchunked(content: bytes) -> bytes:
    """Return the body of an `aws-chunked` upload without its chunk heads and checksum."""
    whole = b""
    while content:
        head, _, content = content.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            break
        whole, content = whole + content[:size], content[size + 2 :]
    return whole


@contextmanager
def bucket_in_use(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBucket]:
    """Keep all files in a bucket, by the product's own storage class."""
    bucket = FakeBucket()
    options = {"bucket_name": NAME, "endpoint_url": bucket.url, "region_name": "us-east-1", "file_overwrite": False}
    place = {"BACKEND": "jobs.s3.bucket.Bucket", "OPTIONS": options | {"access_key": "key", "secret_key": "secret"}}
    settings.S3_BUCKET, settings.STORAGES = NAME, settings.STORAGES | {"default": place}
    storages._storages.clear()
    for module in ("jobs.storage", "selfiehero.static_files"):
        monkeypatch.setattr(f"{module}.default_storage", storages["default"])
    breaker.reset()
    storage._probe.clear()
    try:
        yield bucket
    finally:
        bucket.close()
        storages._storages.clear()
        breaker.reset()
        storage._probe.clear()
