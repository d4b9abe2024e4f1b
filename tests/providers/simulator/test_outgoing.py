"""The simulator's HTTP client: responses, errors and reused connections."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from providers.simulator.outgoing import NoResponse, Outgoing
from tests.support import raw_server


def call(url, **choices):
    async def once():
        outgoing = Outgoing()
        try:
            return await outgoing.call("POST", url, body=b"x", **{"seconds": 5, **choices})
        finally:
            outgoing.close()

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"], b"abc"),
        ([b"HTTP/1.1 2", b"00 OK\r\nContent-", b"Length: 3\r\n\r\na", b"bc"], b"abc"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", b"2\r\nbc\r\n0\r\n\r\n"], b"abc"),
        ([b"HTTP/1.0 200 OK\r\n\r\nab", b"c"], b"abc"),
        ([b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"], b""),
    ],
)
def test_an_answer_is_read_however_it_comes(pieces, body):
    with raw_server.listening(raw_server.answering(*pieces, pause=0.02)) as url:
        reply = call(url)
    assert (reply.status, reply.body) == (200, body)


def test_an_answer_without_a_body_needs_no_length():
    with raw_server.listening(raw_server.answering(b"HTTP/1.1 204 No Content\r\n\r\n")) as url:
        assert call(url).status == 204


def test_a_long_answer_is_cut():
    with raw_server.listening(raw_server.answering(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 50_000] * 4)) as url:
        assert call(url, max_bytes=1000).body == b"x" * 1000


@pytest.mark.parametrize(
    ("behave", "word"),
    [
        (raw_server.reset, "ConnectionResetError"),
        (raw_server.answering(b"nonsense\r\n\r\n"), "not_http"),
        (raw_server.answering(b"HTTP/1.1 abc\r\n\r\n"), "not_http"),
        (raw_server.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "closed"),
        (raw_server.answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "not_http"),
        (raw_server.answering(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000), "not_http"),
        (raw_server.answering(b""), "closed"),
    ],
)
def test_no_response_has_one_word_for_the_reason(behave, word):
    with raw_server.listening(behave) as url, pytest.raises(NoResponse, match=word):
        call(url)


@pytest.mark.parametrize("behave", [raw_server.wait, raw_server.drip_head, raw_server.drip_body])
def test_the_timeout_is_for_the_whole_response(behave):
    with raw_server.listening(behave) as url, pytest.raises(NoResponse, match="timeout"):
        call(url, seconds=0.3)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://127.0.0.1:1/", "ConnectionRefusedError"),
        ("ftp://127.0.0.1/", "bad_address"),
        ("http:///path", "bad_address"),
        ("http://127.0.0.1:99999/", "bad_address"),
        ("http://127.0.0.1/a b", "bad_address"),
        ("http://127.0.0.1/\r\nX: y", "bad_address"),
    ],
)
def test_what_cannot_be_called_is_said_in_a_word(url, word):
    with pytest.raises(NoResponse, match=word):
        call(url)


def test_a_connection_is_used_again_and_several_calls_take_several():
    callers, meeting = [], threading.Barrier(3, timeout=5)

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            callers.append(self.client_address)
            if self.path == "/together":
                meeting.wait()
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    async def several(url):
        outgoing = Outgoing()
        for _ in range(3):
            await outgoing.call("POST", url, seconds=5)
        await asyncio.gather(*(outgoing.call("POST", f"{url}together", seconds=5) for _ in range(3)))
        outgoing.close()

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        asyncio.run(several(f"http://127.0.0.1:{server.server_address[1]}/"))
        server.shutdown()
        thread.join()
    assert len(set(callers[:3])) == 1
    assert len(set(callers[3:])) == 3
