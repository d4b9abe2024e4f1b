"""The simulator's HTTP server: what clients may send, and the errors for invalid requests."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest
import requests

PATH = "/wavespeed/api/v3/wavespeed-ai/wan-2.2/i2v-720p"
BODY = json.dumps({"image": "https://hero.example/1.jpg", "prompt": "x"}).encode()
HEAD = "Host: localhost\r\nAuthorization: Bearer k\r\n"


class Wire:
    """A raw client connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=5)
        self.stream = self.socket.makefile("rb")

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self.stream.readline().split()[1])
        headers = {}
        while (line := self.stream.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self.stream.read(int(headers.get("content-length", 0)))

    def is_closed(self) -> bool:
        return self.stream.read(1) == b""

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@pytest.fixture
def wire(simulator):
    wire = Wire(simulator.url)
    yield wire
    wire.close()


def post(body: bytes = BODY, *, head: str = HEAD, extra: str = "") -> bytes:
    return f"POST {PATH} HTTP/1.1\r\n{head}{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_connection_is_used_again(wire):
    for _ in range(3):
        wire.send(post())
        assert wire.answer()[0] == 200


def test_requests_sent_together_are_answered_in_order(wire, simulator):
    simulator.behave("wavespeed", times={"answer": {"uniform": [0, 0.05]}})
    wire.send(post() * 5 + f"GET /wavespeed/api/v3/balance HTTP/1.1\r\n{HEAD}\r\n".encode())
    bodies = [json.loads(wire.answer()[2]) for _ in range(6)]
    assert [one["data"].get("id") for one in bodies[:5]] == [
        entry["prediction_id"] for entry in simulator.entries("wavespeed")
    ]
    assert "balance" in bodies[5]["data"]


def test_a_request_may_come_byte_by_byte(wire):
    for byte in post():
        wire.send(bytes([byte]))
    assert wire.answer()[0] == 200


def test_a_body_may_come_in_chunks(wire):
    wire.send(f"POST {PATH} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\n")
    for start in range(0, len(BODY), 10):
        piece = BODY[start : start + 10]
        wire.send(b"%x;extension=1\r\n%b\r\n" % (len(piece), piece))
    wire.send(b"0\r\n\r\n")
    assert wire.answer()[0] == 200


def test_a_client_that_expects_100_continue_gets_it(wire):
    whole = post(extra="Expect: 100-continue\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    wire.send(head + b"\r\n\r\n")
    assert wire.stream.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert wire.stream.readline() == b"\r\n"
    wire.send(body)
    assert wire.answer()[0] == 200


@pytest.mark.parametrize(
    ("line", "extra"), [("HTTP/1.1", "Connection: close\r\n"), ("HTTP/1.0", ""), ("HTTP/1.1", "Connection: Close\r\n")]
)
def test_a_client_that_wants_no_more_is_let_go(wire, line, extra):
    wire.send(f"GET /wavespeed/api/v3/balance {line}\r\n{HEAD}{extra}\r\n")
    status, headers, _body = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert wire.is_closed()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (post(extra="").replace(b"Content-Length: ", b"Content-Length: x"), 400),
        (f"POST {PATH} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n".encode(), 400),
        (f"POST {PATH} HTTP/1.1\r\n{HEAD}Content-Length: 999999999\r\n\r\n".encode(), 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_invalid_http_is_rejected_and_the_connection_closed(wire, data, status):
    wire.send(data)
    assert wire.answer()[0] == status
    assert wire.is_closed()


def test_a_caller_that_disconnects_in_the_middle_does_no_harm(simulator):
    for data in (post()[:40], post()[:-5], post()):
        wire = Wire(simulator.url)
        wire.send(data)
        wire.close()
    assert simulator.state("wavespeed")["submits"] <= 1
    assert requests.get(f"{simulator.url}/control/state", timeout=5).status_code == 200


def test_unknown_addresses_are_not_found(simulator):
    for path in (
        "/",
        "/sora/v1",
        "/wavespeed/api/v2/x",
        "/replicate/v2",
        "/fal/one",
        "/fal/rest/nothing",
        "/control/x",
    ):
        assert requests.get(f"{simulator.url}{path}", timeout=5).status_code == 404
    assert simulator.state("fal")["calls"] == {"unknown": 2}


def test_addresses_are_given_as_the_caller_wrote_them(wire):
    wire.send(post(head="Host: simulator.example:81\r\nAuthorization: Bearer k\r\n"))
    made = json.loads(wire.answer()[2])["data"]
    assert made["urls"]["get"].startswith("http://simulator.example:81/wavespeed/api/v3/predictions/")


def test_a_large_photo_arrives_whole(simulator):
    photo = bytes(range(256)) * 40_000  # 10 MB
    base = f"{simulator.url}/replicate/v1/files"
    made = requests.post(base, headers={"Authorization": "Bearer k"}, files={"content": ("a.bin", photo)}, timeout=20)
    assert made.status_code == 201
    assert requests.get(f"{made.json()['urls']['get']}/download", timeout=20).content == photo
