"""What the web process takes for a request, on raw connections to a real one."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from selfiehero.server import protocols
from tests.support.processes import wait_for
from tests.support.served import Served

BODY = "Content-Length: 2\n\n{}"
HEAD_SECONDS = 6.0


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), env={"SERVED_HEAD_SECONDS": str(HEAD_SECONDS)}) as served:
        yield served


def answer_to(web: Served, text: str, *, seconds: float = 10.0) -> bytes:
    with socket.create_connection(("127.0.0.1", web.port), timeout=seconds) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode())
        parts = []
        try:
            while part := connection.recv(65536):
                parts.append(part)
                if b"\r\n\r\n" in b"".join(parts):
                    break
        except (TimeoutError, ConnectionResetError):
            pass
        return b"".join(parts)


@pytest.mark.parametrize(
    "head",
    [
        "GET /healthz HTTP/1.1\n\n",
        "GET /healthz HTTP/1.1\nHost: localhost\nHost: localhost\n\n",
        "GET /healthz HTTP/1.1\nX-A: b\nHost: localhost\nHost: evil.example\n\n",
        f"POST /try/body HTTP/1.1\nHost: localhost\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n{BODY}",
        f"POST /try/body HTTP/1.1\nHost: localhost\nTransfer-Encoding: identity\n{BODY}",
        f"POST /try/body HTTP/1.1\nHost: localhost\nTransfer-Encoding: identity\nTransfer-Encoding: chunked\n{BODY}",
        f"POST /try/body HTTP/1.1\nHost: localhost\nTransfer-Encoding:\n chunked\n{BODY}",
        f"POST /try/body HTTP/1.1\nHost: localhost\nTransfer-Encoding: gzip, chunked\n{BODY}",
        "POST /try/body HTTP/1.0\nHost: localhost\nTransfer-Encoding: chunked\n\n0\n\n",
        "GET /healthz HTTP/1.1\nHost: localhost\nX-A: b\n c\n\n",
        "GET /healthz HTTP/1.1\nHost: localhost\nX-A: b\n\tTransfer-Encoding: chunked\n\n",
    ],
)
def test_what_two_servers_could_read_differently_is_refused(web: Served, head: str) -> None:
    answer = answer_to(web, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    lowered = answer.lower()
    for name in (b"x-content-type-options", b"permissions-policy", b"cross-origin-resource-policy", b"no-store"):
        assert name in lowered, "and the refusal has the common headers"


@pytest.mark.parametrize(
    "head",
    [
        "GET /healthz HTTP/1.1\nHost: localhost\n\n",
        "GET /healthz HTTP/1.0\n\n",
        "GET /healthz HTTP/1.1\nX-A: b\nHost: localhost\n\n",
        "POST /healthz HTTP/1.1\nHost: localhost\nTransfer-Encoding: Chunked\n\n0\n\n",
    ],
)
def test_what_is_a_request_is_answered(web: Served, head: str) -> None:
    assert answer_to(web, head).split(b" ")[1] in (b"200", b"403", b"405")


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [
        ("http://localhost/try/body?a=1", "localhost", "/try/body"),
        ("HTTP://LOCALHOST:80/try/body", "evil.example", "/try/body"),
        ("https://localhost/try/body", "", "/try/body"),
    ],
)
def test_a_whole_address_is_served_as_its_path_at_the_host_that_it_names(
    web: Served, target: str, host: str, path: str
) -> None:
    answer = answer_to(web, f"POST {target} HTTP/1.1\nHost: {host}\nContent-Length: 2\n\n{{}}")
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b'"path": "%s"' % path.encode() in answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET http://localhost/api/v1/nothing/ HTTP/1.1\nHost: localhost\n\n", 404),
        ("GET http://localhost/api HTTP/1.1\nHost: localhost\n\n", 404),
        ("GET http://evil.example/api/v1/looks/ HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET http://user@localhost/api/v1/looks/ HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET http:///api/v1/looks/ HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET ftp://localhost/api/v1/looks/ HTTP/1.1\nHost: localhost\n\n", 400),
        ("GET api/v1/looks/ HTTP/1.1\nHost: localhost\n\n", 400),
        ("CONNECT localhost:443 HTTP/1.1\nHost: localhost\n\n", 400),
        *(
            (f"{method} {path} HTTP/1.1\nHost: localhost\nUpgrade: {wish}\nConnection: Upgrade\n{more}\n", status)
            for method, path, status in (
                ("GET", "/api/v1/nothing/", 404),
                ("GET", "http://localhost/api/v1/nothing/", 404),
                ("GET", "/webhooks/studio/token/", 405),
                ("POST", "/webhooks/", 404),
            )
            for wish, more in (
                ("websocket", "Sec-WebSocket-Version: 99\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"),
                ("WebSocket", "Sec-WebSocket-Version: 13\n"),
                ("websocket", "Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n"),
                ("websocket", ""),
                ("h2c", "HTTP2-Settings: AAMAAABkAAQAAP__\n"),
            )
        ),
    ],
)
def test_what_goes_wrong_at_an_address_for_programs_is_a_problem(web: Served, head: str, status: int) -> None:
    answer = answer_to(web, head)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"application/problem+json" in answer
    assert b'"status": %d' % status in answer


def test_two_requests_on_one_connection(web: Served) -> None:
    one = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(one.encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.slow
def test_a_request_line_that_drips_is_cut(web: Served) -> None:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        try:
            for letter in "GET /" + "a" * 200:
                connection.sendall(letter.encode())
                time.sleep(0.3)
        except OSError:
            pass
    assert HEAD_SECONDS - 1 < time.monotonic() - started < HEAD_SECONDS + 20, "all of it would take a minute"


def test_connections_leave_descriptors_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = protocols.HTTP.__new__(protocols.HTTP)
    monkeypatch.setattr(protocols.resource, "getrlimit", lambda which: (protocols.KEPT_FILES + 10, 0))
    monkeypatch.setattr(protocols.os, "listdir", lambda path: ["1"] * 8)
    monkeypatch.setattr(protocols, "COUNT_SECONDS", 1000.0)
    assert [factory._is_full() for _ in range(4)] == [False, False, False, True]


def test_an_address_has_no_more_connections_than_one_may(tmp_path: Path) -> None:
    """Whoever opens them all would leave none for others. This machine's own programs are not counted."""
    with Served(tmp_path, env={"CONNECTIONS_PER_ADDRESS": "3"}) as web, ExitStack() as stack:

        def connect(source: str) -> socket.socket:
            made = socket.create_connection(("127.0.0.1", web.port), timeout=10, source_address=(source, 0))
            return stack.enter_context(made)

        def is_served(connection: socket.socket) -> bool:
            try:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return connection.recv(12) == b"HTTP/1.1 200"
            except (ConnectionError, TimeoutError):
                return False

        crowd = [connect("127.0.0.2") for _ in range(3)]
        assert [is_served(one) for one in crowd] == [True] * 3
        assert not is_served(connect("127.0.0.2"))
        assert is_served(connect("127.0.0.3"))
        assert all(is_served(connect("127.0.0.1")) for _ in range(5))
        crowd[0].close()
        wait_for(lambda: is_served(connect("127.0.0.2")), "room for another connection", seconds=10)
